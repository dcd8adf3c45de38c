import { open, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { pathToFileURL } from "node:url";
import { DatabaseSync } from "node:sqlite";

import type { DatabaseSnapshot, DatabaseSource } from "../database.ts";
import { HoldfastError } from "../../lib/errors.ts";
import { copyRollbackDatabase } from "./copy.ts";
import { estimateDatabase } from "./estimate.ts";
import { databaseFailure, sqliteCode, sqliteErrorCode } from "./failure.ts";
import { inspectSchema, type FileFacts } from "./inspect.ts";
import { sqlitePath } from "./location.ts";
import { databaseUsers } from "./open-by.ts";
import { all, number } from "./query.ts";
import { registerRowFunctions } from "./row-sql.ts";
import { openSnapshot } from "./snapshot.ts";

/** How long we wait for a writer that is committing. A writer never waits for us longer than `copy.ts` says. */
const busyTimeoutMs = 10_000;

export async function connectSqlite(url: string, signal: AbortSignal): Promise<DatabaseSource> {
  const path = sqlitePath(url);
  signal.throwIfAborted();
  await readHeader(path);
  return {
    location: url,
    inspect: (run) => withFailure(path, () => withConnection(url, path, run, inspectSchema)),
    estimate: (run) => withFailure(path, () => withConnection(url, path, run, estimateDatabase)),
    snapshot: (run) => withFailure(path, () => snapshot(url, path, run)),
    // Nothing is held open between calls, so that the database can be moved away while the source exists.
    [Symbol.asyncDispose]: async () => {},
  };
}

/** What the file says of itself before SQLite opens it. */
interface Header extends FileFacts {
  /** Counts transactions in rollback-journal modes (https://sqlite.org/fileformat.html §1.3.8). */
  readonly changeCounter: number;
}

async function withConnection<T>(
  url: string,
  path: string,
  signal: AbortSignal,
  work: (connection: DatabaseSync, header: Header) => T,
): Promise<T> {
  const header = await readHeader(path);
  const connection = await openForReading(url, path, header, signal);
  try {
    return work(connection, header);
  } finally {
    connection.close();
  }
}

async function snapshot(url: string, path: string, signal: AbortSignal): Promise<DatabaseSnapshot> {
  const header = await readHeader(path);
  const connection = await openForReading(url, path, header, signal);
  const position = (): string =>
    `file-change-counter=${header.changeCounter} data-version=${number(all(connection, "PRAGMA data_version")[0], "data_version")}`;
  try {
    if (header.journalMode === "wal") {
      // A read transaction in WAL mode lets writers go on; the first statement that reads pins its moment.
      connection.exec("BEGIN");
      connection.prepare("SELECT count(*) FROM sqlite_schema").get();
      return openSnapshot(connection, header, position(), async () => connection.close());
    }
    const copy = await copyRollbackDatabase(path, connection, tmpdir(), signal);
    try {
      const taken = position();
      const copied = openFile(copy.path, "immutable");
      return openSnapshot(copied, header, taken, async () => {
        copied.close();
        connection.close();
        await copy[Symbol.asyncDispose]();
      });
    } catch (error) {
      await copy[Symbol.asyncDispose]();
      throw error;
    }
  } catch (error) {
    if (connection.isOpen) connection.close();
    throw error;
  }
}

async function openForReading(url: string, path: string, header: Header, signal: AbortSignal): Promise<DatabaseSync> {
  const attempt = (mode: OpenMode): DatabaseSync => {
    const connection = openFile(path, mode);
    try {
      connection.prepare("SELECT count(*) FROM sqlite_schema").get();
      return connection;
    } catch (error) {
      connection.close();
      throw error;
    }
  };
  try {
    return attempt("read-only");
  } catch (error) {
    const code = sqliteErrorCode(error);
    if (code !== sqliteCode.readOnly && code !== sqliteCode.cantOpen) throw error;
    // A journal left by a crash must be rolled back before anybody can read, which takes a connection that may write.
    if (header.journalMode === "delete") return attempt("read-write");
    if (await isUnused(url, path, signal)) return attempt("immutable");
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

type OpenMode = "read-only" | "read-write" | "immutable";

function openFile(path: string, mode: OpenMode): DatabaseSync {
  const location = pathToFileURL(path);
  if (mode === "immutable") location.searchParams.set("immutable", "1");
  const connection = new DatabaseSync(location, {
    readOnly: mode !== "read-write",
    timeout: busyTimeoutMs,
    enableForeignKeyConstraints: false,
    enableDoubleQuotedStringLiterals: true,
  });
  // 16 MiB of pages: a batch of rows with its overflow pages and the index above it.
  connection.exec("PRAGMA cache_size=-16384");
  registerRowFunctions(connection);
  return connection;
}

async function readHeader(path: string): Promise<Header> {
  try {
    await using file = await open(path, "r");
    const found = await file.stat();
    if (!found.isFile()) throw new HoldfastError("source-missing", { subject: path });
    const header = Buffer.alloc(100);
    const { bytesRead } = await file.read(header, 0, 100, 0);
    if (bytesRead > 0 && header.toString("latin1", 0, 16) !== "SQLite format 3\0") {
      throw new HoldfastError("database-unsupported", { location: `sqlite:${path}`, reason: "not a SQLite database" });
    }
    return {
      // Read version 2 means WAL.
      journalMode: header[19] === 2 ? "wal" : "delete",
      changeCounter: header.readUInt32BE(24),
      mode: found.mode & 0o7777,
      uid: found.uid,
      gid: found.gid,
    };
  } catch (error) {
    const missing = error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR");
    throw databaseFailure(missing ? "source-missing" : "database-unreadable", { subject: path }, error);
  }
}

async function withFailure<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw databaseFailure("database-unreadable", { subject: path }, error);
  }
}
