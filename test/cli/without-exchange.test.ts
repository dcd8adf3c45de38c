import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { fuseLacks, throughFuse } from "../support/fuse-folder.ts";
import { startProgram } from "../support/serving.ts";
import { cliCrm } from "./cli-crm.ts";

const lacks = await fuseLacks();

test(
  "where names cannot be exchanged, a restore is swapped in, and killed at any rename finished or taken back",
  {
    skip: lacks ?? false,
  },
  async (context) => {
    using crm = cliCrm();
    await using _through = await throughFuse(crm.folder);
    const [changed, gone] = [join(crm.folder, "attachments/notes.txt"), join(crm.folder, "attachments/合同.txt")];
    const state = (): readonly unknown[] => {
      using database = new DatabaseSync(crm.database, { readOnly: true });
      const rows = database.prepare("SELECT name FROM contacts").all();
      return [readFileSync(changed, "utf8"), existsSync(gone), rows.map((row) => row["name"])];
    };
    const damage = (): void => {
      writeFileSync(changed, "changed\n");
      rmSync(gone, { force: true });
      using database = new DatabaseSync(crm.database);
      database.exec("DELETE FROM contacts WHERE name = 'Ada'");
    };
    assert.equal((await crm.run(["init", "--yes"])).code, 0);
    assert.equal((await crm.run(["backup"])).code, 0);
    const good = state();
    damage();
    const bad = state();
    const switches = ["--update-changed"];
    let kills = 0;
    for (let at = 1; ; at++) {
      const { records } = await crm.json(["restore", "plan", "latest", "--system", ...switches]);
      const plan = String(records.find(({ type }) => type === "restore-plan")?.["id"]);
      const apply = ["restore", "apply", plan, "--confirm", "acme"];
      const running = startProgram(crm, apply, "ignore", `renameat2 ${at}`);
      await once(running.child, "close");
      if (running.child.signalCode !== "SIGKILL") {
        assert.equal(running.child.exitCode, 0);
        assert.deepEqual(state(), good);
        const undone = await crm.run(["restore", "undo"]);
        assert.deepEqual([undone.code, state()], [0, bad], undone.stderr);
        break;
      }
      kills++;
      const ended = await crm.run(at % 2 === 1 ? apply : ["restore", "undo"]);
      assert.deepEqual([ended.code, state()], [0, at % 2 === 1 ? good : bad], `${at}: ${ended.stderr}`);
      damage();
    }
    assert.ok(kills >= 6, `${kills} kills`);
    context.diagnostic(`${kills} kills`);
  },
);
