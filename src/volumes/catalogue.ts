import { HoldfastError } from "../lib/errors.ts";
import { setPattern, type VolumeName, volumeText } from "./drive.ts";

/** What a set of volumes holds, and where: on each volume, as it was known when that volume was begun. */
export interface Catalogue {
  readonly format: 1;
  readonly set: string;
  readonly kind: SetKind;
  /** Id of the repository. */
  readonly repository: string;
  /** RFC 3339. */
  readonly created: string;
  /** The set without which this one is not whole; absent for `full`. */
  readonly base?: string;
  readonly snapshots: readonly { readonly id: string; readonly time: string; readonly paths: readonly string[] }[];
  /** In the order in which they are written. */
  readonly files: readonly VolumeFile[];
  /** Up to the one that this stands on. */
  readonly volumes: readonly VolumeStart[];
}

export type SetKind = "full" | "differential" | "incremental";

export interface VolumeFile {
  /** As in the repository: `data/ab/…`. */
  readonly path: string;
  readonly size: number;
  /** SHA-256 of its bytes: the name, but for `config`. */
  readonly sha256: string;
}

/** Of one file. As for a storage: restic's largest packs have 128 MiB; a catalogue of a million packs has as much. */
export const mostBytes = 2 ** 30;

/** Where in the set a volume begins. */
export interface VolumeStart {
  /** Position in `files`. */
  readonly file: number;
  /** Bytes of that file that stand on volumes before. */
  readonly offset: number;
  /** `rest`: this volume goes on with a file, though none of its bytes may stand before; `file`: it begins with one. */
  readonly begins: "file" | "rest";
}

/** Beside the repository's files, where restic leaves it alone. */
export function labelPath(volume: VolumeName): string {
  return `volumes/${volumeText(volume)}/LABEL.txt`;
}

export function cataloguePath(volume: VolumeName): string {
  return `volumes/${volumeText(volume)}/catalogue.json`;
}

export function catalogueBytes(catalogue: Catalogue): Buffer {
  return Buffer.from(`${JSON.stringify(catalogue)}\n`);
}

/** Checked through and through: what is on a medium is hostile. Fails with `volume-damaged`. */
export function parseCatalogue(bytes: Buffer | string): Catalogue {
  try {
    const value: unknown = JSON.parse(bytes.toString());
    if (isCatalogue(value)) return value;
  } catch {
    // Said below.
  }
  throw new HoldfastError("volume-damaged", { reason: "catalogue" });
}

const hex = /^[0-9a-f]{64}$/;
/** What may be in a repository, so that nothing is ever written elsewhere. */
const filePath = /^(?:config|(?:keys|index|snapshots)\/[0-9a-f]{64}|data\/([0-9a-f]{2})\/\1[0-9a-f]{62})$/;

export function isVolumeFilePath(path: string): boolean {
  return filePath.test(path);
}

function isCatalogue(value: unknown): value is Catalogue {
  if (!isObject(value)) return false;
  const { format, set, kind, repository, created, base, snapshots, files, volumes } = value;
  if (format !== 1 || typeof set !== "string" || !setPattern.test(set)) return false;
  if (kind !== "full" && kind !== "differential" && kind !== "incremental") return false;
  if (typeof repository !== "string" || !hex.test(repository)) return false;
  if (typeof created !== "string" || Number.isNaN(Date.parse(created))) return false;
  if (base !== undefined && (typeof base !== "string" || !setPattern.test(base))) return false;
  if (!Array.isArray(snapshots) || !snapshots.every(isSnapshot)) return false;
  if (!Array.isArray(files) || !files.every(isFile)) return false;
  return Array.isArray(volumes) && volumes.every((start) => isStart(start, files));
}

function isSnapshot(value: unknown): boolean {
  if (!isObject(value)) return false;
  const { id, time, paths } = value;
  if (typeof id !== "string" || !hex.test(id) || typeof time !== "string") return false;
  return Array.isArray(paths) && paths.every((path) => typeof path === "string");
}

function isFile(value: unknown): value is VolumeFile {
  if (!isObject(value)) return false;
  const { path, size, sha256 } = value;
  if (typeof path !== "string" || !filePath.test(path) || typeof sha256 !== "string" || !hex.test(sha256)) return false;
  return isCount(size) && size <= mostBytes && (path === "config" || path.endsWith(`/${sha256}`));
}

function isStart(value: unknown, files: readonly VolumeFile[]): boolean {
  if (!isObject(value)) return false;
  const { file, offset, begins } = value;
  if (!isCount(file) || !isCount(offset) || (begins !== "file" && begins !== "rest")) return false;
  if (begins === "file") return offset === 0 && file <= files.length;
  return offset <= (files[file]?.size ?? -1);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
