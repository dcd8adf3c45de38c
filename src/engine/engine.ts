import type { Platform } from "../crm/platform.ts";
import type { DatabaseEngine } from "../database/database.ts";
import { shownUrl } from "../database/shown-url.ts";
import type { IdleIndex } from "../repository/idle-index.ts";
import type { RetryOptions } from "../storage/retry.ts";
import type { Storage } from "../storage/storage.ts";
import type { Drive } from "../volumes/drive.ts";
import type { CacheChoice } from "../lib/cache-choice.ts";
import type { Keeping } from "../lib/keeping.ts";
import type { StorageReach } from "../lib/storage-reach.ts";
import type { KeyRing } from "./key-ring.ts";
import { HoldfastError } from "../lib/errors.ts";
import { realFile } from "../lib/real-file.ts";

/**
 * The use cases, one file each. The engine never prints and has no clock of its own: it is given a `Run`, reports
 * events, returns a report, and throws a `HoldfastError` when it could not do what was asked.
 *
 * `Engine` is what `main.ts` puts together once: the lists of what can be stored on, read from and recognised.
 */
export interface Engine {
  /** `holdfast 0.1.0` */
  readonly program: string;
  /** A promise where what the location needs has to be loaded first. */
  readonly openStorage: (location: string, options?: OpenStorageOptions) => Storage | Promise<Storage>;
  /** Absent: nothing is exported or imported here. */
  readonly openDrive?: (choice: DriveChoice) => Drive;
  /** Absent: each key is worked out when its repository is opened. */
  readonly keys?: KeyRing;
  /** Absent: the index is read whenever a repository is opened. */
  readonly idleIndex?: IdleIndex;
  readonly platforms: readonly Platform[];
  readonly databases: readonly DatabaseEngine[];
  /** Plans, undo records and kits' checksums of this user: `$XDG_STATE_HOME/holdfast`. */
  readonly stateFolder: string;
  /** Follows a reference such as `file:/etc/holdfast/database`; fails with `config-secret`. */
  readonly readSecret: (reference: string, signal: AbortSignal) => Promise<string>;
  readonly host: { readonly hostname: string; readonly username: string; readonly uid: number; readonly gid: number };
}

export interface OpenStorageOptions {
  readonly cache?: CacheChoice;
  readonly keeping?: Keeping;
  readonly reach?: StorageReach;
  readonly asOf?: Date | undefined;
  /** `brief`: somebody else may use the same connection meanwhile. */
  readonly use?: "brief";
  /** `past`: everything is read from the storage itself, and what is removed still leaves the cache. */
  readonly reading: "through" | "past";
  /** Told before each pause; absent: what failed for a passing reason is not tried again. */
  readonly onWait?: RetryOptions["onRetry"];
}

/** What volumes are written to and read from: `tape:/dev/nst0`, or a folder. */
export interface DriveChoice {
  readonly place: string;
  /** Of a folder: where a volume ends. */
  readonly volumeBytes?: number;
  /** Of a tape: who changes it, and the slots that are ours. */
  readonly changer?: { readonly device: string; readonly slots: readonly number[] };
}

/** Where a repository is and the secret that opens it. */
export interface RepositoryAccess {
  readonly location: string;
  readonly password: string;
  readonly cache?: CacheChoice;
  readonly keeping?: Keeping;
  readonly reach?: StorageReach;
  /** As it was then: only to read from. */
  readonly asOf?: Date;
}

export function databaseEngineFor(engine: Engine, url: string): DatabaseEngine {
  const found = engine.databases.find((candidate) => candidate.accepts(url));
  if (!found) throw new HoldfastError("database-unsupported", { url: shownUrl(url) });
  return found;
}

/** The files that a database is, there or not, and those where a link leads to it; none for one on a server. */
export function databaseFiles(engine: Engine, url: string): readonly string[] {
  const { home } = databaseEngineFor(engine, url);
  if (home.kind !== "file") return [];
  const files = home.files(url);
  const real = realFile(files[0] ?? "");
  return real === files[0] ? files : [...files, ...home.files(home.urlOf(real))];
}

export function platformNamed(engine: Engine, name: string): Platform {
  const found = engine.platforms.find((candidate) => candidate.name === name);
  if (!found) {
    throw new HoldfastError("crm-unknown", { name, known: engine.platforms.map((one) => one.name).join(", ") });
  }
  return found;
}

export function openDriveOf(engine: Engine, choice: DriveChoice): Drive {
  if (engine.openDrive === undefined) throw new HoldfastError("internal", { reason: "no drives" });
  return engine.openDrive(choice);
}
