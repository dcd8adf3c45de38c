import { tmpdir } from "node:os";
import type { DatabaseSync } from "node:sqlite";

import type { DatabaseSnapshot, TableReader } from "../database.ts";
import { copyRollbackDatabase } from "./copy.ts";
import { inspectSchema, textEncoding, type JournalMode } from "./inspect.ts";
import { openForReading, openImmutable, statFile, type OpenedFile } from "./open.ts";
import { all, number } from "./query.ts";
import { SqliteTableReader } from "./reader.ts";

/** Opens one moment of a database in this thread. */
export async function takeSnapshot(url: string, path: string, signal: AbortSignal): Promise<DatabaseSnapshot> {
  const file = await openForReading(url, path, signal);
  const { connection, journalMode } = file;
  try {
    if (journalMode === "delete") return await snapshotOfCopy(path, file, signal);
    const begun = pinMoment(connection);
    const position = await describePosition(path, file, begun);
    return snapshotOver(connection, journalMode, position);
  } catch (error) {
    if (connection.isOpen) connection.close();
    throw error;
  }
}

/** How often it is tried to begin at a moment at which nobody commits: it takes less than a millisecond. */
const pinTries = 20;

/**
 * Begins a read transaction, which lets writers go on in WAL mode, and gives its time: all that was committed up to then is in it, and
 * nothing else. So moments of two snapshots say which one was before the other.
 */
function pinMoment(connection: DatabaseSync): Date {
  for (let tries = 1; ; tries++) {
    const before = dataVersion(connection);
    const begun = new Date();
    connection.exec("BEGIN");
    // The first statement that reads pins the moment.
    if (dataVersion(connection) === before || tries === pinTries) return begun;
    connection.exec("COMMIT");
  }
}

/** Another number than before: somebody else has committed. https://sqlite.org/pragma.html#pragma_data_version */
function dataVersion(connection: DatabaseSync): number {
  return number(all(connection, "PRAGMA main.data_version")[0], "data_version");
}

async function snapshotOfCopy(path: string, file: OpenedFile, signal: AbortSignal): Promise<DatabaseSnapshot> {
  const { copied, begun } = await openCopy(path, file, signal);
  try {
    const position = await describePosition(path, file, begun);
    file.connection.close();
    return snapshotOver(copied, file.journalMode, position);
  } catch (error) {
    copied.close();
    throw error;
  }
}

/** The copy has no name any more once it is open: a run that is killed leaves none of the customers' data behind. */
async function openCopy(
  path: string,
  file: OpenedFile,
  signal: AbortSignal,
): Promise<{ readonly copied: DatabaseSync; readonly begun: Date }> {
  await using copy = await copyRollbackDatabase(path, file.connection, tmpdir(), signal);
  return { copied: openImmutable(copy.path), begun: copy.moment };
}

/** Over a connection that already sees only one moment; takes it over. */
function snapshotOver(connection: DatabaseSync, journalMode: JournalMode, position: string): DatabaseSnapshot {
  const encoding = textEncoding(connection);
  const readers = new Map<string, TableReader>();
  return {
    schema: inspectSchema(connection, journalMode),
    position,
    reader(table) {
      const name = JSON.stringify(table);
      const known = readers.get(name) ?? new SqliteTableReader(connection, table, encoding);
      readers.set(name, known);
      return known;
    },
    [Symbol.asyncDispose]: async () => connection.close(),
  };
}

/** For a person who compares two snapshots; SQLite has no log with positions. */
async function describePosition(path: string, { connection }: OpenedFile, begun: Date): Promise<string> {
  const data = dataVersion(connection);
  const schema = number(all(connection, "PRAGMA main.schema_version")[0], "schema_version");
  const { mtime } = await statFile(path);
  return `data-version=${data} schema-version=${schema} file-modified=${mtime.toISOString()} begun=${begun.toISOString()}`;
}
