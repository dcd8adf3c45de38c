import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { history } from "../../src/engine/history.ts";
import { listTransactions } from "../../src/engine/transactions.ts";
import { planUndo } from "../../src/engine/undo-cause.ts";
import { following } from "../support/following.ts";
import { smallCrm } from "../support/small-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

test("transactions of a server whose clock is a day ahead are listed, told of a record, and taken back", async () => {
  using folder = temporaryFolder();
  // The database is of this machine, so the clock that is wrong is that of whoever stores its journal.
  const crm = await smallCrm(folder.path, undefined, () => new Date(Date.now() - 30 * 3_600_000));
  await using followed = following(crm);
  await followed.event((event) => event.type === "note" && event.code === "follow-gap");
  await crm.backup();
  for (const name of ["first", "second"]) {
    const since = new Date();
    await wait(20);
    crm.sql(`UPDATE contact SET name = '${name}' WHERE id = 1`);
    await followed.durable(new Date(since.getTime() + 2000).toISOString());
  }
  await followed.end();
  const input = { repository: crm.access };
  const { transactions } = await listTransactions(
    crm.engine,
    { ...input, around: new Date(), withinMs: 600_000, most: 10 },
    crm.run,
  );
  assert.deepEqual(
    transactions.map(({ rows }) => rows),
    [1, 1],
  );
  const { versions } = await history(crm.engine, { ...input, record: "contact/1", live: "without" }, crm.run);
  assert.equal(versions.length, 3);
  const { transaction = "", time = "" } = transactions[1] ?? {};
  const cause = { kind: "transaction", transaction, around: new Date(time) } as const;
  await crm.apply(await planUndo(crm.engine, { ...input, cause }, crm.run));
  assert.equal(crm.rows("SELECT name FROM contact WHERE id = 1")[0]?.["name" as never], "first");
});
