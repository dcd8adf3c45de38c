import { keyOfLine } from "../contents/journal/replay.ts";
import { AlikeKeys } from "../contents/merge-rows.ts";
import { tableName } from "../database/change-feed.ts";
import type { DatabaseAddress, DatabaseEngine, RowKey, TableSchema } from "../database/database.ts";

export type AlikeByTable = ReadonlyMap<string, AlikeKeys>;

/** So many keys are asked for at once. */
const batchKeys = 10_000;

/**
 * Finds rows of a live database that it takes for one with stored rows whose keys are written otherwise: only the database knows what is
 * equal to it. Each batch is asked for by itself, so that no transaction stays open that writers would wait for.
 */
export class AlikeFinder {
  readonly #engine: DatabaseEngine;
  readonly #address: DatabaseAddress;
  readonly #signal: AbortSignal;
  readonly #found = new Map<string, AlikeKeys>();
  readonly #waiting = new Map<string, { readonly table: TableSchema; readonly keys: RowKey[] }>();

  constructor(engine: DatabaseEngine, address: DatabaseAddress, signal: AbortSignal) {
    this.#engine = engine;
    this.#address = address;
    this.#signal = signal;
  }

  /** What is to be told of each stored row that is not live as it is written; `undefined`: of this table equal keys are the same bytes. */
  listener(table: TableSchema): ((key: RowKey) => Promise<void>) | undefined {
    if (!table.columns.slice(0, table.keyLength).some(({ type }) => mayBeAlike.test(type))) return undefined;
    const keys: RowKey[] = [];
    this.#waiting.set(tableName(table), { table, keys });
    return async (key) => {
      if (keys.push(key) >= batchKeys) await this.#ask(table, keys.splice(0));
    };
  }

  /** By `tableName`; only tables in which there are such rows. */
  async found(): Promise<AlikeByTable> {
    for (const { table, keys } of this.#waiting.values()) if (keys.length > 0) await this.#ask(table, keys.splice(0));
    return this.#found;
  }

  async #ask({ schema, name, keyLength, columns }: TableSchema, keys: readonly RowKey[]): Promise<void> {
    const by = { columns: columns.slice(0, keyLength).map((column) => column.name) };
    await this.#engine.rows(this.#address, "read", this.#signal, async (rows) => {
      const table = rows.tables.find((one) => one.schema === schema && one.name === name);
      if (!table) return;
      const alike = this.#found.get(tableName(table)) ?? new AlikeKeys();
      // There are few, if any: whose row it is that was found is asked of one half after the other.
      const match = async (some: readonly RowKey[]): Promise<void> => {
        const [line] = await rows.find(table, by, some);
        if (line === undefined) return;
        const [only] = some;
        if (only !== undefined && some.length === 1) return alike.add(only, keyOfLine(line, keyLength));
        const half = some.length >> 1;
        await match(some.slice(0, half));
        await match(some.slice(half));
      };
      await match(keys);
      if (alike.size > 0) this.#found.set(tableName(table), alike);
    });
  }
}

/** Texts are compared by a collation, which may take `Ab` for `AB`; SQLite's columns may have no type. */
const mayBeAlike = /char|text|clob|string|enum|^set\b|^$/i;
