import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { captureDatabase, loadCaptured, withoutNumbers } from "../support/postgres-capture.ts";
import { postgresLacks, startPostgres } from "../support/postgres-server.ts";

const everything = readFileSync(new URL("../support/postgres-crm.sql", import.meta.url), "utf8");

/** Where no pg_dump is new enough, the definitions come from the catalog. */
const versions = [
  { version: 13, source: /^pg_dump/ },
  { version: 17, source: /^catalog$/ },
  { version: 18, source: /^catalog$/ },
] as const;

for (const { version, source } of versions) {
  const lacks = postgresLacks(version);
  test(`PostgreSQL ${version}: everything comes back`, { skip: lacks ?? false }, async () => {
    await using server = await startPostgres({ version });
    await server.sql("CREATE DATABASE crm");
    await server.sql(everything, "crm");
    if (version === 18) {
      await server.sql(
        "CREATE TABLE virtual (a integer NOT NULL, b integer GENERATED ALWAYS AS (a * 2) VIRTUAL); INSERT INTO virtual VALUES (3)",
        "crm",
      );
    }
    const captured = await captureDatabase(server.url("crm"));
    assert.match(String(captured.schema.settings["definitions"]), source);
    assert.deepEqual(captured.schema.uncovered, []);
    assert.deepEqual(await loadCaptured(server.url("copy"), captured), []);
    const copied = await captureDatabase(server.url("copy"));
    assert.deepEqual(withoutNumbers(copied), withoutNumbers(captured));
    for (const [table, lines] of captured.lines) {
      const same = [...copied.lines].find(([{ schema, name }]) => schema === table.schema && name === table.name)?.[1];
      const sorted = (bytes: Buffer | undefined) =>
        table.keyLength > 0
          ? bytes
          : Buffer.from(bytes?.toString("latin1").split("\n").toSorted().join("\n") ?? "", "latin1");
      assert.ok(sorted(same)?.equals(sorted(lines) ?? Buffer.alloc(0)), table.name);
    }
  });
}
