import assert from "node:assert/strict";
import type { DatabaseAddress, DatabaseEngine, TableSchema } from "../../src/database/database.ts";
import type { RowMode, RowTransaction } from "../../src/database/row-transaction.ts";
import { isHoldfastError } from "../../src/lib/errors.ts";
import { recordsRows, recordsSchema } from "./records-crm.ts";

export interface RowsWorld {
  readonly engine: DatabaseEngine;
  readonly address: DatabaseAddress;
  /** Runs a script in the database and gives what it printed, fields separated by `|` or TAB. */
  sql(script: string): Promise<string>;
}

const { signal } = new AbortController();

/** What `DatabaseEngine.rows` promises, on an empty database. */
export async function rowsContract({ engine, address, sql }: RowsWorld): Promise<void> {
  await sql(recordsSchema(engine.name) + recordsRows(engine.name));
  const within = <T>(mode: RowMode, work: (rows: RowTransaction) => Promise<T>) =>
    engine.rows(address, mode, signal, work);
  const table = (rows: RowTransaction, name: string): TableSchema =>
    rows.tables.find((one) => one.name === name) ?? assert.fail(name);
  const field = (of: TableSchema, name: string, text: string | null): string =>
    engine.lineField(text, of.columns.find((column) => column.name === name) ?? assert.fail(name));
  const line = (of: TableSchema, values: Readonly<Record<string, string | null>>): string =>
    of.columns.map(({ name }) => field(of, name, values[name] ?? null)).join("\t");
  const count = async (where: string): Promise<string> => (await sql(`SELECT COUNT(*) FROM ${where}`)).trim();

  // Values go in and come out as they are, whatever is in them.
  const odd = "a\tb\nc\\d'\"é张\u0001";
  await within("change", async (rows) => {
    const note = table(rows, "note");
    const body = line(note, { id: "900", parent_type: "party", parent_id: "1", body: odd });
    await rows.insert(note, note.columns, [body, line(note, { id: "901" })]);
    assert.deepEqual(await rows.find(note, { columns: ["id"] }, [field(note, "id", "900"), field(note, "id", "999")]), [
      body,
    ]);
    assert.deepEqual(await rows.find(note, { columns: ["body"] }, [field(note, "body", odd)]), [body]);
    const pair = [field(note, "parent_type", "party"), field(note, "id", "900")].join("\t");
    assert.deepEqual(await rows.find(note, { columns: ["parent_type", "id"] }, [pair]), [body]);
    assert.deepEqual(await rows.find(note, { columns: ["id"] }, []), []);
    for (const [at, column] of note.columns.entries()) {
      const text = body.split("\t")[at] ?? "";
      assert.equal(engine.lineField(engine.readable(text, column), column), text);
    }
    await rows.update(note, [{ before: body, after: line(note, { id: "900", body: "x" }) }]);
    await rows.remove(note, [field(note, "id", "901")]);
  });
  assert.equal(await count("note WHERE id > 899"), "1");
  assert.equal(await count("note WHERE id = 900 AND body = 'x' AND parent_id IS NULL"), "1");

  // More rows than a function takes arguments, in one piece from the server.
  await sql(
    `CREATE TABLE narrow (n INTEGER); INSERT INTO narrow VALUES (1); ${"INSERT INTO narrow SELECT n FROM narrow;".repeat(18)}`,
  );
  await within("read", async (rows) => {
    const narrow = table(rows, "narrow");
    const found = await rows.find(narrow, { columns: ["n"] }, [field(narrow, "n", "1")]);
    assert.equal(found.length, 2 ** 18);
  });
  await sql("DROP TABLE narrow");

  // All or nothing, and a rehearsal leaves nothing.
  const fail = (mode: RowMode, work: (rows: RowTransaction) => Promise<void>) =>
    assert.rejects(within(mode, work), (error: unknown) => isHoldfastError(error));
  const removeNote = (rows: RowTransaction) =>
    rows.remove(table(rows, "note"), [field(table(rows, "note"), "id", "1")]);
  await within("rehearse", removeNote);
  await fail("change", async (rows) => {
    await removeNote(rows);
    const contact = table(rows, "contact");
    await rows.insert(contact, contact.columns, [line(contact, { id: "950", party: "12345", name: "no parent" })]);
  });
  await fail("rehearse", async (rows) => {
    const contact = table(rows, "contact");
    await rows.insert(contact, contact.columns, [line(contact, { id: "950", party: "1", email: "c1@example.org" })]);
  });
  await fail("change", async (rows) => {
    await removeNote(rows);
    await rows.remove(table(rows, "tag"), [field(table(rows, "tag"), "id", "2")]);
  });
  await fail("read", removeNote);
  assert.equal(await count("note WHERE id = 1"), "1");

  // What the table would do by itself does not happen: defaults for what is left out, no clock, no counter behind.
  await within("change", async (rows) => {
    const party = table(rows, "party");
    const given = party.columns.filter(({ name }) =>
      ["id", "name", ...(engine.name === "mysql" ? ["touched"] : [])].includes(name),
    );
    const values: Readonly<Record<string, string>> = { id: "700", name: "new", touched: "2020-01-01 00:00:00" };
    await rows.insert(party, given, [given.map(({ name }) => field(party, name, values[name] ?? "")).join("\t")]);
    const [made = ""] = await rows.find(party, { columns: ["id"] }, [field(party, "id", "700")]);
    const deleted = party.columns.findIndex(({ name }) => name === "deleted");
    assert.equal(engine.readable(made.split("\t")[deleted] ?? "", party.columns[deleted] ?? assert.fail()), "0");
    const phone = party.columns.findIndex(({ name }) => name === "phone");
    await rows.update(party, [
      {
        before: made,
        after: made
          .split("\t")
          .with(phone, field(party, "phone", "1"))
          .join("\t"),
      },
    ]);
    const facts = await rows.facts(party);
    assert.deepEqual(facts.required.toSorted(), engine.name === "postgres" ? ["name"] : ["name"]);
    assert.deepEqual(facts.unique.map(({ columns }) => columns.join()).toSorted(), ["code", "id"]);
    assert.deepEqual((await rows.facts(table(rows, "party_tag"))).unique, [{ columns: ["party", "tag"] }]);
    assert.equal(facts.transactional, "yes");
  });
  assert.equal(await count("party WHERE id = 700 AND phone = '1'"), "1");
  if (engine.name === "mysql")
    assert.equal(await count("party WHERE id = 700 AND touched = '2020-01-01 00:00:00'"), "1");
  await sql("INSERT INTO party (name) VALUES ('by the CRM')");
  assert.equal((await sql("SELECT MAX(id) FROM party")).trim(), "701");
}
