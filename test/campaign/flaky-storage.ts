import assert from "node:assert/strict";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { copySnapshots } from "../../src/engine/copy.ts";
import { verify } from "../../src/engine/verify.ts";
import { localStorage } from "../../src/storage/local.ts";
import { withRetry } from "../../src/storage/retry.ts";
import type { Storage } from "../../src/storage/storage.ts";
import type { Campaign } from "../support/campaign.ts";
import { assertSameTrees } from "../support/compare-trees.ts";
import { flakyNetwork, networkFlaws } from "../support/flaky-network.ts";
import { flakyStorage, flaws, type FlakyStorage } from "../support/flaky-storage.ts";
import { noise } from "../support/noise.ts";
import { resticOn } from "../support/restic.ts";
import { type SeededRandom, seededRandom } from "../support/seeded-random.ts";
import { limits, type SmallCrm, smallCrm } from "../support/small-crm.ts";
import { tamperingProxy } from "../support/tampering-proxy.ts";
import { startTarget, type TargetName, targetNames } from "../support/targets.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

/**
 * A CRM with so many bytes of files is backed up, restored, verified and copied on a storage of which one request in
 * three is refused, throttled, cut off, slow, corrupted, or done without an answer, and whose listings show what is new a
 * little later. Then the same with less on each kind of target, by its own client, whose connections break so.
 */
export const campaign: Campaign = {
  name: "flaky-storage",
  about:
    "backup, restore, verify and copy of 2 GB with one request in three failing in random ways: nothing is lost (files compared, rows counted, stock restic check --read-data of repository and copy), nothing that is whole is said to be damaged, nothing that is stored is sent again, and no byte of a file is sent twice, by no later backup either. Then 200 MB each on S3 (Ceph), Azure (Azurite), Google (an emulator) and REST (rclone), through a proxy that does so to one request of theirs in three, and on SFTP (OpenSSH), whose connections are ended beside.",
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
    for (const [which, name] of targetNames.entries()) {
      if (name === "local") continue;
      const seen = await roundOn(name, seed * targetNames.length + which, 10, 20_000_000);
      for (const flaw of name === "sftp" ? flaws : networkFlaws) assert.ok((seen[flaw] ?? 0) > 0, `none was ${flaw}`);
      for (const [what, count] of Object.entries(seen)) facts[`${name}: ${what}`] = count;
      report(`${name}: ${JSON.stringify(seen)}`);
    }
    return facts;
  },
};

/** Where the repository is, and what is counted there. */
interface FlakyPlace {
  readonly location: string;
  open(location: string): Storage;
  /** By stock restic, which is left alone meanwhile. */
  check(): Promise<void>;
  /** Bytes that came through. */
  sent(): number;
  /** Absent: the bytes tell. */
  readonly needless?: () => number;
  counts(): Readonly<Record<string, number>>;
}

/** So many files of so many bytes, two backups, a restore, a look at every byte and a copy: for the tests. */
export async function round(seed: number, files: number, fileBytes: number): Promise<Record<string, number>> {
  using folder = temporaryFolder();
  const random = seededRandom(seed);
  const crm = await smallCrm(folder.path);
  const { location, password } = crm.access;
  const opened: FlakyStorage[] = [];
  const sum = (count: (one: FlakyStorage) => number) => opened.reduce((all, one) => all + count(one), 0);
  return await flow(
    crm,
    random,
    { seed, files, fileBytes },
    {
      location,
      open(at) {
        const flaky = flakyStorage(localStorage(at), { random, oneIn: 3, listingLag: 5 });
        opened.push(flaky);
        return flaky;
      },
      check: () => resticOn(location, password).check(),
      sent: () => sum((one) => one.sent()),
      needless: () => sum((one) => one.needless()),
      counts: () => ({
        requests: sum((one) => one.requests()),
        ...Object.fromEntries(flaws.map((flaw) => [flaw, sum(({ counts }) => counts[flaw])] as const)),
      }),
    },
  );
}

/** The same on that kind of target, by its own client. */
export async function roundOn(
  name: TargetName,
  seed: number,
  files: number,
  fileBytes: number,
): Promise<Record<string, number>> {
  using folder = temporaryFolder();
  const random = seededRandom(seed);
  const crm = await smallCrm(folder.path);
  await using target = await startTarget[name]();
  const { password } = crm.access;
  const location = target.location("flaky");
  await moveRepository(localStorage(crm.access.location), target.open(location));
  Object.assign(crm.access, { location });
  const restic = resticOn(target.resticLocation("flaky"), password, target.resticAccess);
  const { behind, port, cut } = target;
  const size = { seed, files, fileBytes };
  if (behind === undefined || port === undefined) {
    const opened: FlakyStorage[] = [];
    const sum = (count: (one: FlakyStorage) => number) => opened.reduce((all, one) => all + count(one), 0);
    using cutting = endEvery(4000, cut ?? assert.fail());
    return await flow(crm, random, size, {
      location,
      open(at) {
        const flaky = flakyStorage(target.open(at), { random, oneIn: 3 });
        opened.push(flaky);
        return flaky;
      },
      check: () => cutting.without(() => restic.check()),
      sent: () => sum((one) => one.sent()),
      counts: () => Object.fromEntries(flaws.map((flaw) => [flaw, sum(({ counts }) => counts[flaw])] as const)),
    });
  }
  await using proxy = await tamperingProxy(port);
  const network = flakyNetwork(random, 3);
  proxy.tamper = network.tamper;
  return await flow(crm, random, size, {
    location,
    open: (at) => behind(proxy.port, at),
    async check() {
      proxy.tamper = () => undefined;
      await restic.check();
      proxy.tamper = network.tamper;
    },
    sent: network.sent,
    counts: () => ({ requests: network.requests(), ...network.counts }),
  });
}

