import { randomBytes } from "node:crypto";
import { mkdir, open, readFile, readdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import type { Engine } from "./engine.ts";

/** Whose state folder it is. */
type Keeper = Pick<Engine, "stateFolder">;

/**
 * Small JSON records of this user in the state folder: plans, restores that can be undone, kits that were used.
 * They may hold paths and names, never secrets; folders are made 0700 all the same. Written whole or not at all; of two that
 * write one at the same moment, the later is what stays.
 */
export function writeState(engine: Keeper, name: string, value: unknown): Promise<void> {
  return writeStateBytes(engine, name, Buffer.from(`${JSON.stringify(value, undefined, 1)}\n`));
}

/** The same for what is no JSON. */
export async function writeStateBytes(engine: Keeper, name: string, bytes: Buffer): Promise<void> {
  const file = join(engine.stateFolder, name);
  const temporary = `${file}.${randomBytes(6).toString("hex")}.new`;
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    const handle = await open(temporary, "wx", 0o600);
    try {
      await handle.writeFile(bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
    const folder = await open(dirname(file), "r");
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw new HoldfastError("state-unwritable", { path: file }, error);
  }
}

/**
 * The same for what only saves time or requests where it is known: a state folder that is full, gone or somebody else's is no reason for
 * whoever has done his work to fail.
 */
export async function noteState(engine: Keeper, name: string, value: unknown): Promise<void> {
  try {
    await writeState(engine, name, value);
  } catch (error) {
    if (!isHoldfastError(error, "state-unwritable")) throw error;
  }
}

/** `undefined` when there is no such record or it cannot be understood. */
export async function readState(engine: Keeper, name: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(join(engine.stateFolder, name), "utf8")) as unknown;
  } catch {
    return undefined;
  }
}

/** Names of the records in one folder, without `.json`. */
export async function listState(engine: Keeper, folder: string): Promise<readonly string[]> {
  try {
    const names = await readdir(join(engine.stateFolder, folder));
    return names.filter((name) => name.endsWith(".json")).map((name) => name.slice(0, -".json".length));
  } catch {
    return [];
  }
}

export async function removeState(engine: Keeper, name: string): Promise<void> {
  await rm(join(engine.stateFolder, name), { force: true });
}
