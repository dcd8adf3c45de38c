import { stat } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { DatabaseSync } from "node:sqlite";

import { HoldfastError } from "../../lib/errors.ts";
import { hasSystemCode } from "../../lib/system-code.ts";
import { databaseFailure, sqliteCode, sqliteErrorCode } from "./failure.ts";
import type { JournalMode } from "./inspect.ts";
import { databaseUsers } from "./open-by.ts";
import { all, text } from "./query.ts";
import { registerRowFunctions } from "./row-sql.ts";

/** How long we wait for a writer that is committing. A writer never waits for us longer than `copy.ts` says. */
const busyTimeoutMs = 10_000;

/** SQLITE_READONLY_ROLLBACK: a journal was left by a crash, and this connection may not roll it back. */
const needsRollback = 776;

export interface OpenedFile {
  readonly connection: DatabaseSync;
  /** A private connection cannot tell: to an immutable one every database seems to have a rollback journal. */
  readonly journalMode: JournalMode;
}

/**
 * Opens a database to read it. The file is never opened other than by SQLite while SQLite may have it open: on Linux a process
 * loses all its POSIX locks on a file as soon as it closes any descriptor of it, and a writer elsewhere that sees no lock of
 * ours may remove the log that we read from (https://sqlite.org/howtocorrupt.html §2.2).
 */
export async function openForReading(url: string, path: string, signal: AbortSignal): Promise<OpenedFile> {
  await statFile(path);
  try {
    return opened(attempt(path, "read-only"));
  } catch (error) {
    const code = sqliteErrorCode(error);
    if (code === sqliteCode.notADatabase) {
      throw new HoldfastError("database-not-sqlite", { path }, error);
    }
    if (error instanceof Error && "errcode" in error && error.errcode === needsRollback) {
      return opened(attempt(path, "read-write"));
    }
    const refused = code === sqliteCode.readOnly || code === sqliteCode.cantOpen;
    if (!refused || !(await isUnused(url, path, signal))) throw error;
    return { connection: attempt(path, "immutable"), journalMode: "wal" };
  }
}

export async function statFile(path: string): Promise<{ readonly mtime: Date; readonly ino: number }> {
  try {
    const found = await stat(path);
    if (!found.isFile()) throw new HoldfastError("source-missing", { subject: path });
    return found;
  } catch (error) {
    const missing = hasSystemCode(error, "ENOENT", "ENOTDIR");
    throw databaseFailure(missing ? "source-missing" : "database-unreadable", { subject: path }, error);
  }
}

/** A file that is whole and that nobody writes: a private copy. */
export function openImmutable(path: string): DatabaseSync {
  return attempt(path, "immutable");
}

function opened(connection: DatabaseSync): OpenedFile {
  const mode = text(all(connection, "PRAGMA main.journal_mode")[0], "journal_mode");
  return { connection, journalMode: mode === "wal" ? "wal" : "delete" };
}

function attempt(path: string, mode: "read-only" | "read-write" | "immutable"): DatabaseSync {
  const location = pathToFileURL(path);
  if (mode === "immutable") location.searchParams.set("immutable", "1");
  const connection = new DatabaseSync(location, {
    readOnly: mode !== "read-write",
    timeout: busyTimeoutMs,
    enableForeignKeyConstraints: false,
    enableDoubleQuotedStringLiterals: true,
  });
  try {
    // 16 MiB of pages: a batch of rows with its overflow pages and the index above it.
    connection.exec("PRAGMA cache_size=-4096");
    connection.prepare("SELECT count(*) FROM sqlite_schema").get();
    registerRowFunctions(connection);
    return connection;
  } catch (error) {
    connection.close();
    throw error;
  }
}

/**
 * A WAL database in a folder where we may not create its `-shm` file can only be read as immutable, which is right only if
 * nobody writes: no log is left, and no process has it open, all of them looked at.
 */
async function isUnused(url: string, path: string, signal: AbortSignal): Promise<boolean> {
  const log = await stat(`${path}-wal`).catch(() => undefined);
  if (log !== undefined && log.size > 0) return false;
  const { users, unseen } = await databaseUsers(url, signal);
  return users.length === 0 && unseen === 0;
}
