import { copyFile, constants, lstat, mkdtemp, open, readdir, rm } from "node:fs/promises";
import { closeSync, existsSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { DatabaseSync } from "node:sqlite";

const copyName = "copy.db";
const blockBytes = 1024 * 1024;
const blocksAtOnce = 16;

/**
 * A time stamp younger than this may hide a second write: the kernel's clock for files advances in steps, of 10 ms at most
 * (CONFIG_HZ=100).
 */
const clockStepMs = 20;

export interface DatabaseCopy extends AsyncDisposable {
  readonly path: string;
  /** What was committed up to then is in it, and nothing else. */
  readonly moment: Date;
  /** How long writers had to wait for the copy. */
  readonly stalledMs: number;
}

/**
 * Copies a database that is in a rollback-journal mode. Whoever reads such a database keeps writers from committing, so rows
 * cannot be read from it at leisure. The copy is made in two passes: one without any lock, then, under a read lock, a check
 * that nothing was written meanwhile; only where something was, the blocks that differ are copied again under the lock
 * (reading and comparing 100 MB in the page cache takes about 30 ms).
 *
 * On Linux a process loses all its POSIX locks on a file as soon as it closes any descriptor of that file. So the file is
 * opened for copying before the lock is taken and closed after the lock is given back.
 */
export async function copyRollbackDatabase(
  path: string,
  connection: DatabaseSync,
  temporaryFolder: string,
  signal: AbortSignal,
): Promise<DatabaseCopy> {
  await removeLeftCopies(temporaryFolder);
  const folder = await mkdtemp(join(temporaryFolder, `holdfast-copy-${process.pid}-`));
  const target = join(folder, copyName);
  const dispose = (): Promise<void> => rm(folder, { recursive: true, force: true });
  let source: number | undefined;
  try {
    const before = await firstPass(path, target, signal);
    source = openSync(path, "r");
    const started = performance.now();
    let moment: Date;
    connection.exec("BEGIN");
    try {
      connection.prepare("SELECT count(*) FROM sqlite_schema").get();
      // Nobody commits while this reads.
      moment = new Date();
      const locked = fstatSync(source, { bigint: true });
      if (before !== `${locked.size} ${locked.mtimeNs}`) copyDifferences(source, Number(locked.size), target);
    } finally {
      connection.exec("COMMIT");
    }
    return { path: target, moment, stalledMs: performance.now() - started, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  } finally {
    if (source !== undefined) closeSync(source);
  }
}

/** A copy that nobody has written to for so long is nobody's, also where its maker is in a container and its process not to be seen. */
const leftAfterMs = 10 * 60_000;

/** What runs that were killed while they copied have left here: it holds the customers' data. */
async function removeLeftCopies(temporaryFolder: string): Promise<void> {
  const names = await readdir(temporaryFolder).catch(() => []);
  for (const name of names) {
    const [, pid] = /^holdfast-copy-(\d+)-\w+$/.exec(name) ?? [];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    const folder = join(temporaryFolder, name);
    const found = await Promise.all([folder, join(folder, copyName)].map((path) => lstat(path).catch(() => undefined)));
    const written = Math.max(...found.map((one) => one?.mtimeMs ?? 0));
    // In a folder that everybody may write to, others may have made one of this name.
    if (!found[0]?.isDirectory() || found[0].uid !== process.geteuid?.() || Date.now() - written < leftAfterMs)
      continue;
    await rm(folder, { recursive: true, force: true }).catch(() => undefined);
  }
}

/** Copies without a lock. Returns size and time of the last write, or undefined when a later write might not show. */
async function firstPass(path: string, target: string, signal: AbortSignal): Promise<string | undefined> {
  const from = await open(path, "r");
  try {
    const found = await from.stat({ bigint: true });
    const settled = Date.now() - Number(found.mtimeMs) > clockStepMs;
    // A file system that can (btrfs, XFS, ZFS) shares the blocks at once.
    const cloned = await copyFile(path, target, constants.COPYFILE_FICLONE_FORCE).then(
      () => true,
      () => false,
    );
    if (!cloned) await copyBlocks(from.fd, target, signal);
    return settled ? `${found.size} ${found.mtimeNs}` : undefined;
  } finally {
    await from.close();
  }
}

/** A block at a time in this thread, which has nothing else to do: handed to other threads, they take three times the processor's time. */
async function copyBlocks(from: number, target: string, signal: AbortSignal): Promise<void> {
  const to = openSync(target, "w", 0o600);
  try {
    const block = Buffer.allocUnsafe(blockBytes);
    for (let at = 0, blocks = 1; ; blocks++) {
      const length = readSync(from, block, 0, blockBytes, at);
      if (length === 0) return;
      for (let written = 0; written < length;) written += writeSync(to, block, written, length - written, at + written);
      at += length;
      // Now and then it hears whether it is to end.
      if (blocks % blocksAtOnce === 0) await nextTurn();
      signal.throwIfAborted();
    }
  } finally {
    closeSync(to);
  }
}

/** Brings the copy to what the source holds. Not interrupted, not asynchronous: a lock is being held. */
function copyDifferences(source: number, size: number, target: string): void {
  const copy = openSync(target, "r+");
  try {
    const current = Buffer.allocUnsafe(blockBytes);
    const copied = Buffer.allocUnsafe(blockBytes);
    for (let at = 0; at < size;) {
      const length = readSync(source, current, 0, Math.min(blockBytes, size - at), at);
      if (length === 0) break;
      const known = readSync(copy, copied, 0, length, at);
      if (known !== length || current.compare(copied, 0, length, 0, length) !== 0) {
        for (let written = 0; written < length;)
          written += writeSync(copy, current, written, length - written, at + written);
      }
      at += length;
    }
    ftruncateSync(copy, size);
  } finally {
    closeSync(copy);
  }
}
