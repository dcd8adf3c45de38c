import type { DatabaseSync } from "node:sqlite";
import type { MessagePort } from "node:worker_threads";

import { largeTemporaryFolder, temporaryFailure } from "../../lib/large-temporary.ts";
import type { TableSchema } from "../database.ts";
import { copyRollbackDatabase } from "./copy.ts";
import { inspectSchema, textEncoding } from "./inspect.ts";
import { openForReading, openImmutable, statFile } from "./open.ts";
import { all, dataVersion, number } from "./query.ts";
import { SqliteTableReader } from "./reader.ts";
import { joinMoment, type Partner } from "./same-moment.ts";
import type { OpenedSnapshot } from "./snapshot-messages.ts";

/** Opens one moment of a database in this thread, and brings `partner` to it. */
export async function takeSnapshot(
  url: string,
  path: string,
  signal: AbortSignal,
  partner?: Partner,
): Promise<MomentReaders & OpenedSnapshot> {
  const { ino } = await statFile(path);
  const { connection, journalMode } = await openForReading(url, path, signal);
  let read = connection;
  try {
    let begun: Date;
    let together: boolean;
    if (journalMode === "delete") {
      ({ read, begun, together } = await openCopy(path, connection, signal, partner));
    } else {
      ({ begun, together } = await pinMoment(connection, partner));
      // Another file may have come to its place, and the partner may have opened that.
      together &&= (await statFile(path)).ino === ino;
    }
    const position = await describePosition(path, connection, begun);
    if (read !== connection) connection.close();
    partner?.settle(together);
    return { schema: inspectSchema(read, journalMode), position, together, ...readersOver(read) };
  } catch (error) {
    for (const one of new Set([connection, read])) if (one.isOpen) one.close();
    throw error;
  }
}

/** The moment of another thread, which leads; `undefined` if that reads alone. */
export async function shareSnapshot(
  url: string,
  path: string,
  leader: MessagePort,
  signal: AbortSignal,
): Promise<MomentReaders | undefined> {
  const connection = await joinMoment(url, path, leader, signal);
  return connection && readersOver(connection);
}

/** How often it is tried to begin at a moment at which nobody commits, and how often of these with a partner. */
const pinTries = 20;
const pinTriesTogether = 10;

/**
 * Begins a read transaction, which lets writers go on in WAL mode, and gives its time: all that was committed up to then is in it, and
 * nothing else. So moments of two snapshots say which one was before the other. Where nobody commits between the two looks,
 * what a partner began in between is the same.
 */
async function pinMoment(
  connection: DatabaseSync,
  partner: Partner | undefined,
): Promise<{ readonly begun: Date; readonly together: boolean }> {
  for (let tries = 1; ; tries++) {
    const before = dataVersion(connection);
    const begun = new Date();
    const joined = tries <= pinTriesTogether && (await partner?.begin("now")) === true;
    connection.exec("BEGIN");
    // The first statement that reads pins the moment.
    if (dataVersion(connection) === before) return { begun, together: joined };
    if (tries === pinTries) return { begun, together: false };
    connection.exec("COMMIT");
  }
}

/** The copy has no name any more once it is open: a run that is killed leaves none of the customers' data behind. */
async function openCopy(
  path: string,
  connection: DatabaseSync,
  signal: AbortSignal,
  partner: Partner | undefined,
): Promise<{ readonly read: DatabaseSync; readonly begun: Date; readonly together: boolean }> {
  const folder = largeTemporaryFolder(process.env);
  await using copy = await copyRollbackDatabase(path, connection, folder, signal).catch((error: unknown) => {
    throw temporaryFailure(error, folder);
  });
  const together = (await partner?.begin({ copy: copy.path })) === true;
  return { read: openImmutable(copy.path), begun: copy.moment, together };
}

/** Reads one moment, as long as it is held. */
export interface MomentReaders extends AsyncDisposable {
  reader(table: TableSchema): SqliteTableReader;
}

/** Over a connection that already sees only one moment; takes it over. */
function readersOver(connection: DatabaseSync): MomentReaders {
  const encoding = textEncoding(connection);
  const readers = new Map<string, SqliteTableReader>();
  return {
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
async function describePosition(path: string, connection: DatabaseSync, begun: Date): Promise<string> {
  const data = dataVersion(connection);
  const schema = number(all(connection, "PRAGMA main.schema_version")[0], "schema_version");
  const { mtime } = await statFile(path);
  return `data-version=${data} schema-version=${schema} file-modified=${mtime.toISOString()} begun=${begun.toISOString()}`;
}
