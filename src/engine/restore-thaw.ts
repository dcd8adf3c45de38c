import { setTimeout as delay } from "node:timers/promises";
import type { Id, TreeNode } from "../format/tree.ts";
import { joinName, type ByteName } from "../lib/byte-name.ts";
import { HoldfastError } from "../lib/errors.ts";
import { mapBounded } from "../lib/map-bounded.ts";
import type { Run } from "../lib/run.ts";
import type { BlobReader, ColdPack, IndexedRepository } from "../repository/repository.ts";
import type { PreparedRestore } from "./restore-prepare.ts";

export interface ThawChoice {
  /** For how long what is thawed can be read. */
  readonly days: number;
  /** How long between two looks. */
  readonly pollMs: number;
}

export interface ColdSum {
  readonly packs: number;
  readonly bytes: number;
}

/** What of a restore lies in a cold class: its packs, those apart that can be read already. */
export async function coldPacksOf(
  indexed: IndexedRepository,
  reader: BlobReader,
  prepared: PreparedRestore,
  signal: AbortSignal,
): Promise<readonly ColdPack[]> {
  // Most repositories have nothing of the kind: then no tree is read for it.
  if (!(await indexed.hasColdPacks(signal))) return [];
  return indexed.coldPacks(await blobsOf(reader, prepared, signal), signal);
}

/** Asks for what is cold, all of it at once, and waits until it is there. */
export async function thaw(
  indexed: IndexedRepository,
  packs: readonly ColdPack[],
  choice: ThawChoice | undefined,
  run: Run,
): Promise<void> {
  if (packs.length === 0) return;
  if (choice === undefined) {
    throw new HoldfastError("storage-cold", {
      packs: packs.length,
      bytes: packs.reduce((sum, { size }) => sum + size, 0),
    });
  }
  run.report({ type: "phase", phase: "thaw" });
  await mapBounded(packs, requestsAtOnce, ({ id }) => indexed.requestThaw(id, choice.days, run.signal));
  let waiting = packs;
  while (true) {
    const states = await mapBounded(waiting, requestsAtOnce, async (pack) => ({
      pack,
      state: await indexed.thawState(pack.id, run.signal),
    }));
    waiting = states.filter(({ state }) => state !== "ready").map(({ pack }) => pack);
    const done = packs.length - waiting.length;
    run.report({ type: "progress", phase: "thaw", doneBytes: 0, doneItems: done, totalItems: packs.length });
    if (waiting.length === 0) return;
    const facts = { cold: waiting.length, total: packs.length, minutes: Math.ceil(choice.pollMs / 60_000) };
    run.report({ type: "note", code: "waiting-for-thaw", facts });
    await delay(choice.pollMs, undefined, { signal: run.signal });
  }
}

const requestsAtOnce = 5;

/** The data blobs that a restore reads. */
async function blobsOf(reader: BlobReader, prepared: PreparedRestore, signal: AbortSignal): Promise<ReadonlySet<Id>> {
  const blobs = new Set<Id>();
  const takeAll = (node: TreeNode): void => {
    for (const id of node.content ?? []) blobs.add(id);
  };

  async function walk(
    tree: Id,
    folder: ByteName | undefined,
    wanted: ReadonlySet<ByteName> | undefined,
  ): Promise<void> {
    for (const node of (await reader.loadTree(tree, signal)).nodes) {
      const inside = folder === undefined ? node.name : joinName(folder, node.name);
      // What lies in a folder that is wanted is wanted.
      const isWanted = wanted === undefined || wanted.has(inside);
      if (isWanted) takeAll(node);
      if (node.subtree !== undefined) await walk(node.subtree, inside, isWanted ? undefined : wanted);
    }
  }

  for (const { tree } of prepared.databases) await walk(tree, undefined, undefined);
  for (const { node } of prepared.folders)
    if (node.subtree !== undefined) await walk(node.subtree, undefined, undefined);
  for (const { node } of prepared.config) takeAll(node);
  for (const { tree, writes } of prepared.items) await walk(tree, undefined, new Set(writes));
  return blobs;
}
