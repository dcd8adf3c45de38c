import { type FileHandle, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { CrmDescription } from "../crm/platform.ts";
import { tryLockFile } from "../lib/posix.ts";
import { addressesFor } from "./database-address.ts";
import { databaseEngineFor, type Engine } from "./engine.ts";
import { forgetScratch } from "./restore-record.ts";

/** What a drill makes and takes away again. */
export interface ScratchPlace {
  readonly crm: string;
  readonly folder: string;
  /** On a server, under names that only this drill has. */
  readonly databases: readonly string[];
  /** Id of its restore, once there is one. */
  readonly restore?: string;
}

/**
 * A drill's note of what it makes, on disk before any of it is: a whole CRM lies there, and whoever is killed takes nothing away. It is
 * locked as long as its drill lives, so that the next one knows which are over.
 */
export class ScratchNote {
  readonly #file: FileHandle;
  readonly #path: string;

  private constructor(file: FileHandle, path: string) {
    this.#file = file;
    this.#path = path;
  }

  static async create(engine: Engine, id: string, place: ScratchPlace): Promise<ScratchNote> {
    const folder = notesIn(engine);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const path = join(folder, `${id}.json`);
    // Locked before anybody can find it.
    const file = await open(`${path}.new`, "wx+", 0o600);
    try {
      tryLockFile(file.fd);
      const note = new ScratchNote(file, path);
      await note.write(place);
      await rename(`${path}.new`, path);
      return note;
    } catch (error) {
      await rm(`${path}.new`, { force: true }).catch(() => undefined);
      await file.close().catch(() => undefined);
      throw error;
    }
  }

  async write(place: ScratchPlace): Promise<void> {
    const bytes = Buffer.from(`${JSON.stringify(place)}\n`);
    // In this order, since it only grows: whoever is killed in between leaves a whole note.
    await this.#file.write(bytes, 0, bytes.length, 0);
    await this.#file.truncate(bytes.length);
    await this.#file.sync();
  }

  /** `kept`: not all of it could be removed, which is tried again with the next drill. */
  async end(note: "removed" | "kept"): Promise<void> {
    if (note === "removed") await rm(this.#path, { force: true });
    await this.#file.close();
  }
}

/** A server may be busy: this drill shall begin all the same. */
const mostMs = 60_000;

/** Takes away what drills left that were killed. What cannot be just now stays noted. */
export async function removeLeftovers(
  engine: Engine,
  crms: readonly CrmDescription[] | undefined,
  signal: AbortSignal,
): Promise<void> {
  const names = await readdir(notesIn(engine)).catch(() => []);
  for (const name of names.filter((one) => one.endsWith(".json"))) {
    const path = join(notesIn(engine), name);
    await using file = await open(path, "r").catch(() => undefined);
    if (file === undefined || !tryLockFile(file.fd)) continue;
    const place = placeIn(await file.readFile("utf8"));
    try {
      if (place) await removePlace(engine, crms, place, AbortSignal.any([signal, AbortSignal.timeout(mostMs)]));
      await rm(path, { force: true });
    } catch {
      signal.throwIfAborted();
    }
  }
}

async function removePlace(
  engine: Engine,
  crms: readonly CrmDescription[] | undefined,
  { crm, folder, databases, restore }: ScratchPlace,
  signal: AbortSignal,
): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  if (restore !== undefined) await forgetScratch(engine, restore);
  if (databases.length === 0) return;
  const addressOf = await addressesFor(engine, crms, crm, signal);
  for (const url of databases) {
    const { home } = databaseEngineFor(engine, url);
    if (home.kind === "server") await home.drop(addressOf(url), signal);
  }
}

const notesIn = (engine: Engine): string => join(engine.stateFolder, "drills", "running");

/** This user's own file: looked at only for being one. */
function placeIn(text: string): ScratchPlace | undefined {
  try {
    const found = JSON.parse(text) as Partial<ScratchPlace>;
    const { crm, folder, databases, restore } = found;
    if (typeof crm !== "string" || typeof folder !== "string" || !Array.isArray(databases)) return undefined;
    return { crm, folder, databases, ...(typeof restore === "string" && { restore }) };
  } catch {
    return undefined;
  }
}
