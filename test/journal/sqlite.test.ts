import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { sqliteEngine } from "../../src/database/sqlite/sqlite.ts";
import { isHoldfastError } from "../../src/lib/errors.ts";
import { following } from "../support/following.ts";
import { hashOfLive, hashOfPoint } from "../support/live-hash.ts";
import { momentOf, withPoint } from "../support/open-moment.ts";
import { exact, smallCrm } from "../support/small-crm.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

for (const mode of ["wal", "delete"] as const) {
  test(`moments between two backups of a SQLite database in mode ${mode}`, async () => {
    using folder = temporaryFolder();
    const crm = await smallCrm(folder.path);
    crm.sql(`PRAGMA journal_mode=${mode}`);
    const url = `sqlite:${crm.database}`;
    await using followed = following(crm);
    await followed.event((event) => event.type === "note" && event.code === "follow-gap");
    await crm.backup();
    const states: { time: string; hash: string }[] = [];
    for (const statement of [
      "UPDATE contact SET name = 'tab' || char(9) || name WHERE id % 100 = 0",
      "DELETE FROM contact WHERE id % 50 = 7; INSERT INTO contact VALUES (9000, 'new', 1e300), (9001, 'two', NULL)",
      "UPDATE contact SET id = id + 100000 WHERE id < 20",
      "DELETE FROM contact",
    ]) {
      await wait(50);
      crm.sql(`PRAGMA foreign_keys=OFF; ${statement}`);
      const hash = await hashOfLive(sqliteEngine, url);
      // A difference is of the time when it is looked, so the state is that of the moments after that.
      await followed.durable(new Date(Date.now() + 1000).toISOString());
      states.push({ time: new Date().toISOString(), hash });
    }
    crm.sql("INSERT INTO contact VALUES (1, 'last', 1)");
    await followed.durable(new Date(Date.now() + 1000).toISOString());
    await followed.end();
    for (const state of states) assert.equal(await withPoint(crm, momentOf(state), hashOfPoint), state.hash);
    const [, second] = states;
    assert.ok(second);
    await crm.apply(await crm.plan({ point: momentOf(second), scope: { kind: "database" }, switches: exact }));
    assert.equal(await hashOfLive(sqliteEngine, url), second.hash);

    // Nobody looked: that is a gap, which ends with the next backup.
    const unseen = new Date();
    await wait(20);
    crm.sql("PRAGMA foreign_keys=OFF; DELETE FROM contact WHERE id > 100");
    await using again = following(crm);
    await again.event((event) => event.type === "note" && event.code === "follow-gap");
    await crm.backup();
    await again.durable(new Date(Date.now() + 1000).toISOString());
    await again.end();
    await assert.rejects(withPoint(crm, { kind: "moment", time: unseen }, hashOfPoint), (error) =>
      isHoldfastError(error, "moment-unreachable"),
    );
  });
}
