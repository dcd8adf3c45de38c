import type { DatabaseSync } from "node:sqlite";

import type { DatabaseSnapshot, TableReader } from "../database.ts";
import { inspectSchema, textEncoding, type JournalMode } from "./inspect.ts";
import { SqliteTableReader } from "./reader.ts";

/** A consistent moment over a connection that already sees only that moment; takes the connection over through `close`. */
export function openSnapshot(
  connection: DatabaseSync,
  journalMode: JournalMode,
  position: string,
  close: () => Promise<void>,
): DatabaseSnapshot {
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
    [Symbol.asyncDispose]: close,
  };
}
