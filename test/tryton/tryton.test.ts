import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { DatabaseSync } from "node:sqlite";
import { folderContent } from "../../demo/compare.ts";
import { type Answer, answerOf } from "./answer-of.ts";
import { resticOn } from "../support/restic.ts";
import { temporaryFolder } from "../support/temp-folder.ts";
import { askTryton, makeTrytonCrm, trytonCrmIn } from "./tryton-crm.ts";
import { startTryton } from "./tryton-server.ts";
import { startWriter } from "./tryton-writer.ts";

test("Tryton, backed up while it is written to, destroyed, and restored elsewhere, is as it was", async (context) => {
  using folder = temporaryFolder();
  const crm = await makeTrytonCrm(join(folder.path, "live"));
  const state = join(folder.path, "state");
  const run = (type: string, args: readonly string[], cwd = crm.folder) => answerOf(type, args, cwd, state);
  const place = ["--repository", "../backups", "--password-file", "../password.txt"];
  await run("init", ["init", "--yes", ...place]);
  assert.match(readFileSync(join(crm.folder, "holdfast.yaml"), "utf8"), /platform: tryton/);

  await using writer = startWriter(crm, join(folder.path, "writer.log"));
  await writer.reached(3);
  const snapshots: { readonly id: string; readonly from: number; readonly to: number }[] = [];
  for (const kind of ["full", "incremental", "differential", "incremental"]) {
    const from = writer.lines().length - 1;
    const report = await run("backup", ["backup", kind]);
    snapshots.push({ id: String(report["snapshot"]), from, to: writer.lines().length });
    assert.equal(report["outcome"], "ok", JSON.stringify(report["warnings"]));
    await writer.reached(writer.lines().length + 3);
  }
  await writer.stop();
  const lines = writer.lines();
  context.diagnostic(`${lines.length - 1} operations; the longest took ${Math.max(...lines.map(({ ms }) => ms))} ms`);
  rmSync(crm.folder, { recursive: true });

  const access = ["--repository", "./backups", "--password-file", "./password.txt"];
  // The full one is the base of all that are restored here.
  for (const { id, from, to } of snapshots.slice(1)) {
    const target = join(folder.path, `restored-${id.slice(0, 8)}`);
    const plan = await run(
      "restore-plan",
      ["restore", "plan", ...access, id, "--system", "--target", target, "--as", "replacement"],
      folder.path,
    );
    await run("restore", ["restore", "apply", ...access, String(plan["id"])], folder.path);
    const answer = await askTryton(trytonCrmIn(target));
    // All operations up to one that was the last while the backup ran, none after it, and each attachment has its file.
    assert.ok(answer.operation >= from && answer.operation <= to, `${answer.operation} is not in ${from}…${to}`);
    assert.deepEqual(answer.models, lines[answer.operation]?.models);
    assert.deepEqual(answer.withoutFile, []);
    assert.equal(answer.sessions, 0);
    assert.equal(answer.mail, "smtp://mail.example.org:25", "a replacement is not neutralised");
    assert.equal(answer.activeJobs.length, 4);
  }

  const newest = snapshots.at(-1)?.id ?? "";
  const restored = trytonCrmIn(join(folder.path, `restored-${newest.slice(0, 8)}`));
  writeFileSync(join(restored.folder, "password"), "Holdfast-test-only-1\n");
  await using server = await startTryton(restored);
  const expected = await askTryton(restored);
  for (const [model, [count]] of Object.entries(expected.models)) {
    assert.equal(await server.call(`model.${model}.search_count`, [], {}), count);
  }
  const [first] = (await server.call(
    "model.sale.opportunity.search_read",
    [],
    0,
    1,
    [["id", "ASC"]],
    ["reference"],
    {},
  )) as [Answer];
  assert.equal(first["reference"], String(expected.operation));

  const restic = resticOn(
    join(folder.path, "backups"),
    readFileSync(join(folder.path, "password.txt"), "utf8").trimEnd(),
  );
  await restic.check();
  await restic.restore(newest, join(folder.path, "restic"));
  assert.deepEqual(folderContent(join(folder.path, "restic/crm/files/filestore")), folderContent(restored.store));
});

