import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { recordsModel, recordsRows, recordsSchema } from "../../../test/support/records-crm.ts";
import { temporaryFolder } from "../../../test/support/temp-folder.ts";
import { testRepository } from "../../../test/support/test-repository.ts";
import { noFiles } from "../../crm/crm-files.ts";
import { sqliteEngine } from "../../database/sqlite/sqlite.ts";
import { captureDatabase, readDatabase } from "../databases.ts";
import { modelSource, pointRecords, type RecordSource } from "./point-records.ts";
import { handleOf, parseHandle, tableOrEntity, titleOf } from "./record-handle.ts";
import { entityOf, isDeleted, type RecordRow } from "./record-row.ts";
import { type Relation, relationsOf } from "./relations.ts";

const { signal } = new AbortController();

const names = (relations: readonly Relation[]): readonly string[] =>
  relations.map(({ from, to, kind, origin, when, extends: extending }) =>
    [`${from.name}>${to.name}`, kind, origin, when?.equals, extending && "extension"].filter(Boolean).join(" "),
  );

test("foreign keys and a model's references are one graph; records are found by their handles, with what belongs to them", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "crm.db");
  {
    using connection = new DatabaseSync(path);
    connection.exec(recordsSchema("sqlite") + recordsRows("sqlite"));
    connection.exec(`CREATE TABLE "a/b" (x TEXT, "y%" TEXT, v TEXT, PRIMARY KEY (x, "y%")) WITHOUT ROWID;
      INSERT INTO "a/b" VALUES ('1/2', '50%', '张');`);
  }
  await using repository = await testRepository();
  await using live = await sqliteEngine.connect({ url: `sqlite:${path}` }, { signal });
  await using snapshot = await live.snapshot(signal);
  const { tree } = await repository.upload((store, reader) =>
    captureDatabase({
      ...{
        snapshot,
        engine: sqliteEngine,
        name: "main",
        location: `sqlite:${path}`,
        kind: "full",
        store,
        reader,
        signal,
      },
      ...{ cutKey: repository.repository.secret("rows"), emptyTables: [], time: "2026-01-01T00:00:00Z" },
      report: () => {},
    }),
  );
  const stored = await readDatabase(await repository.index(), tree, sqliteEngine, signal);
  const { tables: schemas } = stored.schema;
  const source: RecordSource = {
    schema: stored.schema,
    open: async (one) => {
      const found = stored.tables.find(({ table: { name } }) => name === one.name) ?? assert.fail(one.name);
      return { ...found, countRows: async () => found.rowCount };
    },
  };
  const relations = relationsOf(schemas, recordsModel);
  const table = (name: string) => relations.tableNamed(name) ?? assert.fail(name);
  assert.deepEqual(names(relations.to(table("party"))).toSorted(), [
    "contact>party belongs declared",
    "invoice>party belongs declared",
    "note>party belongs model party",
    "party_extra>party belongs model extension",
    "party_tag>party links declared",
  ]);
  assert.deepEqual(names(relations.from(table("invoice_line"))).toSorted(), [
    "invoice_line>invoice belongs declared",
    "invoice_line>product refers declared",
  ]);
  assert.deepEqual(relationsOf(schemas).entities, []);
  // Whatever else says so too, it is the same record.
  const extra = table("party_extra");
  const declared = { ...extra, foreignKeys: [{ columns: ["party_id"], table: "party", referenced: ["id"] }] };
  const again = {
    from: extra,
    columns: ["party_id"],
    to: table("party"),
    referenced: ["id"],
    kind: "belongs",
  } as const;
  const said = { ...recordsModel, references: [again, ...recordsModel.references] };
  const both = relationsOf([...schemas.filter((one) => one !== extra), declared], said);
  assert.deepEqual(names(both.from(declared)), ["party_extra>party belongs declared extension"]);
  assert.equal(relations.tableNamed("main.party"), table("party"));
  assert.equal(tableOrEntity(relations, "party_tag")?.entity, undefined);

  const records = pointRecords(source, sqliteEngine, signal);
  const find = async (text: string): Promise<RecordRow> => {
    const handle = parseHandle(relations, text, sqliteEngine) ?? assert.fail(text);
    return (await records.get(handle.table, handle.key)) ?? assert.fail(`${text} is not there`);
  };
  const party = await find("party/7");
  const entity = entityOf(relations.entitiesOf(party.table), party, sqliteEngine);
  assert.equal(titleOf(entity, party, sqliteEngine), "张伟有限公司 7");
  assert.equal(handleOf(relations, party, entity, sqliteEngine), "party/7");
  assert.equal(isDeleted(entity, party, sqliteEngine), "no");
  assert.equal(isDeleted(entity, await find("party/20"), sqliteEngine), "yes");
  assert.equal(titleOf(undefined, party, sqliteEngine), undefined);
  assert.equal(handleOf(relations, await find("party_tag/7/4"), undefined, sqliteEngine), "party_tag/7/4");
  const odd = (await records.get(table("a/b"), '"1/2"\t"50%"')) ?? assert.fail("a/b");
  assert.ok(handleOf(relations, odd, undefined, sqliteEngine).endsWith("/1%2F2/50%25"));
  for (const wrong of ["nothing/1", "party", "party/1/2", "log/1"]) {
    assert.equal(parseHandle(relations, wrong, sqliteEngine), undefined, wrong);
  }
  const missing = parseHandle(relations, "party/999", sqliteEngine);
  assert.equal(await records.get(table("party"), missing?.key ?? ""), undefined);

  const inNotes = relations.to(table("party")).filter(({ from }) => from.name === "note");
  const notes = await records.naming(inNotes, [party]);
  assert.deepEqual(
    notes.map(({ row }) => row.key),
    ["i6", "i26", "i46"],
  );
  const [parent] = relations.from(table("contact"));
  const contacts = await records.naming(
    relations.to(table("party")).filter(({ from }) => from.name === "contact"),
    [party],
  );
  assert.deepEqual(
    contacts.map(({ row }) => row.key),
    ["i6", "i26"],
  );
  const parents = await records.named(
    parent ?? assert.fail(),
    contacts.map(({ row }) => row),
  );
  assert.deepEqual(
    parents.map(({ key }) => key),
    ["i7"],
  );
  const byCode = {
    ...(parent ?? assert.fail()),
    from: table("party"),
    columns: [2],
    to: table("party"),
    referenced: [2],
  };
  assert.deepEqual(
    (await records.named(byCode, [party])).map(({ key }) => key),
    ["i7"],
  );
  const many = Array.from({ length: 30 }, (_, at) => `i${at + 1}`);
  assert.equal((await records.getAll(table("party"), many)).length, 20);

  const texts: (readonly (string | undefined)[])[] = [];
  for await (const row of modelSource(source, noFiles, sqliteEngine, signal).rows({ name: "tag" }, ["label"]))
    texts.push(row);
  assert.deepEqual(texts.at(-1), ["Tag 4"]);
});
