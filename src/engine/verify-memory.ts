import type { Id } from "../format/tree.ts";
import { noteState, readState } from "./state.ts";
import type { Engine } from "./engine.ts";

/**
 * Which packs, and which snapshots' rows, were read whole when, on this machine, and which packs were not sound: by `verify`, and by the
 * repair of packs, which reads them in the same way. It only chooses what is read next: what it says of a pack is never taken for the pack. Losing it costs nothing but the order.
 */
export interface VerifyMemory {
  readonly packs: ReadonlyMap<Id, string>;
  /** Packs that were read last with a defect. */
  readonly damaged: ReadonlyMap<Id, string>;
  readonly snapshots: ReadonlyMap<Id, string>;
}

/** How much to read. A part is one of so many, by the packs' names, as restic's; the others go round. */
export type ReadChoice =
  | { readonly kind: "none" }
  | { readonly kind: "all" }
  | { readonly kind: "part"; readonly part: number; readonly of: number }
  | { readonly kind: "percent"; readonly percent: number }
  | { readonly kind: "bytes"; readonly bytes: number };

const stateFile = (repositoryId: string): string => `verify/${repositoryId}.json`;

export async function recallVerified(engine: Engine, repositoryId: string): Promise<VerifyMemory> {
  const state = (await readState(engine, stateFile(repositoryId))) as
    | Readonly<Record<string, unknown>>
    | undefined
    | null;
  return {
    packs: times(state?.["packs"]),
    damaged: times(state?.["damaged"]),
    snapshots: times(state?.["snapshots"]),
  };
}

export async function rememberVerified(engine: Engine, repositoryId: string, memory: VerifyMemory): Promise<void> {
  const { packs, damaged, snapshots } = memory;
  await noteState(engine, stateFile(repositoryId), {
    packs: Object.fromEntries(packs),
    damaged: Object.fromEntries(damaged),
    snapshots: Object.fromEntries(snapshots),
  });
}

/** What is known of packs after some were read, at one time. */
export function withRead(
  { packs: before, damaged: known, snapshots }: VerifyMemory,
  { sound, damaged: found }: { readonly sound: Iterable<Id>; readonly damaged: Iterable<Id> },
  time: string,
): VerifyMemory {
  const [packs, damaged] = [new Map(before), new Map(known)];
  for (const id of found) {
    packs.delete(id);
    damaged.set(id, time);
  }
  for (const id of sound) {
    packs.set(id, time);
    damaged.delete(id);
  }
  return { packs, damaged, snapshots };
}

/** The packs to read now. Those that were never read, or longest ago, come first. */
export function choosePacks(
  choice: ReadChoice,
  sizes: ReadonlyMap<Id, number>,
  read: ReadonlyMap<Id, string>,
): ReadonlySet<Id> {
  if (choice.kind === "none") return new Set();
  if (choice.kind === "all") return new Set(sizes.keys());
  if (choice.kind === "part") {
    const { part, of } = choice;
    return new Set([...sizes.keys()].filter((id) => Number.parseInt(id.slice(0, 2), 16) % of === part - 1));
  }
  const total = [...sizes.values()].reduce((sum, size) => sum + size, 0);
  const wanted = choice.kind === "bytes" ? choice.bytes : (total * choice.percent) / 100;
  const byAge = [...sizes].toSorted(([a], [b]) => {
    const [left, right] = [read.get(a) ?? "", read.get(b) ?? ""];
    return left < right || (left === right && a < b) ? -1 : 1;
  });
  const chosen = new Set<Id>();
  let bytes = 0;
  for (const [id, size] of byAge) {
    // At least one, so that it goes round whatever is asked for.
    if (chosen.size > 0 && bytes + size > wanted) break;
    chosen.add(id);
    bytes += size;
  }
  return chosen;
}

function times(value: unknown): ReadonlyMap<Id, string> {
  const found = new Map<Id, string>();
  if (typeof value !== "object" || value === null) return found;
  for (const [id, time] of Object.entries(value)) {
    if (/^[0-9a-f]{64}$/.test(id) && typeof time === "string" && !Number.isNaN(Date.parse(time))) found.set(id, time);
  }
  return found;
}
