import assert from "node:assert/strict";
import { appendFileSync, existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { cliCrm } from "./cli-crm.ts";

test("a cache is filled when it is asked for, may be deleted, and hides nothing from verify", async () => {
  using crm = cliCrm();
  const cache = join(crm.folder, "../home/.cache/holdfast/repositories");
  assert.equal((await crm.run(["init"])).code, 0);
  assert.equal((await crm.run(["backup"])).code, 0);
  assert.equal((await crm.run(["browse", "/files"])).code, 0);
  assert.equal(existsSync(cache), false, "a repository on a local disk needs none");

  appendFileSync(crm.config, "cache: { use: always, size: 50MB }\n");
  assert.equal((await crm.run(["browse", "/files", "--no-cache"])).code, 0);
  assert.equal(existsSync(cache), false);
  const first = await crm.run(["browse", "/files/attachments"]);
  assert.equal(first.code, 0, first.stderr);
  const kinds = new Set(readdirSync(cache).flatMap((repository) => readdirSync(join(cache, repository))));
  assert.deepEqual(kinds, new Set(["data", "index", "snapshot"]));

  // All packs gone: what is known of trees can still be looked at, but nobody calls the repository sound.
  const data = join(crm.folder, "backups/data");
  for (const name of readdirSync(data, { recursive: true }).map(String)) {
    if (name.length > 60) rmSync(join(data, name));
  }
  assert.equal((await crm.run(["browse", "/files/attachments"])).stdout, first.stdout);
  assert.equal((await crm.run(["verify"])).code, 40);
  rmSync(cache, { recursive: true });
  assert.equal((await crm.run(["browse", "/files/attachments"])).code, 1);
});
