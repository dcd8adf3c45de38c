import { tmpdir } from "node:os";
import type { DatabaseSync } from "node:sqlite";

import type { DatabaseSnapshot, DatabaseSource } from "../database.ts";
import { copyRollbackDatabase } from "./copy.ts";
import { estimateDatabase } from "./estimate.ts";
import { databaseFailure } from "./failure.ts";
import { inspectSchema } from "./inspect.ts";
import { sqlitePath } from "./location.ts";
import { openForReading, openImmutable, statFile, type OpenedFile } from "./open.ts";
import { all, number } from "./query.ts";
import { openSnapshot } from "./snapshot.ts";

export async function connectSqlite(url: string, signal: AbortSignal): Promise<DatabaseSource> {
  const path = sqlitePath(url);
  signal.throwIfAborted();
  await statFile(path);
  const opened = async <T>(run: AbortSignal, work: (file: OpenedFile) => T): Promise<T> => {
    const file = await openForReading(url, path, run);
    try {
      return work(file);
    } finally {
      file.connection.close();
    }
  };
  return {
    location: url,
    inspect: (run) =>
      withFailure(path, () => opened(run, ({ connection, journalMode }) => inspectSchema(connection, journalMode))),
    estimate: (run) => withFailure(path, () => opened(run, ({ connection }) => estimateDatabase(connection))),
    snapshot: (run) => withFailure(path, () => takeSnapshot(url, path, run)),
    // Nothing is held open between calls, so that the database can be moved away while the source exists.
    [Symbol.asyncDispose]: async () => {},
  };
}

async function takeSnapshot(url: string, path: string, signal: AbortSignal): Promise<DatabaseSnapshot> {
  const file = await openForReading(url, path, signal);
  const { connection, journalMode } = file;
  try {
    if (journalMode === "delete") return await snapshotOfCopy(path, file, signal);
    // A read transaction in WAL mode lets writers go on; the first statement that reads pins its moment.
    connection.exec("BEGIN");
    connection.prepare("SELECT count(*) FROM sqlite_schema").get();
    const position = await describePosition(path, file);
    return openSnapshot(connection, journalMode, position, async () => connection.close());
  } catch (error) {
    if (connection.isOpen) connection.close();
    throw error;
  }
}

async function snapshotOfCopy(path: string, file: OpenedFile, signal: AbortSignal): Promise<DatabaseSnapshot> {
  const position = await describePosition(path, file);
  const copied = await openCopy(path, file, signal);
  try {
    file.connection.close();
    return openSnapshot(copied, file.journalMode, position, async () => copied.close());
  } catch (error) {
    copied.close();
    throw error;
  }
}

/** The copy has no name any more once it is open: a run that is killed leaves none of the customers' data behind. */
async function openCopy(path: string, file: OpenedFile, signal: AbortSignal): Promise<DatabaseSync> {
  await using copy = await copyRollbackDatabase(path, file.connection, tmpdir(), signal);
  return openImmutable(copy.path);
}

/** For a person who compares two snapshots; SQLite has no log with positions. */
async function describePosition(path: string, { connection }: OpenedFile): Promise<string> {
  const pragma = (name: string): number => number(all(connection, `PRAGMA main.${name}`)[0], name);
  const data = pragma("data_version");
  const schema = pragma("schema_version");
  const { mtime } = await statFile(path);
  return `data-version=${data} schema-version=${schema} file-modified=${mtime.toISOString()}`;
}

async function withFailure<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw databaseFailure("database-unreadable", { subject: path }, error);
  }
}
