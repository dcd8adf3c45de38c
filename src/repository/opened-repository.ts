import { hkdfSync } from "node:crypto";
import type { RepositoryConfig } from "../format/config-file.ts";
import { sameKey, type MasterKey } from "../format/crypto.ts";
import type { Id } from "../format/tree.ts";
import type { ParityShape } from "../lib/keeping.ts";
import { mapBounded } from "../lib/map-bounded.ts";
import type { Storage, StoredFile } from "../storage/storage.ts";
import { removeSnapshots, retagSnapshot, type SnapshotChange } from "./change-snapshots.ts";
import type { LockHost } from "./held-lock.ts";
import type { IdleIndex } from "./idle-index.ts";
import { indexedRepository } from "./indexed-repository.ts";
import { repositoryKeys } from "./keys.ts";
import { type IndexPurpose, type LoadedIndex, loadIndex } from "./load-index.ts";
import { acquireLock } from "./lock.ts";
import { makeRoom } from "./make-room.ts";
import { type ParityOptions, type ParityReport, updateParity } from "./parity.ts";
import { protect, type ProtectOptions, type ProtectResult } from "./protect.ts";
import { mergeIndexes } from "./merge-indexes.ts";
import { planPrune } from "./prune.ts";
import { planRepair } from "./repair.ts";
import type { RepairOptions, RepairPlan } from "./repair-plan.ts";
import type { PruneOptions, PrunePlan } from "./prune-plan.ts";
import type {
  ChangeOptions,
  IndexedRepository,
  Lock,
  LockMode,
  LockOptions,
  Repository,
  RepositoryKeys,
  SharedKey,
  StoredSnapshot,
  UnlockOptions,
  UnlockReport,
  VerifyOptions,
  VerifyReport,
} from "./repository.ts";
import { loadSnapshots } from "./snapshots.ts";
import { neededFiles, type NeededFiles } from "./stored-files.ts";
import { removeLocks } from "./unlock.ts";
import { verifyRepository } from "./verify.ts";

export interface OpenedParts {
  /** Closed with the repository. */
  readonly storage: Storage;
  readonly masterKey: MasterKey;
  /** Of the key file that the password opened. */
  readonly keyId: Id;
  readonly config: RepositoryConfig;
  /** Why `config` is only a stand-in. */
  readonly configProblem?: string;
  readonly host: LockHost;
  readonly storageForLocks?: () => Storage | Promise<Storage>;
  /** Where the index goes when the repository is closed. Absent: it is not kept. */
  readonly idleIndex?: IdleIndex;
}

/** A repository whose master key is known: all that needs no index. */
export class OpenedRepository implements Repository {
  readonly #parts: OpenedParts;
  /** The last one. */
  #loaded: LoadedIndex | undefined;
  readonly keys: RepositoryKeys;

  constructor(parts: OpenedParts) {
    this.#parts = parts;
    this.keys = repositoryKeys(parts);
  }

  get id(): Id {
    return this.#parts.config.id;
  }

  get location(): string {
    return this.#parts.storage.location;
  }

  secret(use: string): Buffer {
    const { encrypt, macK, macR } = this.#parts.masterKey;
    const whole = Buffer.concat([encrypt, macK, macR]);
    return Buffer.from(hkdfSync("sha256", whole, Buffer.from(this.id, "hex"), `holdfast ${use}`, 32));
  }

  get sharedKey(): SharedKey {
    const { masterKey, config } = this.#parts;
    return { masterKey, chunkerPolynomial: config.chunkerPolynomial };
  }

