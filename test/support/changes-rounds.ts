import { setTimeout as wait } from "node:timers/promises";
import { captureDatabase, readDatabase, signsOf, verifyTable } from "../../src/contents/databases.ts";
import type { DatabaseManifest } from "../../src/contents/manifest.ts";
import type { DatabaseAddress, DatabaseEngine } from "../../src/database/database.ts";
import type { Id } from "../../src/format/tree.ts";
import type { CampaignOptions } from "./campaign.ts";
import { memoryJournal } from "./memory-journal.ts";
import { testRepository } from "./test-repository.ts";

/** A database on a server that people and programs work on while it is backed up again and again. */
export interface ChangingDatabase {
  readonly engine: DatabaseEngine;
  readonly address: DatabaseAddress;
  /** Two sessions that write; what cannot be done (a table that the other one holds) is left undone. */
  readonly writer: (sql: string) => Promise<void>;
  readonly slow: (sql: string) => Promise<void>;
  /** What is done between two backups. */
  readonly operation: (chance: () => number) => string;
  /** Begins a transaction that stays open over a backup or several. */
  readonly begin: string;
  /** While a backup runs. */
  readonly beside: (count: number) => string;
}

/** Numbers from 0 to 1, the same for the same seed: https://en.wikipedia.org/wiki/Linear_congruential_generator */
function chanceFrom(seed: number): () => number {
  let state = (seed * 2_654_435_761) >>> 0;
  return () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;
}

/** Rounds of random writing and an incremental backup, which must hold exactly what a full read of the same moment gives. */
export async function changesRounds(
  { engine, address, writer, slow, operation, begin, beside }: ChangingDatabase,
  { rounds, seed, report }: CampaignOptions,
): Promise<Readonly<Record<string, number>>> {
  const chance = chanceFrom(seed);
  const facts = { rounds: 0, operations: 0, "tables compared": 0, "rows compared": 0 };
  const ways = new Map<string, number>();
  await using repository = await testRepository();
  const { signal } = repository;
  await using journal = await memoryJournal(engine, address, "main");
  let parent: { readonly manifest: DatabaseManifest; readonly tree: Id } | undefined;
  let isOpen = false;
  for (let round = 0; round < rounds; round++) {
    const done: string[] = [];
    const run = async (session: (sql: string) => Promise<void>, sql: string) => {
      done.push(sql);
      facts.operations++;
      await session(sql);
    };
    for (let count = Math.floor(chance() * 5); count >= 0; count--) await run(writer, operation(chance));
    // A transaction that is open over one backup or several, and ends between two others.
    if (isOpen && chance() < 0.5) {
      await run(slow, chance() < 0.7 ? "COMMIT" : "ROLLBACK");
      isOpen = false;
    } else if (!isOpen && chance() < 0.5) {
      await run(slow, begin);
      isOpen = true;
    }
    await using source = await engine.connect(address, { signal });
    await using snapshot = await source.snapshot(signal);
    const kind = parent === undefined ? "full" : chance() < 0.1 ? "differential" : "incremental";
    const writing = (async () => {
      for (let count = 0; count < 3; count++) {
        await wait(5);
        await writer(beside(count));
      }
    })();
    // Now and then nothing is known of the moment before, as after a restore: then sums must do.
    const known = parent && (chance() < 0.2 ? { ...parent, manifest: withoutMarks(parent.manifest) } : parent);
    const touched =
      parent && kind === "incremental" && chance() < 0.4 ? await journal.touched(parent.manifest, snapshot) : undefined;
    const { stored: _, ...capture } = await repository.upload((store, reader) =>
      captureDatabase({
        snapshot,
        engine,
        name: "main",
        location: address.url,
        ...(known && { parent: known }),
        touched,
        kind,
        store,
        reader,
        cutKey: repository.repository.secret("rows"),
        emptyTables: [],
        time: new Date(1_700_000_000_000 + round * 1000).toISOString(),
        signal,
        report: () => {},
      }),
    );
    await writing;
    for (const [way, count] of Object.entries(capture.methods)) ways.set(way, (ways.get(way) ?? 0) + count);
    parent = { manifest: capture.manifest, tree: capture.tree };
    const stored = await readDatabase(await repository.index(), capture.tree, engine, signal);
    for (const table of stored.tables) {
      const same = snapshot.schema.tables.find(({ name }) => name === table.table.name);
      const live = await bytesOf(same ? snapshot.reader(same).read({}, signal) : []);
      const kept = await bytesOf(table.rows({}, signal));
      const wrong = await verifyTable(table, signsOf(table.table, engine), signal);
      if (live !== kept || wrong.length > 0) {
        throw new Error(
          `seed ${seed}, round ${round}, ${kind}, ${table.table.name}: ${JSON.stringify(wrong)} after\n${done.join("\n")}`,
        );
      }
      facts["tables compared"]++;
      facts["rows compared"] += table.rowCount;
    }
    facts.rounds++;
    if (round % 20 === 19) report(`${round + 1} rounds, ${JSON.stringify(Object.fromEntries(ways))}`);
  }
  return { ...facts, ...Object.fromEntries([...ways].map(([way, count]) => [`tables by ${way}`, count])) };
}

function withoutMarks(manifest: DatabaseManifest): DatabaseManifest {
  const tables = manifest.tables.map((table) => {
    const { mark: _mark, ...rest } = table;
    return rest;
  });
  return { ...manifest, tables };
}

/** All lines, in the order of bytes: the database's own order may be another one. */
async function bytesOf(batches: AsyncIterable<{ readonly lines: Buffer }> | readonly never[]): Promise<string> {
  const lines: string[] = [];
  for await (const batch of batches) lines.push(...batch.lines.toString("latin1").split("\n").slice(0, -1));
  return lines.toSorted().join("\n");
}
