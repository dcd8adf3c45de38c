import assert from "node:assert/strict";
import { chmodSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { makeAuthority } from "../../../test/support/authority.ts";
import { captureDatabase, loadCaptured } from "../../../test/support/postgres-capture.ts";
import { type PostgresServer, startPostgres } from "../../../test/support/postgres-server.ts";
import { temporaryFolder } from "../../../test/support/temp-folder.ts";
import { until } from "../../../test/support/until.ts";
import { isHoldfastError, type ErrorCode } from "../../lib/errors.ts";
import { loginOf, withDatabase } from "./address.ts";
import { PostgresConnection } from "./connection.ts";
import { passwordIn } from "./password.ts";

const { signal } = new AbortController();
const fails = (code: ErrorCode) => (error: unknown) =>
  isHoldfastError(error, code) && !`${String(error)} ${JSON.stringify(error.facts)}`.includes("geheim");

test("addresses are read as libpq reads them", () => {
  const login = (url: string, environment = {}) => loginOf(url, { USER: "me", ...environment });
  assert.equal(login(`postgresql://h/${"客".repeat(21)}`).database.length, 21);
  assert.throws(() => login(`postgresql://h/${"客".repeat(21)}x`), fails("database-name-long"));
  assert.deepEqual(login("postgresql://"), {
    host: "/var/run/postgresql",
    port: 5432,
    user: "me",
    database: "me",
    sslMode: "prefer",
  });
  assert.deepEqual(login("postgres://a%40b@[::1]:99/c%2Fd?sslmode=verify-full&sslrootcert=/r.crt"), {
    host: "::1",
    port: 99,
    user: "a@b",
    database: "c/d",
    sslMode: "verify-full",
    sslRootCert: "/r.crt",
  });
  assert.deepEqual(login("postgresql:///crm?host=/run/pg&port=7", { PGUSER: "u", PGSSLMODE: "disable" }), {
    host: "/run/pg",
    port: 7,
    user: "u",
    database: "crm",
    sslMode: "disable",
  });
  assert.equal(
    withDatabase({ url: "postgresql://u@h/crm?sslmode=require" }, 'x "y"').url,
    "postgresql://u@h/x%20%22y%22?sslmode=require",
  );
  for (const url of [
    "postgresql://u:geheim@h/x",
    "postgresql://u:geheim:x@h/x",
    "postgresql://u:geheim/x@h/x",
    "postgresql://u:x@geheim@h/x",
    "postgresql://h/x?password=geheim",
    "postgresql://h:0/x",
    "postgresql://h/x?sslmode=maybe",
    "postgresql://h/%zz",
  ]) {
    assert.throws(() => login(url), fails("database-unsupported"), url);
  }
});

test("a password file as libpq has it", () => {
  const login = { host: "db.example.org", port: 5432, user: "crm", database: "crm", sslMode: "prefer" } as const;
  const text = "# all\ndb.example.org:5433:*:*:wrong\nother:*:*:*:wrong\n*:*:crm:crm:ge\\:heim\\\\:x\n*:*:*:*:last\n";
  assert.equal(passwordIn(text, login), "ge:heim\\:x");
  assert.equal(passwordIn(text, { ...login, user: "other" }), "last");
  assert.equal(passwordIn("localhost:*:*:*:socket", { ...login, host: "/run" }), "socket");
  assert.equal(passwordIn("h:1:d:u", login), undefined);
});

let server: PostgresServer;
before(async () => {
  server = await startPostgres();
  const data = join(server.folder, "data");
  const rules = readFileSync(join(data, "pg_hba.conf"), "utf8");
  writeFileSync(
    join(data, "pg_hba.conf"),
    `hostssl all tls 127.0.0.1/32 trust\nhost all tls all reject\nhost all scram all scram-sha-256\nhost all md5 all md5\n${rules}`,
  );
  const { certificate, key } = await makeAuthority(server.folder, "ours", statSync(data));
  await server.sql(`
    CREATE ROLE scram LOGIN PASSWORD 'geheim'; SET password_encryption = 'md5'; CREATE ROLE md5 LOGIN PASSWORD 'geheim';
    CREATE ROLE tls LOGIN SUPERUSER; ALTER SYSTEM SET ssl_cert_file = '${certificate}'; ALTER SYSTEM SET ssl_key_file = '${key}';
    ALTER SYSTEM SET ssl = on; SELECT pg_reload_conf()`);
});
after(() => server[Symbol.asyncDispose]());

async function userOf(
  url: string,
  options: { readonly password?: string; readonly environment?: Record<string, string> } = {},
): Promise<string> {
  const address = { url, ...(options.password !== undefined && { password: options.password }) };
  await using connection = await PostgresConnection.open(address, { environment: options.environment ?? {}, signal });
  return (
    (await connection.value(
      "SELECT session_user || CASE WHEN s.ssl THEN ' tls' ELSE '' END FROM pg_stat_ssl s WHERE pid = pg_backend_pid()",
    )) ?? ""
  );
}

test("passwords: given, from the environment, from .pgpass; wrong and missing ones are refused in one line", async () => {
  for (const user of ["scram", "md5"]) {
    const url = server.url("postgres", user);
    assert.equal(await userOf(url, { password: "geheim" }), `${user} tls`);
    assert.equal(await userOf(url, { environment: { PGPASSWORD: "geheim" } }), `${user} tls`);
    using folder = temporaryFolder();
    const file = join(folder.path, "pass");
    writeFileSync(file, `127.0.0.1:${server.port}:*:${user}:geheim\n`, { mode: 0o600 });
    assert.equal(await userOf(url, { environment: { PGPASSFILE: file } }), `${user} tls`);
    chmodSync(file, 0o644);
    await assert.rejects(
      userOf(url, { environment: { PGPASSFILE: file, HOME: folder.path } }),
      fails("database-login"),
    );
    await assert.rejects(userOf(url, { password: "wrong" }), fails("database-login"));
  }
});

test("a socket, a server that is not there or has no room for one more, a database that is not there", async () => {
  assert.equal(await userOf(`postgresql://postgres@/postgres?host=${server.folder}&port=${server.port}`), "postgres");
  await assert.rejects(userOf("postgresql://postgres@127.0.0.1:1/postgres"), fails("database-unreachable"));
  await server.sql("CREATE DATABASE crowded CONNECTION LIMIT 0; CREATE ROLE late LOGIN");
  await assert.rejects(userOf(server.url("crowded", "late")), fails("database-unreachable"));
  await assert.rejects(userOf(server.url("nothing")), fails("database-missing"));
});

test("a session that cannot begin is ended", async () => {
  await server.sql("CREATE DATABASE barred; CREATE ROLE barred LOGIN");
  await server.sql("REVOKE EXECUTE ON FUNCTION pg_catalog.current_setting(text) FROM PUBLIC", "barred");
  await assert.rejects(userOf(server.url("barred", "barred")), fails("database-rights"));
  const left = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'barred'";
  await until(async () => (await server.sql(left)).trim() === "0");
});

test("TLS as the modes mean it", async () => {
  using folder = temporaryFolder();
  const own = join(server.folder, "ours-ca.pem");
  const { root: others } = await makeAuthority(folder.path, "others");
  const at = (host: string, query: string) =>
    userOf(`postgresql://tls@${host}:${server.port}/postgres?${query}`, { environment: { HOME: folder.path } });
  assert.equal(await at("127.0.0.1", "sslmode=require"), "tls tls");
  await assert.rejects(at("127.0.0.1", "sslmode=disable"), fails("database-login"));
  assert.equal(await at("127.0.0.1", `sslmode=verify-ca&sslrootcert=${own}`), "tls tls");
  assert.equal(await at("localhost", `sslmode=verify-full&sslrootcert=${own}`), "tls tls");
  for (const [host, query] of [
    ["127.0.0.1", `sslmode=verify-full&sslrootcert=${own}`],
    ["localhost", "sslmode=verify-full"],
    ["localhost", `sslmode=verify-full&sslrootcert=${others}`],
    ["localhost", `sslmode=verify-ca&sslrootcert=${others}`],
    ["localhost", `sslmode=verify-full&sslrootcert=${join(folder.path, "nowhere.pem")}`],
  ] as const) {
    await assert.rejects(at(host, query), (error) => {
      assert.ok(isHoldfastError(error, "database-unreachable"), `${query}: ${String(error)}`);
      assert.match(String(error.facts["reason"]), /^[^\n]*(certificate|altnames|nowhere\.pem)[^\n]*$/i);
      return true;
    });
  }
});

test("rows, definitions and a restore through TLS alone", async () => {
  await server.sql("CREATE DATABASE sealed");
  await server.sql(
    "CREATE TABLE note AS SELECT i AS id, repeat('张', 100) AS t FROM generate_series(1, 5000) AS i",
    "sealed",
  );
  const sealed = (name: string) =>
    `postgresql://tls@localhost:${server.port}/${name}?sslmode=verify-full&sslrootcert=${join(server.folder, "ours-ca.pem")}`;
  const captured = await captureDatabase(sealed("sealed"));
  assert.match(String(captured.schema.settings["definitions"]), /^pg_dump/);
  assert.deepEqual(await loadCaptured(sealed("copied"), captured), []);
  const sum = "SELECT sum(hashtextextended(n::text, 0)) FROM note n";
  assert.equal(await server.sql(sum, "copied"), await server.sql(sum, "sealed"));
});
