import type { Id } from "../format/tree.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { Run } from "../lib/run.ts";
import type { KeyOptions, LockMode, Repository, StoredKey } from "../repository/repository.ts";
import { openFor } from "./access.ts";
import type { Engine, RepositoryAccess } from "./engine.ts";

export type KeyRow = StoredKey;

export interface KeysInput {
  readonly repository: RepositoryAccess;
}

export interface NewKeyInput extends KeysInput {
  readonly newPassword: string;
}

export interface RemoveKeyInput extends KeysInput {
  /** The first digits of its id. */
  readonly id: string;
}

export interface KeysReport {
  readonly type: "keys";
  readonly keys: readonly KeyRow[];
}

export interface KeyReport {
  readonly type: "key-added" | "key-changed" | "key-removed";
  readonly id: Id;
}

export async function listKeys(engine: Engine, { repository: access }: KeysInput, run: Run): Promise<KeysReport> {
  await using repository = await openFor(engine, access, run);
  return { type: "keys", keys: await repository.keys.list(run.signal) };
}

export function addKey(engine: Engine, input: NewKeyInput, run: Run): Promise<KeyReport> {
  return change(engine, input, "shared", run, async ({ keys }, options) => ({
    type: "key-added",
    id: await keys.add(input.newPassword, options),
  }));
}

/** The new password opens before the old one stops doing so. */
export function changePassword(engine: Engine, input: NewKeyInput, run: Run): Promise<KeyReport> {
  return change(engine, input, "exclusive", run, async ({ keys }, options) => ({
    type: "key-changed",
    id: await keys.replace(input.newPassword, options),
  }));
}

export function removeKey(engine: Engine, input: RemoveKeyInput, run: Run): Promise<KeyReport> {
  return change(engine, input, "exclusive", run, async ({ keys }, options) => {
    const found = (await keys.list(options.signal)).filter(({ id }) => id.startsWith(input.id.toLowerCase()));
    const [first, second] = found;
    if (first === undefined || input.id === "") throw new HoldfastError("key-unknown", { id: input.id });
    if (second !== undefined) throw new HoldfastError("key-ambiguous", { id: input.id, count: found.length });
    await keys.remove(first.id, options);
    return { type: "key-removed", id: first.id };
  });
}

async function change(
  engine: Engine,
  { repository: access }: KeysInput,
  mode: LockMode,
  run: Run,
  use: (repository: Repository, options: KeyOptions) => Promise<KeyReport>,
): Promise<KeyReport> {
  await using repository = await openFor(engine, access, run);
  await using lock = await repository.lock(mode, { signal: run.signal, now: run.now, waitMs: 0 });
  const signal = AbortSignal.any([run.signal, lock.lost]);
  return await use(repository, { signal, now: run.now, lock });
}
