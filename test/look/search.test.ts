import assert from "node:assert/strict";
import { test } from "node:test";
import { search, type SearchHit, type SearchInput } from "../../src/engine/search.ts";
import { isHoldfastError } from "../../src/lib/errors.ts";
import { type LookCrm, lookCrm } from "../support/look-crm.ts";
import { resticOn } from "../support/restic.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

async function hits(crm: LookCrm, text: string, more: Partial<SearchInput> = {}): Promise<readonly SearchHit[]> {
  const { engine, access, description, run } = crm;
  const input: SearchInput = {
    repository: access,
    crms: [description],
    point: { kind: "latest" },
    text,
    state: "there",
    only: [],
    ...more,
  };
  return search(engine, input, run, (answer) => Array.fromAsync(answer.hits));
}

async function handles(crm: LookCrm, text: string, more?: Partial<SearchInput>): Promise<readonly string[]> {
  return (await hits(crm, text, more)).map((hit) => (hit.type === "file" ? hit.path : hit.handle));
}

test("records and files by words in them: inside Chinese, whatever the case, each word in some field", async () => {
  using folder = temporaryFolder();
  const crm = await lookCrm(folder.path);
  await crm.change(`
    INSERT INTO party (name, code, phone) VALUES ('Müller & Söhne "GmbH" \\ Co', 'M1', '030'), ('ÉCOLE Иванов', 'E1', 'x');
    UPDATE contact SET name = 'ADA Lovelace' WHERE id = 7;`);
  await crm.backup();
  const parties = Array.from({ length: 20 }, (_, at) => `party/${at + 1}`);
  for (const text of ["张", "张伟", "伟有", "公司"]) assert.deepEqual(await handles(crm, text), parties, text);
  assert.deepEqual(await handles(crm, "张伟 C13"), ["party/13"]);
  assert.deepEqual(await handles(crm, "fa1007"), ["invoice/7"]);
  assert.deepEqual(await handles(crm, "Ada c7@EXAMPLE.org"), ["contact/7"]);
  for (const text of ["müller", "MÜLLER", "ller & s", '"gmbh"', "\\ co", "\\"]) {
    assert.deepEqual(await handles(crm, text), ["party/21"], text);
  }
  for (const text of ["école", "иванов", "É"]) assert.deepEqual(await handles(crm, text), ["party/22"], text);
  assert.deepEqual(await handles(crm, "合同"), ["/files/attachments/2026/合同.txt"]);
  assert.deepEqual(await handles(crm, "notes", { only: ["files"] }), ["/files/attachments/notes"]);
  assert.deepEqual(await handles(crm, "nowhere to be found"), []);
  assert.deepEqual(await handles(crm, "张伟", { only: ["invoice"] }), []);
  const [first] = await hits(crm, "fa1007");
  assert.deepEqual(first, {
    type: "record",
    database: "main",
    table: "invoice",
    entity: "invoice",
    handle: "invoice/7",
    title: "FA1007",
    fields: [{ column: "ref", value: "FA1007" }],
  });
  const flagged = (await hits(crm, "C20")).find((hit) => hit.type === "record");
  assert.equal(flagged?.type === "record" && flagged.deleted, true);
  await crm.change("UPDATE party SET name = 'Neu' WHERE id = 1");
  assert.deepEqual(await handles(crm, "neu", { point: { kind: "live" } }), ["party/1"]);
  assert.deepEqual(await handles(crm, "neu"), []);
  const nobody = handles(crm, "x", { only: ["nobody"] });
  await assert.rejects(nobody, (error) => isHoldfastError(error, "nothing-matched"));
  await assert.rejects(handles(crm, "  "), (error) => isHoldfastError(error, "usage"));
});

test("what was deleted since is found in whatever form the times of the backups are written", async () => {
  using folder = temporaryFolder();
  const crm = await lookCrm(folder.path);
  const second = Math.floor(Date.now() / 1000) * 1000;
  const at = (ms: number) => Object.assign(crm.run, { now: () => new Date(second + ms) });
  at(0);
  await crm.backup();
  // It writes `:00Z` for what was `:00.000Z`.
  await resticOn(crm.access.location, crm.access.password).output("tag", "--add", "audited", "latest");
  await crm.change("DELETE FROM note WHERE id = 10");
  at(500);
  await crm.backup();
  const found = await hits(crm, "note", { state: "deleted" });
  assert.deepEqual(
    found.map((hit) => hit.type === "record" && hit.handle),
    ["note/10"],
  );
});

test("what was deleted since is found, with the point that is the first without it", async () => {
  using folder = temporaryFolder();
  const crm = await lookCrm(folder.path);
  await crm.backup();
  await crm.change("DELETE FROM note WHERE id IN (9, 10); UPDATE party SET deleted = 1 WHERE id = 4");
  const second = await crm.backup();
  await crm.change("INSERT INTO note (id, body) VALUES (9, 'Note 9')");
  await crm.backup("full");
  const deleted = async (text: string, more?: Partial<SearchInput>) =>
    (await hits(crm, text, { state: "deleted", ...more })).map((hit) =>
      hit.type === "record" ? [hit.handle, hit.deletedSince?.snapshot] : [],
    );
  assert.deepEqual(await deleted("Note"), [["note/10", second.snapshot]]);
  assert.deepEqual(await deleted("张伟"), [["party/4", second.snapshot]]);
  assert.deepEqual(await deleted("note", { point: { kind: "id", prefix: second.snapshot } }), [
    ["note/9", second.snapshot],
    ["note/10", second.snapshot],
  ]);
  await crm.change("DELETE FROM contact WHERE id = 40");
  assert.deepEqual(await deleted("c40@", { point: { kind: "live" } }), [["contact/40", undefined]]);
  assert.deepEqual(await deleted("c40@"), []);
});
