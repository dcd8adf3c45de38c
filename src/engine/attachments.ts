import type { FieldRules } from "../crm/column-texts.ts";
import type { AttachmentRule, OwnedFile, Uncovered } from "../crm/platform.ts";
import type { RowBatch, TableSchema } from "../database/database.ts";
import { type ByteName, nameText } from "../lib/byte-name.ts";
import type { Warning } from "../lib/events.ts";

/**
 * Rows against files in one backup: fed with the files that rows own while the database is read, then with the files
 * that are there while folders are captured; at the end it names rows whose file is missing and files that no row
 * owns. Memory: about 100 bytes for each owned file.
 */
export class AttachmentLedger {
  readonly #rule: AttachmentRule;
  /** When the database was read: a file that changed after it may belong to a row that came after it too. */
  readonly #momentNs: bigint;
  readonly #owned = new Map<string, { readonly owner: OwnedFile; found: 0 | 1 }>();
  readonly #orphans: Warning[] = [];
  readonly #folders = new Set<string>();
  readonly #outside = new Map<string, Uncovered>();

  constructor(rule: AttachmentRule, moment: Date) {
    this.#rule = rule;
    this.#momentNs = BigInt(moment.getTime()) * 1_000_000n;
  }

  own(files: Iterable<OwnedFile>): void {
    for (const owner of files) this.#owned.set(`${owner.folder}/${owner.path}`, { owner, found: 0 });
  }

  keptOutside(places: Iterable<Uncovered>): void {
    for (const place of places) this.#outside.set(place.subject, place);
  }

  startFolder(folder: string): void {
    this.#folders.add(folder);
  }

  file(folder: string, path: ByteName, ctimeNs: bigint): void {
    const entry = this.#owned.get(`${folder}/${path}`);
    if (entry) {
      entry.found = 1;
    } else if (ctimeNs <= this.#momentNs && this.#rule.ownable(folder, path)) {
      this.#orphans.push({ code: "file-orphan", subject: `${folder}/${nameText(path)}` });
    }
  }

  warnings(): readonly Warning[] {
    const missing: Warning[] = [];
    for (const { owner, found } of this.#owned.values()) {
      if (found === 1) continue;
      missing.push({ code: "file-missing", subject: `${owner.folder}/${nameText(owner.path)}`, detail: owner.row });
    }
    const outside = [...this.#outside.values()].map(({ subject, reason }): Warning => ({
      ...{ code: "not-covered", subject, detail: reason },
    }));
    return [...outside, ...missing, ...this.#orphans];
  }
}

/** Shows a rule those rows of a database that say where files are. */
export async function learnPlaces(
  { places }: AttachmentRule,
  tables: readonly TableSchema[],
  rules: FieldRules,
  rowsOf: (table: TableSchema) => AsyncIterable<RowBatch>,
): Promise<void> {
  for (const table of places ? tables.filter(places.tellsOf) : []) {
    for await (const batch of rowsOf(table)) places?.see(table, batch, rules);
  }
}