/** A repository that is new: its key and its configuration. */
async function moveRepository(from: Storage, to: Storage): Promise<void> {
  const { signal } = new AbortController();
  await using _from = from;
  await using _to = to;
  await to.create(signal);
  for (const kind of ["key", "config"] as const) {
    for await (const { name } of from.list(kind, signal)) {
      await to.save({ kind, name }, await from.load({ kind, name }, undefined, signal), signal);
    }
  }
}

/** Ends all connections every so often. */
function endEvery(ms: number, cut: () => void) {
  let timer = setInterval(cut, ms);
  return {
    async without(work: () => Promise<void>): Promise<void> {
      clearInterval(timer);
      await work();
      timer = setInterval(cut, ms);
    },
    [Symbol.dispose]: () => clearInterval(timer),
  };
}

interface FlowSize {
  readonly seed: number;
  readonly files: number;
  readonly fileBytes: number;
}

async function flow(
  crm: SmallCrm,
  random: SeededRandom,
  { seed, files, fileBytes }: FlowSize,
  place: FlakyPlace,
): Promise<Record<string, number>> {
  const folder = join(crm.folder, "..");
  mkdirSync(join(crm.attachments, "large"));
  for (let index = 0; index < files; index++) {
    writeFileSync(join(crm.attachments, `large/${index}.bin`), noise(`${seed} ${index}`, fileBytes));
    crm.sql(`INSERT INTO attachment VALUES (${100 + index}, 1, 'large/${index}.bin')`);
  }
  // The copy lies on this disk, whatever the target.
  const copy = { location: join(folder, "copy"), password: "of the copy" };
  const openStorage = (at: string) => {
    const isCopy = at === copy.location;
    const flaky = isCopy ? flakyStorage(localStorage(at), { random, oneIn: 3, listingLag: 5 }) : place.open(at);
    return withRetry(flaky, { firstPauseMs: 1, random: () => random.below(1000) / 1000 });
  };
  Object.assign(crm.engine, { openStorage });
  await crm.backup("full");
  const sentAtFirst = place.sent();
  // Noise is stored as it is: all beside it, which a thousandth holds, is the little that the rest comes to.
  const leastBytes = files * fileBytes;
  const mostBytes = leastBytes * 1.001 + besideFiles;
  assert.ok(sentAtFirst > leastBytes && sentAtFirst < mostBytes, `${sentAtFirst} bytes were sent for ${leastBytes}`);
  crm.sql(
    "INSERT INTO attachment VALUES (99, 1, 'new.txt'); UPDATE contact SET name = 'changed' WHERE id % 7 = 0; DELETE FROM contact WHERE id > 2990",
  );
  writeFileSync(join(crm.attachments, "new.txt"), "new\n");
  await crm.backup("incremental");
  const sentLater = place.sent() - sentAtFirst;
  assert.ok(sentLater < besideFiles, `${sentLater} bytes were sent for what little had changed`);
  const target = join(folder, "restored");
  const plan = await crm.plan({ target, purpose: "replacement" });
  await crm.apply(plan);
  assertSameTrees(join(target, "attachments"), crm.attachments, ["root"]);
  using restored = new DatabaseSync(join(target, "crm.db"), { readOnly: true });
  for (const query of ["SELECT * FROM contact ORDER BY id", "SELECT * FROM attachment ORDER BY id"]) {
    assert.deepEqual(restored.prepare(query).all(), crm.rows(query));
  }
  rmSync(target, { recursive: true });
  await place.check();
  const read = { kind: "all" } as const;
  assert.deepEqual((await verify(crm.engine, { repository: crm.access, read, limits }, crm.run)).defects, []);
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
  const needless = place.needless?.() ?? 0;
  assert.equal(needless, 0, "what is stored is not sent again");
  return {
    ...place.counts(),
    ...(place.needless && { "sent again in vain": needless }),
    "bytes of files": leastBytes,
    "bytes sent by the first backup": sentAtFirst,
    "bytes sent by the second": sentLater,
  };
}

/** Rows, trees, indexes, locks. */
const besideFiles = 1_000_000;
