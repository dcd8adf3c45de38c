import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { custom } from "../../src/crm/custom.ts";
import { backup } from "../../src/engine/backup.ts";
import { following } from "../support/following.ts";
import { momentOf } from "../support/open-moment.ts";
import { limits, smallCrm } from "../support/small-crm.ts";
import { gapsOf } from "../support/survival.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

test("a database that came to the CRM while it was followed is as of the backup at a moment, and that is said", async () => {
  using folder = temporaryFolder();
  const crm = await smallCrm(folder.path);
  const other = join(crm.folder, "cms.db");
  const write = (statements: string): void => {
    using connection = new DatabaseSync(other);
    connection.exec(statements);
  };
  write("CREATE TABLE page (id INTEGER PRIMARY KEY, title TEXT); INSERT INTO page VALUES (1, 'as of the backup')");
  await using followed = following(crm);
  await followed.event((event) => event.type === "note" && event.code === "follow-gap");
  const databases = [
    { name: "main", url: `sqlite:${crm.database}` },
    { name: "cms", url: `sqlite:${other}` },
  ];
  const platform = {
    ...custom,
    parts: async (...asked: Parameters<typeof custom.parts>) => ({ ...(await custom.parts(...asked)), databases }),
  };
  const both = { ...crm.engine, platforms: [platform] };
  const { run } = crm;
  const input = { crm: crm.description, configFile: crm.configFile, repository: crm.access, limits, waitMs: 0 };
  await backup(both, { ...input, inconsistencies: "warn" }, run);
  write("UPDATE page SET title = 'later'");
  crm.sql("UPDATE contact SET name = 'later' WHERE id = 1");
  await followed.durable(new Date(Date.now() + 1000).toISOString());
  const moment = momentOf({ time: new Date().toISOString() });
  crm.sql("UPDATE contact SET name = 'last' WHERE id = 1");
  await followed.durable(new Date(Date.now() + 1000).toISOString());
  await followed.end();
  assert.deepEqual(gapsOf(followed.events), []);

  const plan = await crm.plan({ point: moment, scope: { kind: "database" } });
  const base = await crm.plan({ point: { kind: "id", prefix: plan.snapshot.id }, scope: { kind: "database" } });
  assert.deepEqual(plan.warnings, [
    { code: "outside-journal", subject: "log", detail: "no-identity" },
    { code: "database-unfollowed", subject: "cms", detail: base.snapshot.time },
  ]);
  await crm.apply(plan);
  assert.deepEqual(crm.rows("SELECT name FROM contact WHERE id = 1"), [{ __proto__: null, name: "later" }]);
  using restored = new DatabaseSync(other, { readOnly: true });
  assert.equal(restored.prepare("SELECT title FROM page").get()?.["title"], "as of the backup");
});
