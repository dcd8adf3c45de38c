import type { DatabaseSource } from "../database.ts";
import { estimateDatabase } from "./estimate.ts";
import { databaseFailure } from "./failure.ts";
import { inspectSchema } from "./inspect.ts";
import { sqlitePath } from "./location.ts";
import { openForReading, statFile, type OpenedFile } from "./open.ts";
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
    snapshot: (run) => withFailure(path, () => openSnapshot(url, path, run)),
    // Nothing is held open between calls, so that the database can be moved away while the source exists.
    [Symbol.asyncDispose]: async () => {},
  };
}

async function withFailure<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw databaseFailure("database-unreadable", { subject: path }, error);
  }
}
