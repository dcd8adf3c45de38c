import { hkdfSync } from "node:crypto";
import type { RepositoryConfig } from "../format/config-file.ts";
import type { MasterKey } from "../format/crypto.ts";
import type { Id } from "../format/tree.ts";
import type { Storage } from "../storage/storage.ts";
import type { LockHost } from "./held-lock.ts";
import { loadIndexedRepository } from "./indexed-repository.ts";
import { acquireLock } from "./lock.ts";
import type {
  IndexedRepository,
  Lock,
  LockMode,
  LockOptions,
  Repository,
  StoredSnapshot,
  VerifyOptions,
  VerifyReport,
} from "./repository.ts";
import { loadSnapshots } from "./snapshots.ts";
import { verifyRepository } from "./verify.ts";

export interface OpenedParts {
  /** Closed with the repository. */
  readonly storage: Storage;
  readonly masterKey: MasterKey;
  readonly config: RepositoryConfig;
  readonly host: LockHost;
}

/** A repository whose master key is known: all that needs no index. */
export class OpenedRepository implements Repository {
  readonly #parts: OpenedParts;

  constructor(parts: OpenedParts) {
    this.#parts = parts;
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

  async snapshots(signal: AbortSignal): Promise<readonly StoredSnapshot[]> {
    const { storage, masterKey } = this.#parts;
    return (await loadSnapshots(storage, masterKey, signal)).readable;
  }

  lock(mode: LockMode, options: LockOptions): Promise<Lock> {
    const { storage, masterKey, host } = this.#parts;
    return acquireLock({ storage, key: masterKey, host }, mode, options);
  }

  index(signal: AbortSignal): Promise<IndexedRepository> {
    const { storage, masterKey } = this.#parts;
    return loadIndexedRepository({ storage, masterKey, repository: this }, signal);
  }

  verify(options: VerifyOptions): Promise<VerifyReport> {
    const { storage, masterKey } = this.#parts;
    return verifyRepository(storage, masterKey, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.storage[Symbol.asyncDispose]();
  }
}
