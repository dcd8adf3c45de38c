import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type Chance, createChance } from "./chance.ts";
import { invoicePdf, scanPng } from "./documents.ts";
import { companyName, personName, remarks, stages, tongues } from "./people.ts";

/**
 * A small CRM without any server: `crm.db` (SQLite) and `attachments/`, about 10,000 rows and 400 files, the same in
 * every run. It is what the demonstration and several tests back up.
 */
export const demoSizes = { companies: 500, contacts: 2000, deals: 1500, notes: 5000, attachments: 400 } as const;

const schema = `
  CREATE TABLE companies (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, city TEXT, country TEXT NOT NULL, created_at TEXT NOT NULL);
  CREATE TABLE contacts (
    id INTEGER PRIMARY KEY, company_id INTEGER NOT NULL REFERENCES companies (id),
    first_name TEXT NOT NULL, last_name TEXT NOT NULL, email TEXT, phone TEXT, updated_at TEXT NOT NULL);
  CREATE TABLE deals (
    id INTEGER PRIMARY KEY, company_id INTEGER NOT NULL REFERENCES companies (id),
    contact_id INTEGER NOT NULL REFERENCES contacts (id),
    title TEXT NOT NULL, stage TEXT NOT NULL, amount REAL NOT NULL, currency TEXT NOT NULL, updated_at TEXT NOT NULL);
  CREATE TABLE notes (
    id INTEGER PRIMARY KEY AUTOINCREMENT, deal_id INTEGER NOT NULL REFERENCES deals (id),
    author TEXT NOT NULL, body TEXT NOT NULL, created_at TEXT NOT NULL);
  CREATE TABLE attachments (
    id INTEGER PRIMARY KEY, deal_id INTEGER NOT NULL REFERENCES deals (id),
    title TEXT NOT NULL, path TEXT NOT NULL UNIQUE, size INTEGER NOT NULL);
  CREATE TABLE outgoing_mail (id INTEGER PRIMARY KEY, recipient TEXT NOT NULL, subject TEXT NOT NULL);
  CREATE INDEX contacts_by_name ON contacts (last_name, first_name);
  CREATE INDEX deals_by_stage ON deals (stage);
  CREATE VIEW open_deals AS SELECT * FROM deals WHERE stage NOT IN ('won', 'lost');
  CREATE TRIGGER deals_touch AFTER UPDATE OF stage ON deals WHEN new.updated_at = old.updated_at
    BEGIN UPDATE deals SET updated_at = '2026-03-02T09:00:00' WHERE id = new.id; END;
`;

export interface DemoCrm {
  readonly database: string;
  readonly attachments: string;
}

export function demoCrmIn(folder: string): DemoCrm {
  return { database: join(folder, "crm.db"), attachments: join(folder, "attachments") };
}

/** Builds the CRM in `folder`, which is made. */
export function buildCrm(folder: string): DemoCrm {
  const crm = demoCrmIn(folder);
  mkdirSync(crm.attachments, { recursive: true });
  using database = new DatabaseSync(crm.database);
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; BEGIN");
  database.exec(schema);
  const chance = createChance(2026);
  insertCompanies(database, chance);
  insertContacts(database, chance);
  insertDeals(database, chance);
  insertNotes(database, chance);
  for (let id = 1; id <= demoSizes.attachments; id++) addAttachment(database, crm, chance, id);
  database.exec("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)");
  return crm;
}

function insertCompanies(database: DatabaseSync, chance: Chance): void {
  const insert = database.prepare("INSERT INTO companies VALUES (?, ?, ?, ?, ?)");
  const places = { zh: ["上海", "CN"], en: ["Leeds", "GB"], de: ["Köln", "DE"] } as const;
  for (let id = 1; id <= demoSizes.companies; id++) {
    const tongue = chance.pick(tongues);
    const [city, country] = places[tongue];
    insert.run(id, companyName(chance, tongue, id), id % 17 === 0 ? null : city, country, day(chance));
  }
}

function insertContacts(database: DatabaseSync, chance: Chance): void {
  const insert = database.prepare("INSERT INTO contacts VALUES (?, ?, ?, ?, ?, ?, ?)");
  for (let id = 1; id <= demoSizes.contacts; id++) {
    const { first, last } = personName(chance, chance.pick(tongues));
    const phone = id % 9 === 0 ? null : `+44 20 ${chance.between(1_000_000, 9_999_999)}`;
    insert.run(id, chance.between(1, demoSizes.companies), first, last, `contact${id}@example.com`, phone, day(chance));
  }
}

function insertDeals(database: DatabaseSync, chance: Chance): void {
  const insert = database.prepare("INSERT INTO deals VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
  for (let id = 1; id <= demoSizes.deals; id++) {
    const title = chance.pick(["Support contract", "年度采购", "Lagerausbau", "Website", "培训服务"]);
    const amount = chance.between(500, 250_000) / 4;
    const [company, contact] = [chance.between(1, demoSizes.companies), chance.between(1, demoSizes.contacts)];
    insert.run(id, company, contact, `${title} ${id}`, chance.pick(stages), amount, "EUR", day(chance));
  }
}

function insertNotes(database: DatabaseSync, chance: Chance): void {
  const insert = database.prepare("INSERT INTO notes (deal_id, author, body, created_at) VALUES (?, ?, ?, ?)");
  for (let id = 1; id <= demoSizes.notes; id++) {
    const body = Array.from({ length: chance.between(1, 4) }, () => chance.pick(remarks)).join(" ");
    insert.run(chance.between(1, demoSizes.deals), chance.pick(["lena", "omar", "小明"]), body, day(chance));
  }
}

/** One row and its file: most are invoices, every fifth a scan, every seventh an e-mail saved as text. */
export function addAttachment(database: DatabaseSync, crm: DemoCrm, chance: Chance, id: number): string {
  const deal = chance.between(1, demoSizes.deals);
  const [kind, content] = attachmentContent(chance, id, deal);
  const title = id % 4 === 0 ? `合同 ${id}` : `Document ${id}`;
  const path = `2026/${String((id % 12) + 1).padStart(2, "0")}/${title}.${kind}`;
  mkdirSync(join(crm.attachments, path, ".."), { recursive: true });
  writeFileSync(join(crm.attachments, path), content);
  database.prepare("INSERT INTO attachments VALUES (?, ?, ?, ?, ?)").run(id, deal, title, path, content.length);
  return path;
}

function attachmentContent(chance: Chance, id: number, deal: number): readonly [string, Buffer] {
  if (id % 5 === 0) return ["png", scanPng(chance, chance.between(120, 260), chance.between(120, 260))];
  if (id % 7 === 0) {
    const lines = Array.from({ length: chance.between(5, 80) }, () => chance.pick(remarks));
    return ["txt", Buffer.from(`Deal ${deal}\n\n${lines.join("\n")}\n`)];
  }
  const lines = Array.from({ length: chance.between(5, 40) }, (_, line) => `${line + 1}. ${chance.between(1, 9)} pcs`);
  return ["pdf", invoicePdf([`INVOICE ${id}`, `Deal ${deal}`, "", ...lines])];
}

function day(chance: Chance): string {
  const two = (value: number) => String(value).padStart(2, "0");
  return `2026-${two(chance.between(1, 2))}-${two(chance.between(1, 28))}T${two(chance.between(8, 18))}:00:00`;
}
