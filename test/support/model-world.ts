import { hash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { noise } from "./noise.ts";
import type { SeededRandom } from "./seeded-random.ts";

/** What a backup of the model's CRM must give back: SHA-256 of each file by its path, and every row as text. */
export interface WorldState {
  readonly files: ReadonlyMap<string, string>;
  readonly rows: readonly string[];
}

const folders = ["", "2025/", "2026/q1/", "发票/"];

/** A CRM that changes at random: a table and a folder of attachments. */
export class World {
  readonly folder: string;
  readonly #random: SeededRandom;
  #lastRow = 0;

  constructor(folder: string, random: SeededRandom) {
    this.folder = folder;
    this.#random = random;
    mkdirSync(this.attachments, { recursive: true });
    this.#sql("CREATE TABLE contact (id INTEGER PRIMARY KEY, name TEXT, note TEXT)");
    this.change();
  }

  get attachments(): string {
    return join(this.folder, "attachments");
  }

  /** A working day. */
  change(): void {
    const random = this.#random;
    for (let count = 1 + random.below(4); count > 0; count--) {
      const path = join(this.attachments, `${random.pick(folders)}${random.below(12)}.bin`);
      if (random.oneIn(4)) rmSync(path, { force: true });
      else {
        mkdirSync(dirname(path), { recursive: true });
        // Few different contents: the same blob is needed, given up and needed again. Some are noise, of several chunks
        // and as large in the repository as here, so that no byte of one may stand for another.
        const text = `content ${random.below(25)} `;
        const size = random.pick([0, 10, 3000, 40_000, 900_000]);
        writeFileSync(path, random.oneIn(3) ? noise(text, size * 3) : Buffer.alloc(size, text));
      }
    }
    for (let count = random.below(6); count > 0; count--) {
      const id = 1 + random.below(this.#lastRow + 1);
      if (random.oneIn(3)) this.#sql(`DELETE FROM contact WHERE id = ${id}`);
      else if (random.oneIn(2)) this.#sql(`UPDATE contact SET note = 'note ${random.below(1000)}' WHERE id = ${id}`);
      else this.#sql(`INSERT INTO contact VALUES (${++this.#lastRow}, 'name ${random.below(50)}', '张伟')`);
    }
    if (random.oneIn(20)) this.#sql(`UPDATE contact SET name = name || '+'`);
  }

  state(): WorldState {
    return stateOf(this.folder);
  }

  #sql(statement: string): void {
    using database = new DatabaseSync(join(this.folder, "crm.db"));
    database.exec(statement);
  }
}

/** Of the model's CRM, or of one that was restored. */
export function stateOf(folder: string): WorldState {
  const attachments = join(folder, "attachments");
  const files = new Map<string, string>();
  for (const entry of readdirSync(attachments, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    files.set(path.slice(attachments.length + 1), hash("sha256", readFileSync(path), "hex"));
  }
  using database = new DatabaseSync(join(folder, "crm.db"), { readOnly: true });
  const rows = database.prepare("SELECT * FROM contact ORDER BY id").all();
  return { files, rows: rows.map((row) => JSON.stringify(Object.values(row).map(String))) };
}
