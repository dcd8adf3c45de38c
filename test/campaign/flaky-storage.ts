import assert from "node:assert/strict";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { copySnapshots } from "../../src/engine/copy.ts";
import { verify } from "../../src/engine/verify.ts";
import { localStorage } from "../../src/storage/local.ts";
import { withRetry } from "../../src/storage/retry.ts";
import type { Campaign } from "../support/campaign.ts";
import { assertSameTrees } from "../support/compare-trees.ts";
import { flakyStorage, flaws, type FlakyStorage } from "../support/flaky-storage.ts";
import { noise } from "../support/noise.ts";
import { resticOn } from "../support/restic.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { limits, smallCrm } from "../support/small-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

/**
 * A CRM with so many bytes of files is backed up, restored, verified and copied on a storage of which one request in
 * three is refused, throttled, cut off, slow, corrupted, or done without an answer, and whose listings show what is new a
 * little later.
 */
export const campaign: Campaign = {
  name: "flaky-storage",
  about:
    "backup, restore, verify and copy of 2 GB with one request in three failing in random ways: nothing is lost (files compared, rows counted, stock restic check --read-data of repository and copy), nothing that is whole is said to be damaged, nothing that is stored is sent again, and no byte of a file is sent twice, by no later backup either.",
  rounds: 1,
  run: async ({ rounds, seed, report }) => {
    const facts: Record<string, number> = { rounds: 0 };
    for (let number = 0; number < rounds; number++) {
      const seen = await round(seed * 1000 + number, 20, 100_000_000);
      // A flaw that never came proves nothing.
      for (const flaw of flaws) assert.ok((seen[flaw] ?? 0) > 0, `none was ${flaw}`);
      facts["rounds"] = number + 1;
      for (const [what, count] of Object.entries(seen)) facts[what] = (facts[what] ?? 0) + count;
      report(JSON.stringify(seen));
    }
    return facts;
  },
};

/** So many files of so many bytes, two backups, a restore, a look at every byte and a copy: for the tests. */
export async function round(seed: number, files: number, fileBytes: number): Promise<Record<string, number>> {
  using folder = temporaryFolder();
  const random = seededRandom(seed);
  const crm = await smallCrm(folder.path);
  mkdirSync(join(crm.attachments, "large"));
  for (let index = 0; index < files; index++) {
    writeFileSync(join(crm.attachments, `large/${index}.bin`), noise(`${seed} ${index}`, fileBytes));
    crm.sql(`INSERT INTO attachment VALUES (${100 + index}, 1, 'large/${index}.bin')`);
  }
  const opened: FlakyStorage[] = [];
  const openStorage = (location: string) => {
    const flaky = flakyStorage(localStorage(location), { random, oneIn: 3, listingLag: 5 });
    opened.push(flaky);
    return withRetry(flaky, { firstPauseMs: 1, random: () => random.below(1000) / 1000 });
  };
  Object.assign(crm.engine, { openStorage });
  const sum = (count: (one: FlakyStorage) => number) => opened.reduce((all, one) => all + count(one), 0);
  await crm.backup("full");
  const sentAtFirst = sum((one) => one.sent());
  // Noise is stored as it is: all beside it, which a thousandth holds, is the little that the rest comes to.
  const leastBytes = files * fileBytes;
  const mostBytes = leastBytes * 1.001 + besideFiles;
  assert.ok(sentAtFirst > leastBytes && sentAtFirst < mostBytes, `${sentAtFirst} bytes were sent for ${leastBytes}`);
  crm.sql(
    "INSERT INTO attachment VALUES (99, 1, 'new.txt'); UPDATE contact SET name = 'changed' WHERE id % 7 = 0; DELETE FROM contact WHERE id > 2990",
  );
  writeFileSync(join(crm.attachments, "new.txt"), "new\n");
  await crm.backup("incremental");
  const sentLater = sum((one) => one.sent()) - sentAtFirst;
  assert.ok(sentLater < besideFiles, `${sentLater} bytes were sent for what little had changed`);
  const target = join(folder.path, "restored");
  const plan = await crm.plan({ target, purpose: "replacement" });
  await crm.apply(plan);
  assertSameTrees(join(target, "attachments"), crm.attachments, ["root"]);
  using restored = new DatabaseSync(join(target, "crm.db"), { readOnly: true });
  for (const query of ["SELECT * FROM contact ORDER BY id", "SELECT * FROM attachment ORDER BY id"]) {
    assert.deepEqual(restored.prepare(query).all(), crm.rows(query));
  }
  rmSync(target, { recursive: true });
  await resticOn(crm.access.location, crm.access.password).check();
  const read = { kind: "all" } as const;
  assert.deepEqual((await verify(crm.engine, { repository: crm.access, read, limits }, crm.run)).defects, []);
  const copy = { location: join(folder.path, "copy"), password: "of the copy" };
  const copying = {
    from: crm.access,
    to: copy,
    name: "copy",
    points: [],
    missing: "create",
    limits,
    waitMs: 0,
  } as const;
  const { copied, damaged } = await copySnapshots(crm.engine, copying, crm.run);
  assert.deepEqual([copied.length, damaged], [2, []]);
  await resticOn(copy.location, copy.password).check();
  const needless = sum((one) => one.needless());
  assert.equal(needless, 0, "what is stored is not sent again");
  const counted = flaws.map((flaw) => [flaw, sum(({ counts }) => counts[flaw])] as const);
  return {
    requests: sum((one) => one.requests()),
    ...Object.fromEntries(counted),
    "sent again in vain": needless,
    "bytes of files": leastBytes,
    "bytes sent by the first backup": sentAtFirst,
    "bytes sent by the second": sentLater,
  };
}

/** Rows, trees, indexes, locks. */
const besideFiles = 1_000_000;
