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
  // All that is committed by now is in it.
  const begun = new Date();
  const file = await openForReading(url, path, signal);
  const { connection, journalMode } = file;
  try {
    if (journalMode === "delete") return await snapshotOfCopy(path, file, begun, signal);
    // A read transaction in WAL mode lets writers go on; the first statement that reads pins its moment.
    connection.exec("BEGIN");
    connection.prepare("SELECT count(*) FROM sqlite_schema").get();
    const position = await describePosition(path, file, begun);
    return snapshotOver(connection, journalMode, position);
  } catch (error) {
    if (connection.isOpen) connection.close();
    throw error;
  }
}

async function snapshotOfCopy(
  path: string,
  file: OpenedFile,
  begun: Date,
  signal: AbortSignal,
): Promise<DatabaseSnapshot> {
  const position = await describePosition(path, file, begun);
  const copied = await openCopy(path, file, signal);
  try {
    file.connection.close();
    return snapshotOver(copied, file.journalMode, position);
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
  const pragma = (name: string): number => number(all(connection, `PRAGMA main.${name}`)[0], name);
  const data = pragma("data_version");
  const schema = pragma("schema_version");
  const { mtime } = await statFile(path);
  return `data-version=${data} schema-version=${schema} file-modified=${mtime.toISOString()} begun=${begun.toISOString()}`;
}
