import type { FieldRules } from "../crm/column-texts.ts";
import { rowValues } from "../crm/column-texts.ts";
import type { CrmParts, KeyPart } from "../crm/platform.ts";
import type { RowBatch, TableSchema } from "../database/database.ts";
import type { Warning } from "../lib/events.ts";

/**
 * Keys of a CRM that are not there. One that is always needed is missed at once; another only when a row was stored with
 * it, so the tables that tell are watched while they are captured.
 */
export class KeyWatch {
  readonly #always: readonly KeyPart[];
  readonly #sometimes: readonly KeyPart[];
  readonly #used = new Set<KeyPart>();

  constructor({ keys = [] }: Pick<CrmParts, "keys">) {
    const missing = keys.filter(({ state }) => state === "missing");
    this.#always = missing.filter(({ usedBy }) => usedBy === undefined);
    this.#sometimes = missing.filter(({ usedBy }) => usedBy !== undefined);
  }

  wants(table: TableSchema): boolean {
    return this.#sometimes.some(({ usedBy = [] }) => usedBy.some((one) => one.table === table.name));
  }

  see(table: TableSchema, batch: RowBatch, rules: FieldRules): void {
    for (const key of this.#sometimes) {
      for (const use of (key.usedBy ?? []).filter((one) => one.table === table.name)) {
        for (const { texts } of rowValues(rules, table, batch, [use.column])) {
          const [value] = texts;
          if (value && (use.like?.test(value) ?? true)) this.#used.add(key);
        }
      }
    }
  }

  warnings(): readonly Warning[] {
    return [...this.#always, ...this.#used].map(({ name, path, use }) => ({
      code: "key-missing",
      subject: `${name} (${path})`,
      detail: use,
    }));
  }
}
