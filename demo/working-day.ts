import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { addAttachment, type DemoCrm, demoSizes } from "./build-crm.ts";
import { createChance } from "./chance.ts";
import { invoicePdf } from "./documents.ts";
import { personName, remarks, stages, tongues } from "./people.ts";

export interface DayOfWork {
  readonly contacts: number;
  readonly deals: number;
  readonly notes: number;
  readonly attachments: number;
}

/** What people do in a day: new contacts and notes, deals that move on, a note removed, an invoice corrected. */
export function workingDay(crm: DemoCrm, day: number): DayOfWork {
  const work: DayOfWork =
    day === 1
      ? { contacts: 25, deals: 60, notes: 90, attachments: 8 }
      : { contacts: 5, deals: 12, notes: 20, attachments: 2 };
  const chance = createChance(day);
  const today = `2026-03-${String(day).padStart(2, "0")}T15:00:00`;
  using database = new DatabaseSync(crm.database);
  database.exec("BEGIN");
  const addContact = database.prepare(
    "INSERT INTO contacts (company_id, first_name, last_name, email, updated_at) VALUES (?, ?, ?, ?, ?)",
  );
  for (let number = 1; number <= work.contacts; number++) {
    const { first, last } = personName(chance, chance.pick(tongues));
    addContact.run(chance.between(1, demoSizes.companies), first, last, `new${day}-${number}@example.com`, today);
  }
  const moveDeal = database.prepare("UPDATE deals SET stage = ?, updated_at = ? WHERE id = ?");
  for (let number = 1; number <= work.deals; number++) {
    moveDeal.run(chance.pick(stages), today, chance.between(1, demoSizes.deals));
  }
  const addNote = database.prepare("INSERT INTO notes (deal_id, author, body, created_at) VALUES (?, ?, ?, ?)");
  for (let number = 1; number <= work.notes; number++) {
    addNote.run(chance.between(1, demoSizes.deals), "omar", chance.pick(remarks), today);
  }
  database.prepare("DELETE FROM notes WHERE id = ?").run(chance.between(1, demoSizes.notes));
  const first = demoSizes.attachments + 1 + day * 100;
  for (let id = first; id < first + work.attachments; id++) addAttachment(database, crm, chance, id);
  correctInvoice(database, crm, day);
  removeAttachment(database, crm, day);
  database.exec("COMMIT");
  return work;
}

function correctInvoice(database: DatabaseSync, crm: DemoCrm, day: number): void {
  const row = database
    .prepare("SELECT id, path FROM attachments WHERE path LIKE '%.pdf' AND id > ? LIMIT 1")
    .get(day * 10);
  const content = invoicePdf([`INVOICE ${String(row?.["id"])}`, "corrected", `day ${day}`]);
  writeFileSync(join(crm.attachments, String(row?.["path"])), content);
  database.prepare("UPDATE attachments SET size = ? WHERE id = ?").run(content.length, Number(row?.["id"]));
}

function removeAttachment(database: DatabaseSync, crm: DemoCrm, day: number): void {
  const row = database.prepare("SELECT id, path FROM attachments WHERE id > ? LIMIT 1").get(day * 50);
  rmSync(join(crm.attachments, String(row?.["path"])));
  database.prepare("DELETE FROM attachments WHERE id = ?").run(Number(row?.["id"]));
}
