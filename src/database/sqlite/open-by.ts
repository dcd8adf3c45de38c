import { readFile, readdir, stat } from "node:fs/promises";

import { hasSystemCode } from "../../lib/system-code.ts";
import { sqliteFiles } from "./location.ts";

interface DatabaseUser {
  readonly pid: number;
  /** The program's name, as the kernel has it. */
  readonly command: string;
}

export interface DatabaseUsers {
  readonly users: readonly DatabaseUser[];
  /** Processes of others that this user may not look into: any of them might use the database too. */
  readonly unseen: number;
}

/** Processes other than this one that hold the database or a file beside it open, found through `/proc`. */
export async function databaseUsers(url: string, signal: AbortSignal): Promise<DatabaseUsers> {
  const wanted = new Set<string>();
  for (const path of sqliteFiles(url)) {
    const found = await stat(path, { bigint: true }).catch(() => undefined);
    if (found !== undefined) wanted.add(`${found.dev}:${found.ino}`);
  }
  const users: DatabaseUser[] = [];
  let unseen = 0;
  if (wanted.size === 0) return { users, unseen };
  for (const entry of await readdir("/proc")) {
    signal.throwIfAborted();
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid) continue;
    const holds = await holdsOpen(entry, wanted);
    if (holds === "unseen") unseen += 1;
    else if (holds === "yes") users.push({ pid: Number(entry), command: await commandOf(entry) });
  }
  return { users, unseen };
}

async function holdsOpen(pid: string, wanted: ReadonlySet<string>): Promise<"yes" | "no" | "unseen"> {
  let descriptors: readonly string[];
  try {
    descriptors = await readdir(`/proc/${pid}/fd`);
  } catch (error) {
    // A process that is gone by now holds nothing.
    return hasSystemCode(error, "EACCES") ? "unseen" : "no";
  }
  for (const descriptor of descriptors) {
    const link = `/proc/${pid}/fd/${descriptor}`;
    const found = await stat(link, { bigint: true }).catch(() => undefined);
    if (found !== undefined && wanted.has(`${found.dev}:${found.ino}`)) return "yes";
  }
  return "no";
}

async function commandOf(pid: string): Promise<string> {
  const name = await readFile(`/proc/${pid}/comm`, "utf8").catch(() => "");
  return name.trim() || "?";
}
