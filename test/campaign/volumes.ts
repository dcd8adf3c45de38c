import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { join } from "node:path";
import type { Engine } from "../../src/engine/engine.ts";
import { exportVolumes, type ExportInput } from "../../src/engine/export.ts";
import { exportedSets } from "../../src/engine/exported-sets.ts";
import { importVolumes } from "../../src/engine/import.ts";
import { prune } from "../../src/engine/prune.ts";
import type { Id, TreeNode } from "../../src/format/tree.ts";
import { nameFromText } from "../../src/lib/byte-name.ts";
import { isHoldfastError } from "../../src/lib/errors.ts";
import type { Run } from "../../src/lib/run.ts";
import { createRepository } from "../../src/repository/create.ts";
import { openRepository } from "../../src/repository/open.ts";
import { storedFileAt } from "../../src/storage/layout.ts";
import { localStorage } from "../../src/storage/local.ts";
import { VolumeAccess } from "../../src/volumes/volume-access.ts";
import type { Campaign } from "../support/campaign.ts";
import { cheapenKey } from "../support/cheap-key.ts";
import { repositoryFiles } from "../support/repository-copy.ts";
import { resticOn } from "../support/restic.ts";
import { type SeededRandom, seededRandom } from "../support/seeded-random.ts";
import { type TapeLibrary, tapeLibrary } from "../support/tape-library.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

/**
 * Random repositories that grow, are pruned and are exported to tapes of random lengths, in random kinds; each export dies
 * at random blocks and is resumed, some tapes do not give back what was written. Then what each set stands on is
 * imported into an empty place, and single parts of files are read by the catalogues.
 */
export const campaign: Campaign = {
  name: "volumes",
  about:
    "exports to tapes that end anywhere, cut off at random blocks and resumed, damaged while they are written: each set, imported over what it stands on, gives exactly its snapshots (our verify reads every byte; stock restic check of samples), parts of files read by catalogue are what they were, and no volume that counts was damaged unseen.",
  rounds: 25,
  run: async ({ rounds, seed, report }) => {
    const counts = {
      exports: 0,
      volumes: 0,
      "exports to several volumes": 0,
      deaths: 0,
      "bad tapes": 0,
      prunes: 0,
      "parts read": 0,
      "judged by restic": 0,
    };
    for (let round = 0; round < rounds; round++) {
      await oneRound(seededRandom(seed * 1000 + round), counts);
      report(`round ${round + 1} of ${rounds}: ${JSON.stringify(counts)}`);
    }
    // Tapes that never end, and exports that never die, prove nothing.
    if (rounds > 4) for (const [what, count] of Object.entries(counts)) assert.ok(count > 0, `no ${what}`);
    return counts;
  },
};

const { signal } = new AbortController();
const limits = { workers: 1, priority: "normal" } as const;
const password = "volumes";
const blockBytes = 10_240;
const run: Run = { signal, now: () => new Date(), report: () => {} };

async function oneRound(random: SeededRandom, counts: Record<string, number>): Promise<void> {
  using place = temporaryFolder();
  const location = join(place.path, "repository");
  const host = { hostname: "test", username: "tester", uid: 0, gid: 0 };
  const options = { signal, now: run.now, host };
  await using _made = await createRepository(localStorage(location), password, options);
  await cheapenKey(location, password);
  let drive: TapeLibrary | undefined;
  const engine: Engine = {
    program: "holdfast test",
    openStorage: (at) => localStorage(at),
    openDrive: () => drive ?? assert.fail("no drive"),
    platforms: [],
    databases: [],
    stateFolder: join(place.path, "state"),
    readSecret: async () => "",
    host,
  };
  const access = { location, password };
  let capacity = 0;
  const tapes = (onWrite?: () => void) =>
    tapeLibrary({ folder: place.path, blockBytes, capacity, warning: random.below(3), ...(onWrite && { onWrite }) });

  const steps = 2 + random.below(3);
  for (let step = 0; step < steps; step++) {
    for (let backups = 2 + random.below(4); backups > 0; backups--) await backUp(location, random, options);
    if (step > 0 && random.oneIn(2)) {
      await forgetOldest(location, options);
      const pruning = {
        maxUnused: { bytes: 0 },
        maxRepackBytes: Infinity,
        keepMarkedMs: 0,
        mode: "apply",
        waitMs: 0,
      } as const;
      await prune(engine, { repository: access, limits, ...pruning }, run);
      counts["prunes"] = (counts["prunes"] ?? 0) + 1;
    }
    // So few blocks that most sets need several tapes; the largest file, the label and the catalogue have room.
    const largest = Math.max(...repositoryFiles(location).map((file) => statSync(join(location, file)).size));
    capacity = Math.ceil(largest / blockBytes) + 6 + random.below(20);
    const kind = step === 0 ? "full" : random.pick(["full", "incremental", "differential"] as const);
    const input: ExportInput = {
      repository: access,
      to: { place: "" },
      kind,
      set: `set-${step}`,
      unfinished: "fail",
      label: () => "a label\n",
      waitMs: 0,
    };
    let resume = false;
    // Dies at a random block of each try, until one gets through.
    for (let tries = 0; ; tries++) {
      let left = tries > 4 ? Infinity : random.below(tries === 0 ? 40 : 150);
      const damageAt = random.oneIn(3) ? random.below(50) : -1;
      let written = 0;
      drive = tapes(() => {
        if (left-- <= 0) throw new Error("killed");
        if (written++ === damageAt) drive?.damage(drive.loads.at(-1) ?? "", random.below(blockBytes) + 1);
      });
      const { kind: _kind, ...again } = input;
      try {
        const report = await exportVolumes(engine, resume ? { ...again, unfinished: "resume" } : input, run);
        add(counts, "exports", 1);
        add(counts, "volumes", report.volumes);
        if (report.volumes > 1) add(counts, "exports to several volumes", 1);
        break;
      } catch (error) {
        if (isHoldfastError(error, "volume-unverified")) add(counts, "bad tapes", 1);
        else if (error instanceof Error && error.message === "killed") add(counts, "deaths", 1);
        else throw error;
      }
      const [{ id }] = [await withRepository(location, options, async (repository) => ({ id: repository.id }))];
      resume = (await exportedSets(engine, id)).some(({ next }) => next !== undefined);
    }
    drive = tapes();
    await proveSets(engine, place.path, tapes(), step, random, counts);
  }
}