test("a clone of Tryton does nothing by itself and reaches nobody; anonymised, it starts, names nobody and holds together", async () => {
  using folder = temporaryFolder();
  const crm = await makeTrytonCrm(join(folder.path, "live"));
  using database = new DatabaseSync(crm.sqlite);
  database.exec(`INSERT INTO ir_queue (name, data) VALUES ('default', '{}');
    INSERT INTO ir_session (create_uid, "key") VALUES (1, 'abc'); UPDATE ir_configuration SET hostname = 'crm.example.org'`);
  database.close();
  const state = join(folder.path, "state");
  const run = (type: string, args: readonly string[]) => answerOf(type, args, crm.folder, state);
  await run("init", ["init", "--yes", "--repository", "../backups", "--password-file", "../password.txt"]);
  await run("backup", ["backup"]);
  const before = await askTryton(crm);
  const plan = await run("restore-plan", [
    "restore",
    "plan",
    "latest",
    "--system",
    "--target",
    "../clone",
    "--as",
    "clone",
  ]);
  await run("restore", ["restore", "apply", String(plan["id"])]);

  const clone = trytonCrmIn(join(folder.path, "clone"));
  const answer = await askTryton(clone);
  assert.deepEqual(answer.models, before.models);
  assert.deepEqual(answer.activeJobs, []);
  assert.equal(answer.queued, 0);
  assert.equal(answer.sessions, 0);
  assert.equal(answer.mail, "smtp://127.0.0.1:1");
  assert.deepEqual(await askTryton(crm), before, "the original is as it was");
  assert.equal(before.queued, 1);
  assert.equal(before.activeJobs.length, 4);

  const anonymised = await run("restore-plan", [
    ...["restore", "plan", "latest", "--system", "--target", "../training", "--as", "clone", "--anonymise"],
  ]);
  await run("restore", ["restore", "apply", String(anonymised["id"])]);
  const training = trytonCrmIn(join(folder.path, "training"));
  // Whoever is in it, and nothing else: companies are named by their numbers, modules and fields by their names.
  assert.deepEqual(columnsThatDiffer(clone.sqlite, training.sqlite), [
    ...["party_address.city", "party_address.street", "party_address__history.city", "party_address__history.street"],
    ...["party_contact_mechanism.value", "party_contact_mechanism.value_compact", "party_party.name"],
    ...["party_party__history.name", "res_user.email", "sale_opportunity.comment", "sale_opportunity__history.comment"],
  ]);
  writeFileSync(join(training.folder, "password"), readFileSync(join(crm.folder, "password")));
  await using server = await startTryton(training);
  const [parties] = before.models["party.party"] ?? [];
  assert.equal(await server.call("model.party.party.search_count", [], {}), parties);
  assert.equal(await server.call("model.party.party.search_count", [["name", "ilike", "%GmbH%"]], {}), 0);
});

/** Of rows that both have, by id. */
function columnsThatDiffer(one: string, other: string): readonly string[] {
  using database = new DatabaseSync(one, { readOnly: true });
  database.prepare("ATTACH ? AS copy").run(other);
  const differ: string[] = [];
  const tables = database.prepare("SELECT name FROM main.sqlite_schema WHERE type = 'table' ORDER BY name").all();
  for (const { name: table } of tables as { readonly name: string }[]) {
    const columns = database.prepare("SELECT name FROM pragma_table_info(?)").all(table) as { readonly name: string }[];
    const key = table.endsWith("__history") ? "__id" : "id";
    if (!columns.some(({ name }) => name === key)) continue;
    for (const { name: column } of columns) {
      const sql = `SELECT count(*) AS n FROM main."${table}" a JOIN copy."${table}" b USING ("${key}") WHERE a."${column}" IS NOT b."${column}"`;
      if (Number(database.prepare(sql).get()?.["n"]) > 0) differ.push(`${table}.${column}`);
    }
  }
  return differ.toSorted();
}
