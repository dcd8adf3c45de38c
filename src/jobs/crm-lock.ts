import { createHash } from "node:crypto";
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  realpathSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { HoldfastError } from "../lib/errors.ts";
import { tryLockFile } from "../lib/posix.ts";
import type { Run } from "../lib/run.ts";

/**
 * One CRM, one run: backup, restore in place and undo of the same CRM in the same repository keep each other out,
 * between processes and users of this machine. The lock is an `flock`, which the kernel gives back when its holder
 * ends, however it ends; what stands in the file only tells who it is.
 */
export interface CrmLockRequest {
  readonly crm: string;
  /** Location of the repository. */
  readonly location: string;
  /** What is done while it is held: `backup`, `restore`, `undo`. */
  readonly job: string;
  /** How long to wait for whoever holds it; 0: fail at once with `backup-running`. */
  readonly waitMs: number;
  /** Where lock files go; the first that can be written. */
  readonly folders: readonly string[];
}

interface Holder {
  readonly pid?: number;
  readonly user?: string;
  readonly job?: string;
  readonly since?: string;
}

const pollMs = 200;

export async function lockCrm(request: CrmLockRequest, run: Run): Promise<AsyncDisposable> {
  const deadline = performance.now() + request.waitMs;
  let told = false;
  for (;;) {
    run.signal.throwIfAborted();
    const attempt = tryLock(request, run);
    if ("release" in attempt) return { [Symbol.asyncDispose]: async () => attempt.release() };
    if (performance.now() >= deadline) {
      throw new HoldfastError("backup-running", { crm: request.crm, ...attempt.holder });
    }
    if (!told) run.report({ type: "note", code: "waiting-for-lock", facts: { crm: request.crm, ...attempt.holder } });
    told = true;
    await sleep(Math.min(pollMs, Math.max(1, deadline - performance.now())), undefined, { signal: run.signal });
  }
}

type Attempt = { readonly release: () => void } | { readonly holder: Holder };

function tryLock(request: CrmLockRequest, run: Run): Attempt {
  const name = createHash("sha256")
    .update(`${realLocation(request)}\n${request.crm}`)
    .digest("hex")
    .slice(0, 32);
  for (;;) {
    const { path, fd } = openLockFile(request.folders, `holdfast-${name}.lock`);
    let kept = false;
    try {
      if (!tryLockFile(fd)) return { holder: readHolder(fd) };
      // Whoever held it before may have removed the file between our opening and our locking: then it is not the lock.
      if (!isSameFile(fd, path)) continue;
      writeHolder(fd, { pid: process.pid, user: userName(), job: request.job, since: run.now().toISOString() });
      kept = true;
    } finally {
      if (!kept) closeSync(fd);
    }
    return { release: () => release(fd, path) };
  }
}

/** A folder is the same one by whatever links it is reached. */
function realLocation({ location }: CrmLockRequest): string {
  try {
    return realpathSync(location);
  } catch {
    return location; // not there yet, or elsewhere
  }
}

function release(fd: number, path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Another user's file in a folder with the sticky bit: it stays, and is locked again by the next run.
  }
  closeSync(fd);
}

function openLockFile(folders: readonly string[], name: string): { readonly path: string; readonly fd: number } {
  let failed: unknown;
  for (const folder of folders) {
    const path = join(folder, name);
    // The second for a file of another user: the kernel refuses to open such a one for creation in /run/lock. The
    // third where it may only be read, which is enough to lock it.
    for (const flags of [constants.O_RDWR | constants.O_CREAT, constants.O_RDWR, constants.O_RDONLY]) {
      try {
        return { path, fd: openSync(path, flags | constants.O_NOFOLLOW | constants.O_NONBLOCK, 0o644) };
      } catch (error) {
        failed = error;
      }
    }
  }
  throw new HoldfastError("state-unwritable", { path: folders.at(-1) }, failed);
}

function isSameFile(fd: number, path: string): boolean {
  const opened = fstatSync(fd);
  const named = statSync(path, { throwIfNoEntry: false });
  return named !== undefined && named.ino === opened.ino && named.dev === opened.dev;
}

function writeHolder(fd: number, holder: Holder): void {
  const { nlink } = fstatSync(fd);
  if (nlink !== 1) return; // somebody made it another name of a file of ours: not written to
  try {
    ftruncateSync(fd, 0);
    writeSync(fd, `${JSON.stringify(holder)}\n`, 0);
  } catch {
    // Opened for reading only, since it is another user's: locked all the same, only the name in it is an old one.
  }
}

/** What the file says, believed only as far as it can be shown. */
function readHolder(fd: number): Holder {
  const buffer = Buffer.alloc(1024);
  let said: unknown;
  try {
    said = JSON.parse(buffer.toString("utf8", 0, readSync(fd, buffer, 0, buffer.length, 0)));
  } catch {
    return {};
  }
  if (typeof said !== "object" || said === null) return {};
  const { pid, user, job, since } = said as Record<string, unknown>;
  return {
    ...(typeof pid === "number" ? { pid } : {}),
    ...(typeof user === "string" ? { user } : {}),
    ...(typeof job === "string" ? { job } : {}),
    ...(typeof since === "string" && !Number.isNaN(Date.parse(since)) ? { since } : {}),
  };
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.() ?? ""); // a user id without a name, as containers have
  }
}