/** Each chain of sets gives exactly its snapshots. */
async function proveSets(
  engine: Engine,
  folder: string,
  drive: TapeLibrary,
  step: number,
  random: SeededRandom,
  counts: Record<string, number>,
): Promise<void> {
  const access = new VolumeAccess(drive);
  const sets = await access.sets(signal);
  const chain: string[] = [];
  const expected = new Set<Id>();
  for (let one = sets.find(({ set }) => set === `set-${step}`); one !== undefined;) {
    chain.unshift(one.set);
    for (const { id } of one.snapshots) expected.add(id);
    const { base } = one;
    one = sets.find(({ set }) => set === base);
  }
  const into = join(folder, `imported-${step}`);
  for (const set of chain) await importVolumes(engine, { from: { place: "" }, into, sets: [set], only: [] }, run);
  await using repository = await openRepository(localStorage(into), password, {
    signal,
    now: run.now,
    host: engine.host,
  });
  const verified = await repository.verify({ signal, limits, depth: "data" });
  assert.deepEqual(verified.defects, []);
  const there = (await repository.snapshots(signal)).map(({ id }) => id);
  assert.deepEqual(there.toSorted(), [...expected].toSorted());
  if (random.oneIn(3)) {
    await resticOn(into, password).check();
    add(counts, "judged by restic", 1);
  }
  const files = sets.filter(({ set }) => chain.includes(set)).flatMap((set) => set.files);
  for (let reads = 0; reads < 5; reads++) {
    const { path, size } = random.pick(files);
    const offset = random.below(size);
    const range = random.oneIn(3) ? undefined : { offset, length: random.below(size - offset) };
    const bytes = await access.load(path, range, signal);
    assert.deepEqual(bytes, await localStorage(into).load(storedFileAt(path), range, signal));
    add(counts, "parts read", 1);
  }
}

type Options = Parameters<typeof openRepository>[2];

async function withRepository<T>(
  location: string,
  options: Options,
  use: (repository: Awaited<ReturnType<typeof openRepository>>) => Promise<T>,
): Promise<T> {
  await using repository = await openRepository(localStorage(location), password, options);
  return await use(repository);
}

function backUp(location: string, random: SeededRandom, options: Options): Promise<void> {
  return withRepository(location, options, async (repository) => {
    await using lock = await repository.lock("shared", { signal, now: run.now, waitMs: 0 });
    const indexed = await repository.index(signal);
    await using upload = await indexed.upload({ signal, lock, limits });
    const nodes: TreeNode[] = [];
    for (let file = 0; file < 1 + random.below(3); file++) {
      const bytes = Buffer.alloc(4 + random.below(60_000));
      for (let at = 0; at + 4 <= bytes.length; at += 4) bytes.writeUInt32LE(random.below(2 ** 32), at);
      const { id } = await upload.blob("data", Buffer.from(bytes), "bulk");
      const time = "2026-11-22T08:00:00Z";
      const times = { mtime: time, atime: time, ctime: time, uid: 0, gid: 0 };
      nodes.push({
        name: nameFromText(`f${file}`),
        type: "file",
        mode: 420,
        ...times,
        size: bytes.length,
        content: [id],
      });
    }
    await upload.finish({
      time: run.now().toISOString(),
      tree: await upload.tree({ nodes }),
      paths: ["/test"],
      hostname: "test",
    });
  });
}

function forgetOldest(location: string, options: Options): Promise<void> {
  return withRepository(location, options, async (repository) => {
    await using lock = await repository.lock("exclusive", { signal, now: run.now, waitMs: 0 });
    const [oldest] = await repository.snapshots(signal);
    if (oldest !== undefined) await repository.removeSnapshots([oldest.id], { signal, lock });
  });
}

function add(counts: Record<string, number>, what: string, more: number): void {
  counts[what] = (counts[what] ?? 0) + more;
}
