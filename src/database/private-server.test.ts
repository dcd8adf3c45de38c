import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { isHoldfastError } from "../lib/errors.ts";
import type { DatabaseSchema } from "./database.ts";
import { mysqlHome } from "./mysql/home.ts";
import { postgresHome } from "./postgres/server-home.ts";
import { startPrivateServer } from "./private-server.ts";

const folder = mkdtempSync(join(tmpdir(), "holdfast-private-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const signal = new AbortController().signal;
const call = (program: string, ...args: readonly string[]) => ({ program, args });
const start = (parent: string, prepare: string, serve: ReturnType<typeof call>) =>
  startPrivateServer(
    {
      parent,
      accounts: ["nobody"],
      socket: "socket",
      endsAt: "KILL",
      programs: () => ({
        url: "postgresql://nobody@/x",
        prepare: call(prepare),
        serve,
        ask: () => Promise.reject(new Error("it was asked")),
      }),
    },
    signal,
  );
const failsWith = (code: string, facts: Readonly<Record<string, unknown>>) => (error: unknown) => {
  assert.ok(isHoldfastError(error), String(error));
  assert.deepEqual([error.code, error.facts], [code, facts]);
  return true;
};

test("why no server starts is told, and nothing is left", async () => {
  const long = join(folder, "x".repeat(90));
  mkdirSync(long);
  await assert.rejects(start(long, "/bin/true", call("/bin/true")), (error) => {
    return isHoldfastError(error, "server-not-started") && String(error.facts["long"]).startsWith(long);
  });
  assert.deepEqual(readdirSync(long), []);

  // Its account cannot enter what is ours alone; who is not root runs it as himself.
  const isRoot = process.getuid?.() === 0;
  const [code, facts] = isRoot
    ? ["server-not-started", { account: "nobody", parent: folder }]
    : ["server-not-started", { program: "/bin/false", reason: undefined }];
  await assert.rejects(start(folder, "/bin/false", call("/bin/true")), failsWith(code, facts));
  assert.deepEqual(readdirSync(folder), ["x".repeat(90)]);
});

test("a version that is not installed, and a server that is started by nobody, are named", async () => {
  const schema = (engineVersion: string) => ({ engineVersion }) as DatabaseSchema;
  const home = postgresHome({});
  await assert.rejects(
    home.privateServer({ like: "postgresql://crm@db/crm", schema: schema("99.1"), parent: folder }, signal),
    (error) => isHoldfastError(error, "server-program-missing") && error.facts["needed"] === 99,
  );
  await assert.rejects(
    mysqlHome.privateServer({ like: "mysql://crm@db/crm", schema: schema("MySQL 8.0.36"), parent: folder }, signal),
    failsWith("server-unsupported", { server: "MySQL 8.0.36" }),
  );
});
