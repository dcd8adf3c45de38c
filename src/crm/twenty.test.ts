import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { CrmDescription } from "./platform.ts";
import { twenty } from "./twenty.ts";

test("how the CRM's own URL has its server reached is how its backup reaches it", async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-twenty-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const configuration = join(folder, ".env");
  const description: CrmDescription = {
    ...{ name: "twenty", platform: "twenty", configuration },
    ...{ files: [], excludes: [], attachments: [], neutralise: [] },
  };
  const found = async (query: string) => {
    const url = `postgres://crm:geheim@db.example.com:6432/default${query}`;
    writeFileSync(configuration, `PG_DATABASE_URL=${url}\nSERVER_URL=http://localhost:3000\n`);
    const { databases } = await twenty.parts(description);
    assert.deepEqual(
      (await twenty.detect(folder)).map(({ database }) => database),
      [databases[0]?.url],
    );
    return databases.map(({ url: own, password }) => [own, password]);
  };
  const own = "postgresql://crm@db.example.com:6432/default";
  assert.deepEqual(await found(""), [[own, "geheim"]]);
  assert.deepEqual(await found("?sslmode=verify-full&application_name=twenty"), [
    [`${own}?sslmode=verify-full`, "geheim"],
  ]);
  assert.deepEqual(await found("?sslmode=no-verify"), [[`${own}?sslmode=require`, "geheim"]]);
  const here = join(folder, "ca.crt");
  writeFileSync(here, "");
  assert.deepEqual(await found(`?sslmode=verify-ca&sslrootcert=${here}&sslkey=/in/a/container.key`), [
    [`${own}?sslmode=verify-ca&sslrootcert=${encodeURIComponent(here)}`, "geheim"],
  ]);
});
