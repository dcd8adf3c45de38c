import { createHash, type Hash } from "node:crypto";
import { existsSync, lstatSync, statfsSync } from "node:fs";
import { dirname } from "node:path";
import { type ByteName, nameBytes, nameFromText, nameText } from "../lib/byte-name.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { DatabaseAddress, DatabaseEngine } from "../database/database.ts";
import { realFile } from "../lib/real-file.ts";
import { databaseEngineFor } from "./engine.ts";
import type { SwapPlace } from "./swap-database.ts";

/** What is known about the places that a restore goes to, before it goes there. */

interface Targets {
  /** Byte paths of files, databases among them. */
  readonly steps: readonly { readonly target: string }[];
  /** URLs of databases on servers. */
  readonly databases: readonly { readonly target: string }[];
}

/** Refuses when somebody else holds one of these open as a database; names the first one. */
export async function refuseIfHeld(place: SwapPlace, { steps, databases }: Targets): Promise<void> {
  for (const { target } of databases) {
    await refuseHeld(databaseEngineFor(place.engine, target), place.addressOf(target), target, place.signal);
  }
  for (const { target } of steps) {
    const file = nameText(target as ByteName);
    for (const database of place.engine.databases) {
      if (database.home.kind === "file") {
        await refuseHeld(database, { url: database.home.urlOf(file) }, file, place.signal);
      }
    }
  }
}

async function refuseHeld(database: DatabaseEngine, address: DatabaseAddress, path: string, signal: AbortSignal) {
  const [holder] = await database.holders(address, signal);
  if (holder) throw new HoldfastError("target-in-use", { path, pid: holder.pid, command: holder.command });
}

/** Collects what targets look like, so that `apply` can tell whether anything moved since the plan. */
export class TargetWitness {
  readonly #hash: Hash = createHash("sha256");

  see(path: ByteName): void {
    const status = lstatSync(nameBytes(path), { bigint: true, throwIfNoEntry: false });
    const seen = status
      ? [status.dev, status.ino, status.mode, status.isDirectory() ? 0n : status.size, status.mtimeNs, status.ctimeNs]
      : ["absent"];
    this.#hash.update(`${path.length}:${path}:${seen.join(":")}\n`);
  }

  /** A file of a database that holds data: an empty one is as good as none, since mere readers leave such behind. */
  seeData(path: ByteName): void {
    const status = lstatSync(nameBytes(path), { throwIfNoEntry: false });
    if (status?.size === 0) this.add(`${path.length}:${path}:absent`);
    else this.see(path);
  }

  /** What somebody else saw, as a digest. */
  add(seen: string): void {
    this.#hash.update(`${seen}\n`);
  }

  digest(): string {
    return this.#hash.digest("hex");
  }
}

/** Witnesses a database; whether it is there. */
export async function seeDatabase(
  witness: TargetWitness,
  { home }: DatabaseEngine,
  address: DatabaseAddress,
  signal: AbortSignal,
): Promise<"yes" | "no"> {
  if (home.kind === "file") {
    const [file = "/"] = home.files(address.url);
    const real = realFile(file);
    const urls = real === file ? [address.url] : [address.url, home.urlOf(real)];
    for (const path of urls.flatMap((url) => home.dataFiles(url))) witness.seeData(nameFromText(path));
    return lstatSync(file, { throwIfNoEntry: false }) ? "yes" : "no";
  }
  const identity = await home.identity(address, signal);
  witness.add(identity === undefined ? "absent" : await home.witness(address, signal));
  return identity === undefined ? "no" : "yes";
}

/**
 * What this user may still write on the file system that holds `path` (or its nearest existing folder). `files`: so many more of them it
 * has room for, folders and links among them; absent: as many as there are bytes for.
 */
export function freeAt(path: string): { readonly bytes: number; readonly files?: number } {
  let at = path;
  while (!existsSync(at) && at !== "/") at = dirname(at);
  const { bavail, bsize, files, ffree } = statfsSync(at);
  return { bytes: bavail * bsize, ...(files > 0 && { files: ffree }) };
}
