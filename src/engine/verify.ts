import type { Id } from "../format/tree.ts";
import type { Limits } from "../lib/limits.ts";
import { isHoldfastError } from "../lib/errors.ts";
import type { Run } from "../lib/run.ts";
import type { Repository, VerifyReport } from "../repository/repository.ts";
import { openFor } from "./access.ts";
import type { Engine, RepositoryAccess } from "./engine.ts";
import {
  choosePacks,
  type ReadChoice,
  recallVerified,
  rememberVerified,
  type VerifyMemory,
  withRead,
} from "./verify-memory.ts";
import { type VerifiedTables, verifyTables } from "./verify-tables.ts";

export interface VerifyInput {
  readonly repository: RepositoryAccess;
  readonly read: ReadChoice;
  readonly limits: Limits;
}

/** What of the packs was read, this time and before, on this machine. */
export interface ReadSoFar {
  readonly packs: number;
  readonly bytes: number;
  readonly ofPacks: number;
  readonly ofBytes: number;
  /** Packs that were never read whole here. */
  readonly neverPacks: number;
  readonly neverBytes: number;
  /** RFC 3339: when of all that were read the one was that was read longest ago; absent: none was. */
  readonly oldest?: string;
}

export interface VerifyAnswer extends Omit<VerifyReport, "soundPacks"> {
  readonly type: "verify";
  readonly read: ReadSoFar;
  /** Tables whose rows were summed up. */
  readonly tables: number;
  readonly durationMs: number;
}

/** How many bytes of rows are summed up for each byte of packs that is read: rows unfold to several times their size. */
const rowBytesPerByte = 8;

/** Walks everything; defects are in the answer, not thrown. */
export async function verify(engine: Engine, input: VerifyInput, run: Run): Promise<VerifyAnswer> {
  const started = run.now().getTime();
  await using repository = await openFor(engine, input.repository, run, "stand-in");
  await using lock = await repository.lock("shared", { signal: run.signal, now: run.now, waitMs: 0 });
  run.report({ type: "phase", phase: "verify", subject: repository.location });
  const memory = await recallVerified(engine, repository.id);
  const inner: Run = { ...run, signal: AbortSignal.any([run.signal, lock.lost]) };
  let sizes: ReadonlyMap<Id, number> = new Map();
  let chosen: ReadonlySet<Id> = new Set();
  const { soundPacks, ...report } = await repository.verify({
    signal: inner.signal,
    limits: input.limits,
    depth: input.read.kind === "none" ? "structure" : "data",
    choosePacks: (found) => {
      sizes = found;
      return (chosen = choosePacks(input.read, found, memory.packs));
    },
    onProgress: (doneBytes, totalBytes) =>
      run.report({ type: "progress", phase: "verify", doneBytes, totalBytes, doneItems: 0 }),
  });
  const tables =
    input.read.kind === "none"
      ? noTables
      : await tablesOf(engine, repository, report, memory, { bytes: sum(sizes, chosen), read: input.read }, inner);
  const now = run.now().toISOString();
  const known = withRead(memory, { sound: soundPacks, damaged: chosen }, now);
  if (input.read.kind !== "none") {
    const here = (of: ReadonlyMap<Id, string>) => new Map([...of].filter(([id]) => sizes.has(id)));
    const [packs, damaged] = [here(known.packs), here(known.damaged)];
    const snapshots = new Map([...memory.snapshots, ...tables.snapshots.map((id) => [id, now] as const)]);
    const there = new Set((await repository.snapshots(inner.signal, "leave out")).map(({ id }) => id));
    for (const id of snapshots.keys()) if (!there.has(id)) snapshots.delete(id);
    await rememberVerified(engine, repository.id, { packs, damaged, snapshots });
  }
  return {
    type: "verify",
    ...report,
    defects: [...report.defects, ...tables.defects],
    read: readSoFar(sizes, chosen, known.packs),
    tables: tables.tables,
    durationMs: run.now().getTime() - started,
  };
}

const noTables: VerifiedTables = { defects: [], snapshots: [], tables: 0 };

async function tablesOf(
  engine: Engine,
  repository: Repository,
  { defects }: Pick<VerifyReport, "defects">,
  memory: VerifyMemory,
  part: { readonly bytes: number; readonly read: ReadChoice },
  run: Run,
): Promise<VerifiedTables> {
  // Without all of the index nothing can be read; that is told already.
  const indexed = await repository.index(run.signal).catch((error: unknown) => {
    if (isHoldfastError(error, "repository-damaged") || isHoldfastError(error, "storage-failed")) return undefined;
    throw error;
  });
  if (indexed === undefined) return noTables;
  const touched = new Set(defects.flatMap(({ snapshots }) => snapshots));
  const snapshots = await repository.snapshots(run.signal, "leave out");
  const bytes = part.bytes * rowBytesPerByte;
  const newest = part.read.kind === "all" ? "always" : "in turn";
  return verifyTables({ engine, indexed, snapshots, touched, read: memory.snapshots, bytes, newest, run });
}

function sum(sizes: ReadonlyMap<Id, number>, ids: Iterable<Id>): number {
  let bytes = 0;
  for (const id of ids) bytes += sizes.get(id) ?? 0;
  return bytes;
}

function readSoFar(sizes: ReadonlyMap<Id, number>, chosen: ReadonlySet<Id>, read: ReadonlyMap<Id, string>): ReadSoFar {
  const never = [...sizes.keys()].filter((id) => !read.has(id));
  const oldest = [...sizes.keys()]
    .map((id) => read.get(id))
    .filter((time) => time !== undefined)
    .toSorted()[0];
  return {
    packs: chosen.size,
    bytes: sum(sizes, chosen),
    ofPacks: sizes.size,
    ofBytes: sum(sizes, sizes.keys()),
    neverPacks: never.length,
    neverBytes: sum(sizes, never),
    ...(oldest !== undefined && { oldest }),
  };
}