  hasKeyOf(other: Repository): boolean {
    return sameKey(this.#parts.masterKey, other.sharedKey.masterKey);
  }

  async snapshots(signal: AbortSignal, withheld: "fail" | "leave out" = "fail"): Promise<readonly StoredSnapshot[]> {
    const { storage, masterKey } = this.#parts;
    const { readable, unreadable } = await loadSnapshots(storage, masterKey, signal);
    // Whoever decides by the list must not take it for all that there is.
    const error = unreadable.find((one) => one.withheld)?.withheld;
    if (error && withheld === "fail") throw error;
    return readable;
  }

  async damagedSnapshots(signal: AbortSignal): Promise<readonly Id[]> {
    const { storage, masterKey } = this.#parts;
    return (await loadSnapshots(storage, masterKey, signal)).unreadable.map(({ id }) => id).toSorted();
  }

  async lock(mode: LockMode, options: LockOptions): Promise<Lock> {
    const { storage, masterKey, host, storageForLocks } = this.#parts;
    const alone = storageForLocks && { alone: storageForLocks };
    return await acquireLock({ storage, key: masterKey, host, ...alone }, mode, options);
  }

  unlock(options: UnlockOptions): Promise<UnlockReport> {
    const { storage, masterKey, host } = this.#parts;
    return removeLocks({ storage, key: masterKey, host }, options);
  }

  async index(signal: AbortSignal, purpose: IndexPurpose = "to-read"): Promise<IndexedRepository> {
    const { storage, masterKey } = this.#parts;
    const loaded = await loadIndex(this.#parts, purpose, signal);
    this.#loaded = purpose === "to-read" ? loaded : undefined;
    return indexedRepository({ storage, masterKey, repository: this }, loaded);
  }

  removeSnapshots(ids: readonly Id[], options: ChangeOptions): Promise<void> {
    return removeSnapshots(this.#change(options), ids);
  }

  mergeIndexes(options: ChangeOptions): Promise<void> {
    return mergeIndexes(this.#change(options));
  }

  retagSnapshot(stored: StoredSnapshot, tags: readonly string[], options: ChangeOptions): Promise<StoredSnapshot> {
    return retagSnapshot(this.#change(options), stored, tags);
  }

  planRepair(options: RepairOptions): Promise<RepairPlan> {
    const { storage, masterKey, configProblem } = this.#parts;
    return planRepair({ storage, key: masterKey, ...(configProblem && { configProblem }) }, options);
  }

  makeRoom({ snapshot }: { readonly snapshot: Id }, signal: AbortSignal): Promise<boolean> {
    return makeRoom(this.#parts.storage, [{ kind: "snapshot", name: snapshot }], signal);
  }

  planPrune(options: PruneOptions): Promise<PrunePlan> {
    const { storage, masterKey } = this.#parts;
    return planPrune({ storage, key: masterKey }, options);
  }

  protect(options: ProtectOptions): Promise<ProtectResult | undefined> {
    const { storage, masterKey } = this.#parts;
    return protect(storage, masterKey, options);
  }

  async updateParity(shape: ParityShape, options: ParityOptions): Promise<ParityReport> {
    const { storage, masterKey } = this.#parts;
    const { files, lostPacks } = await neededFiles(storage, masterKey, options.signal, "without parity");
    const packs = files.filter(({ kind }) => kind === "data").map(({ name: id, ...rest }) => ({ ...rest, id }));
    return updateParity(storage, packs, lostPacks, shape, options);
  }

  storedFiles(signal: AbortSignal): Promise<NeededFiles> {
    const { storage, masterKey } = this.#parts;
    return neededFiles(storage, masterKey, signal, "without parity");
  }

  loadStoredFile(file: StoredFile, signal: AbortSignal): Promise<Buffer> {
    return this.#parts.storage.load(file, undefined, signal);
  }

  async lockedUntil(ids: readonly Id[], signal: AbortSignal): Promise<Date | undefined> {
    const { storage } = this.#parts;
    const times = await mapBounded(ids, storage.traits.connections, async (name) =>
      storage.retention?.until({ kind: "snapshot", name }, signal),
    );
    const last = Math.max(...times.map((time) => time?.getTime() ?? 0));
    return last > 0 ? new Date(last) : undefined;
  }

  verify(options: VerifyOptions): Promise<VerifyReport> {
    const { storage, masterKey, configProblem } = this.#parts;
    return verifyRepository({ storage, key: masterKey, ...(configProblem && { configProblem }) }, options);
  }

  #change({ signal, lock }: ChangeOptions): SnapshotChange {
    const { storage, masterKey } = this.#parts;
    return { storage, key: masterKey, lock, signal: AbortSignal.any([signal, lock.lost]) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#loaded) this.#parts.idleIndex?.keep(this.#loaded);
    this.#loaded = undefined;
    await this.#parts.storage[Symbol.asyncDispose]();
  }
}
