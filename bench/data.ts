/**
 * The data of the benchmark, the same bytes on every machine. `scale` multiplies the number of files, rows and bytes.
 *
 * - `mix`: 300 files of 2 MB that nothing can compress (photos, PDF), one text dump of 400 MB, 20,000 small files of
 *   about 8.5 KB of text: 1.17 GB.
 * - `small`: 100,000 JSON files of 1.5 KB in 100 folders.
 * - `table`: a SQLite database with one table of 1,000,000 rows of about 150 bytes, and what a working day does to it:
 *   0.1 % of the rows updated, scattered over the whole table.
 * - `million`: 1,000,000 files of about 300 bytes in 1,000 folders.
 * - `blobs`: 1,000,000 files of 32 KiB in 1,000 folders, each one blob of its own for every tool: 500 bytes of text, and
 *   a hole up to the end, so that 32 GB come to 4 GB of disk and to less in a repository.
 */
import { closeSync, existsSync, ftruncateSync, mkdirSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { noise } from "../test/support/noise.ts";

const words =
  "account agreement answer appointment budget call campaign client closing company contact contract customer deadline deal demand discount email estimate event forecast invoice lead meeting negotiation note offer opportunity order partner payment pipeline price product project proposal prospect quarter question quote reference region renewal report request revenue review sales schedule segment service stage supplier support task territory ticket training value vendor visit".split(
    " ",
  );

/** Small numbers from `noise`, as many as wanted. */
function numbers(name: string): () => number {
  let block = 0;
  let bytes = noise(`${name} 0`, 65_536);
  let at = 0;
  return () => {
    if (at + 2 > bytes.length) {
      block++;
      bytes = noise(`${name} ${block}`, 65_536);
      at = 0;
    }
    at += 2;
    return bytes.readUInt16LE(at - 2);
  };
}

function sentence(next: () => number, length: number): string {
  let text = "";
  while (text.length < length) text += `${words[next() % words.length]} `;
  return text;
}

/** A file of lines such as a database dump has: ids that rise, words, amounts, dates. */
function writeDump(path: string, bytes: number): void {
  const next = numbers("dump");
  const file = openSync(path, "w");
  let written = 0;
  for (let id = 1; written < bytes;) {
    let text = "";
    for (; text.length < 1 << 20; id++) {
      const day = `20${10 + (next() % 16)}-0${1 + (next() % 9)}-${10 + (next() % 18)}`;
      text += `INSERT INTO activity VALUES (${id},${next()},'${sentence(next, 60)}',${next()}.${next() % 100},'${day}');\n`;
    }
    written += writeSync(file, text);
  }
  closeSync(file);
}

function makeMix(folder: string, scale: number): void {
  for (let file = 0; file < 300 * scale; file++) {
    const parent = join(folder, "documents", String(file % 10));
    mkdirSync(parent, { recursive: true });
    writeFileSync(join(parent, `document-${file}.bin`), noise(`document ${file}`, 2_000_000));
  }
  writeDump(join(folder, "dump.sql"), 400_000_000 * scale);
  const next = numbers("small");
  for (let file = 0; file < 20_000 * scale; file++) {
    const parent = join(folder, "notes", String(file % 200));
    mkdirSync(parent, { recursive: true });
    writeFileSync(join(parent, `note-${file}.txt`), sentence(next, 1_000 + (next() % 15_000)));
  }
}

function makeSmall(folder: string, scale: number): void {
  const next = numbers("json");
  for (let file = 0; file < 100_000 * scale; file++) {
    const parent = join(folder, String(file % 100));
    mkdirSync(parent, { recursive: true });
    const record = { id: file, owner: next(), title: sentence(next, 60), body: sentence(next, 1_350) };
    writeFileSync(join(parent, `${file}.json`), `${JSON.stringify(record)}\n`);
  }
}

/** As many files in each of 1,000 folders; `write` gets its path and a text of its own. */
function makeFolders(folder: string, scale: number, write: (path: string, text: string) => void): void {
  const next = numbers("folders");
  for (let part = 0; part < 1_000; part++) {
    const parent = join(folder, String(part).padStart(3, "0"));
    mkdirSync(parent, { recursive: true });
    for (let file = 0; file < 1_000 * scale; file++) {
      write(join(parent, `${file}.txt`), `${part}/${file} ${sentence(next, 500)}`);
    }
  }
}

function makeMillion(folder: string, scale: number): void {
  makeFolders(folder, scale, (path, text) => writeFileSync(path, text.slice(0, 300)));
}

function makeBlobs(folder: string, scale: number): void {
  makeFolders(folder, scale, (path, text) => {
    const file = openSync(path, "w");
    writeSync(file, text);
    ftruncateSync(file, 32 << 10);
    closeSync(file);
  });
}

function makeTable(folder: string, scale: number): void {
  using database = new DatabaseSync(join(folder, "crm.db"));
  database.exec(
    "CREATE TABLE contact (id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT, company INTEGER, note TEXT, changed TEXT)",
  );
  const insert = database.prepare("INSERT INTO contact VALUES (?, ?, ?, ?, ?, ?)");
  const next = numbers("table");
  database.exec("BEGIN");
  for (let id = 1; id <= 1_000_000 * scale; id++) {
    const name = sentence(next, 12).trim();
    insert.run(id, name, `contact-${id}@example.org`, next(), sentence(next, 70), "2026-01-05T08:00:00Z");
  }
  database.exec("COMMIT");
}

/** Updates 0.1 % of the rows; each `day` others. */
export function changeTable(folder: string, scale: number, day: number): void {
  using database = new DatabaseSync(join(folder, "crm.db"));
  const rows = 1_000_000 * scale;
  const update = database.prepare("UPDATE contact SET note = ?, changed = ? WHERE id = ?");
  const next = numbers(`day ${day}`);
  database.exec("BEGIN");
  for (let change = 0; change < rows / 1_000; change++) {
    const id = 1 + ((next() * 65_536 + next()) % rows);
    update.run(sentence(next, 70), `2026-02-${10 + (day % 18)}T09:30:00Z`, id);
  }
  database.exec("COMMIT");
}

const makers = { mix: makeMix, small: makeSmall, table: makeTable, million: makeMillion, blobs: makeBlobs };
export type DataName = keyof typeof makers;

/** Makes the data below `work` unless it is there; gives its folder. */
export function makeData(work: string, name: DataName, scale: number): string {
  const folder = join(work, `${name}-${scale}`);
  const finished = `${folder}.made`;
  if (existsSync(finished)) return folder;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  makers[name](folder, scale);
  writeFileSync(finished, "");
  return folder;
}
