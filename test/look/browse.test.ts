import assert from "node:assert/strict";
import { test } from "node:test";
import { browse, type BrowseAnswer } from "../../src/engine/browse.ts";
import { history } from "../../src/engine/history.ts";
import type { PointName } from "../../src/engine/snapshots.ts";
import { isHoldfastError } from "../../src/lib/errors.ts";
import { type LookCrm, lookCrm } from "../support/look-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

const latest: PointName = { kind: "latest" };

async function look<T>(
  { engine, access, description, run }: LookCrm,
  path: string,
  use: (answer: BrowseAnswer) => Promise<T>,
  point: PointName = latest,
  paging?: { readonly limit: number; readonly after?: string },
): Promise<T> {
  const input = { repository: access, crms: [description], point, path, ...(paging && { paging }) };
  return browse(engine, input, run, use);
}

async function page(crm: LookCrm, name: string, limit: number, after?: string) {
  return look(
    crm,
    name,
    async (answer) => {
      assert.equal(answer.type, "records");
      if (answer.type !== "records") throw new Error("records were expected");
      const handles = (await Array.fromAsync(answer.records)).map(({ handle }) => handle);
      return { handles, next: answer.next() };
    },
    latest,
    { limit, ...(after !== undefined && { after }) },
  );
}

const record = (crm: LookCrm, handle: string, point?: PointName) =>
  look(
    crm,
    handle,
    async (answer) => {
      if (answer.type !== "record") throw new Error("a record was expected");
      return answer;
    },
    point,
  );

test("what records there are, a page of them, and one with all that hangs on it", async () => {
  using folder = temporaryFolder();
  const crm = await lookCrm(folder.path);
  await crm.backup();

  const entities = await look(crm, "/", async (answer) => (answer.type === "list" ? answer.entities : undefined));
  assert.deepEqual(
    entities?.map(({ name, rows }) => [name, rows]),
    [
      ["party", 20],
      ["contact", 40],
      ["invoice", 60],
      ["product", 3],
    ],
  );

  const first = await page(crm, "invoice", 25);
  assert.deepEqual([first.handles.length, first.handles[0], first.next], [25, "invoice/1", "invoice/25"]);
  const last = await page(crm, "invoice", 50, "invoice/25");
  assert.deepEqual([last.handles.length, last.handles[0], last.next], [35, "invoice/26", undefined]);
  assert.deepEqual((await page(crm, "party_tag", 2)).handles, ["party_tag/1/2", "party_tag/2/3"]);

  const party = await record(crm, "party/3");
  assert.deepEqual([party.handle, party.title, party.entity], ["party/3", "张伟有限公司 3", "party"]);
  const fields = Object.fromEntries(party.fields.map(({ column, value }) => [column, value]));
  assert.deepEqual([fields["phone"], fields["party_extra.colour"]], ["+86 10 3", "colour 3"]);
  assert.deepEqual(party.names, [
    { columns: ["main_contact"], handle: "contact/2", title: "Contact 2 c2@example.org" },
  ]);
  const related = Object.fromEntries(party.related.map((one) => [one.table, one]));
  assert.deepEqual(Object.keys(related).toSorted(), ["contact", "invoice", "note", "party_tag"]);
  assert.equal(related["invoice"]?.count, 3);
  assert.deepEqual(related["invoice"]?.records[0], { handle: "invoice/2", title: "FA1002" });
  assert.deepEqual(related["party_tag"]?.records, [{ handle: "tag/4" }]);
  // Notes that name it by type and number.
  assert.ok(related["note"]?.records.every(({ handle }) => Number(handle.split("/")[1]) % 2 === 0));
  // Files are those of its notes.
  assert.deepEqual(party.files, []);
  assert.deepEqual((await record(crm, "party/7")).files, ["/files/attachments/notes/6.txt"]);
  assert.equal((await record(crm, "party/20")).deleted, true);
  assert.equal((await record(crm, "party/3", { kind: "live" })).related.length, 4);

  for (const nothing of ["nobody", "party/99", "party/x/y", "tag/1/2"]) {
    await assert.rejects(record(crm, nothing), (error) => isHoldfastError(error, "nothing-matched"), nothing);
  }
});

test("a record's line of versions: what changed in each, and when it went", async () => {
  using folder = temporaryFolder();
  const crm = await lookCrm(folder.path);
  const line = async (handle: string, live: "with" | "without" = "without") =>
    history(crm.engine, { repository: crm.access, crms: [crm.description], record: handle, live }, crm.run);
  const told = async (handle: string, live?: "with") =>
    (await line(handle, live)).versions.map(({ action, fields, noise }) =>
      [action, ...(action === "changed" ? fields.map(({ column }) => column) : []), ...noise].join(" "),
    );

  await crm.backup();
  await crm.change("UPDATE party SET name = 'Renamed', touched = 'x' WHERE id = 3");
  await crm.backup();
  await crm.change("UPDATE party_extra SET colour = 'blue' WHERE party_id = 3; INSERT INTO tag (label) VALUES ('new')");
  const third = await crm.backup();
  await crm.change("UPDATE party SET deleted = 1 WHERE id = 3; DELETE FROM note WHERE id = 50");
  const fourth = await crm.backup("full");
  await crm.backup();
  await crm.change("ALTER TABLE product ADD COLUMN price REAL DEFAULT 2; UPDATE party SET phone = '1' WHERE id = 4");
  const last = await crm.backup();

  assert.deepEqual(await told("party/3"), [
    "first",
    "changed name touched touched",
    "changed party_extra.colour",
    "deleted",
  ]);
  const party = await line("party/3");
  assert.deepEqual([party.title, party.entity, party.points], ["Renamed", "party", 6]);
  assert.equal(party.deletedSince?.snapshot, fourth.snapshot);
  assert.deepEqual(await told("tag/5"), ["created"]);
  assert.deepEqual((await line("tag/5")).versions[0]?.point.snapshot, third.snapshot);
  assert.deepEqual(await told("note/50"), ["first", "deleted"]);
  assert.deepEqual(await told("product/1"), ["first", "changed price"]);
  assert.equal((await line("product/1")).versions[1]?.point.snapshot, last.snapshot);
  assert.deepEqual(await told("party/4"), ["first", "changed phone"]);
  await crm.change("UPDATE party SET phone = '2' WHERE id = 4");
  assert.deepEqual(await told("party/4", "with"), ["first", "changed phone", "changed phone"]);
  await assert.rejects(line("party/99"), (error) => isHoldfastError(error, "nothing-matched"));
});
