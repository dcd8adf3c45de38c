import type { RowBatch, RowRange, TableReader, TableSchema } from "../../src/database/database.ts";
import { compareKeys } from "../../src/database/sqlite/compare-keys.ts";
import { addRowHash, rowHash } from "../../src/database/sqlite/row-hash.ts";

export const rules = { keyOrder: () => compareKeys, rowHash, addRowHash };

export const contactTable: TableSchema = {
  schema: "main",
  name: "contact",
  columns: [
    { name: "id", type: "INTEGER", nullable: false },
    { name: "name", type: "TEXT", nullable: true },
  ],
  keyLength: 1,
  foreignKeys: [],
  fingerprint: "contact-1",
};

/** A table held in memory: whole lines without LF, by key. */
export class TableModel {
  readonly table: TableSchema;
  readonly rows = new Map<string, string>();
  batchBytes: number;

  constructor(table: TableSchema = contactTable, batchBytes = 1 << 20) {
    this.table = table;
    this.batchBytes = batchBytes;
  }

  put(id: number, value: string): void {
    this.rows.set(`i${id}`, `i${id}\tt${Buffer.from(value, "utf8").toString("latin1")}`);
  }

  delete(id: number): void {
    this.rows.delete(`i${id}`);
  }

  lines(): string[] {
    return [...this.rows.keys()].sort(compareKeys).map((key) => this.rows.get(key) ?? "");
  }

  reader(order?: (lines: string[]) => string[]): TableReader {
    const lines = order ? order(this.lines()) : this.lines();
    const target = this.batchBytes;
    return {
      table: this.table,
      estimatedRows: async () => lines.length,
      async *read(range: RowRange): AsyncIterable<RowBatch> {
        if (range.after !== undefined || range.upTo !== undefined) throw new Error("only whole tables here");
        let batch: string[] = [];
        let size = 0;
        for (const line of lines) {
          batch.push(line);
          size += line.length + 1;
          if (size < target) continue;
          yield { lines: Buffer.from(`${batch.join("\n")}\n`, "latin1"), rows: batch.length };
          batch = [];
          size = 0;
        }
        if (batch.length > 0) yield { lines: Buffer.from(`${batch.join("\n")}\n`, "latin1"), rows: batch.length };
      },
    };
  }
}
