import assert from "node:assert/strict";
import { test } from "node:test";
import { listUndoable, undoRestore } from "../../src/engine/undo.ts";
import { exact, missingOnly, smallCrm } from "../support/small-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

test("records that are put back leave the undo of a whole restore alone, and can all be taken back", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  await crm.backup();
  crm.sql("UPDATE contact SET name = 'before the restore'");
  const whole = await crm.apply(await crm.plan({ scope: { kind: "database" }, switches: exact }));
  const undos: (string | undefined)[] = [];
  for (const id of [11, 12, 13, 14, 15]) {
    crm.sql(`DELETE FROM contact WHERE id = ${id}`);
    const selection = {
      keys: [],
      handles: [`contact/${id}`],
      compared: [],
      in: [],
      related: "none",
      renames: [],
    } as const;
    const report = await crm.apply(await crm.plan({ scope: { kind: "records", selection }, switches: missingOnly }));
    undos.push(report.undo);
  }
  const offered = (await listUndoable(crm.engine)).map(({ id }) => id);
  assert.deepEqual(offered, [...undos.toReversed(), whole.undo]);
  const undo = (id: string | undefined) =>
    undoRestore(crm.engine, { ...(id !== undefined && { id }), password: crm.access.password }, crm.run);
  assert.equal((await undo(undos[0])).rows, 1);
  assert.deepEqual(crm.rows("SELECT id FROM contact WHERE id BETWEEN 11 AND 12").length, 1);
  await undo(whole.undo);
  assert.deepEqual(Object.values(crm.rows("SELECT DISTINCT name FROM contact")[0] ?? {}), ["before the restore"]);
});
