import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../../test/support/temp-folder.ts";
import { databaseOf, targetOf, withDatabase } from "./location.ts";
import { parseOptionFile } from "./option-file.ts";

const none = "defaults-file=/nowhere/my.cnf";

test("a URL says where and who; a password is never part of what is shown", async () => {
  const target = await targetOf({ url: `mariadb://crm:s%40cret@db.example.org:3307/my%20crm?${none}` });
  assert.equal(target.database, "my crm");
  assert.equal(target.user, "crm");
  assert.equal(target.password, "s@cret");
  assert.equal(target.host, "db.example.org");
  assert.equal(target.port, 3307);
  assert.equal(target.socket, undefined);
  assert.doesNotMatch(target.location, /cret/);
  const beside = await targetOf({ url: `mysql://crm@h/x?${none}`, password: "beside" });
  assert.equal(beside.password, "beside");
  assert.equal(databaseOf(withDatabase({ url: "mysql://crm@h/x?ssl-mode=required" }, "a/b").url), "a/b");
});

test("localhost without a port means a socket, with one it does not", async () => {
  assert.equal((await targetOf({ url: `mysql://u@localhost/d?socket=/run/x.sock&${none}` })).socket, "/run/x.sock");
  assert.equal((await targetOf({ url: `mysql://u@localhost:3306/d?${none}` })).socket, undefined);
  assert.equal((await targetOf({ url: `mysql://u@[::1]/d?${none}` })).host, "::1");
});

test("what no URL can be is refused without showing a password", async () => {
  for (const url of [
    "mysql://u:secret@h",
    "mysql://u:secret@h/",
    "mysql://u:secret@h/%ff",
    "mysql://u:secret%@h/d",
    "mysql://u:secret@h:x/d",
    "mysql://u:secret/x@h/d",
    "mysql://u:x#secret@h/d",
    "postgres://h/d",
  ]) {
    await assert.rejects(targetOf({ url }), (error: Error & { code: string }) => {
      assert.equal(error.code, "database-unsupported");
      assert.doesNotMatch(`${error.message} ${JSON.stringify(error)}`, /secret/);
      return true;
    });
  }
});

test("a name that is longer than the server keeps is refused", async () => {
  const url = (name: string) => ({ url: `mysql://u@h/${name}?${none}` });
  assert.equal((await targetOf(url("é".repeat(64)))).database, "é".repeat(64));
  await assert.rejects(targetOf(url("é".repeat(65))), { code: "database-name-long" });
});

test("an option file gives what the URL does not say", async () => {
  using folder = temporaryFolder();
  const file = join(folder.path, "my.cnf");
  writeFileSync(
    file,
    `[mysqld]\nuser=mysql\n[client]\nuser = holdfast # a comment\npassword="with # and \\\\ in it"\nhost=db\nport=3310\nssl_ca=/ca.pem\n!include x\n`,
  );
  const target = await targetOf({ url: `mysql:///crm?defaults-file=${encodeURIComponent(file)}` });
  assert.equal(target.user, "holdfast");
  assert.equal(target.password, "with # and \\ in it");
  assert.equal(target.host, "db");
  assert.equal(target.port, 3310);
  assert.deepEqual(target.tls, { mode: "verify-ca", ca: "/ca.pem" });
  assert.equal(
    (await targetOf({ url: `mysql://root@h:1/crm?defaults-file=${encodeURIComponent(file)}` })).user,
    "root",
  );
  assert.equal(parseOptionFile("[client]\nskip-ssl\n").get("skip-ssl"), "");
});
