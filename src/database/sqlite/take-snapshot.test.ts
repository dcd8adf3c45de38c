import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test, type TestContext } from "node:test";

import { takeSnapshot } from "./take-snapshot.ts";

const { signal } = new AbortController();

function makeDatabase(context: TestContext): { path: string; commit: () => void } {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-test-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "crm.db");
  const writer = new DatabaseSync(path);
  context.after(() => writer.close());
  writer.exec("PRAGMA journal_mode=wal; CREATE TABLE note(id INTEGER PRIMARY KEY, text TEXT)");
  return { path, commit: () => writer.exec("INSERT INTO note(text) VALUES('x')") };
}

/** Takes a snapshot with a partner, beside whose beginnings something happens: how often it began, and how it ended. */
async function takeWith(
  path: string,
  beside: (begun: number) => void,
): Promise<{ begun: number; together: boolean[] }> {
  let begun = 0;
  const together: boolean[] = [];
  await using snapshot = await takeSnapshot(`sqlite:${path}`, path, signal, {
    begin: async () => {
      beside(++begun);
      return true;
    },
    settle: (is) => together.push(is),
  });
  assert.equal(snapshot.together, together[0]);
  return { begun, together };
}

test("a partner begins again until nobody commits between the two", async (context) => {
  const { path, commit } = makeDatabase(context);
  const taken = await takeWith(path, (begun) => {
    if (begun < 3) commit();
  });
  assert.deepEqual(taken, { begun: 3, together: [true] });
});

test("where somebody commits each time, one reads alone", async (context) => {
  const { path, commit } = makeDatabase(context);
  const { begun, together } = await takeWith(path, commit);
  assert.ok(begun > 1);
  assert.deepEqual(together, [false]);
});

test("where another file comes to the place, one reads alone", async (context) => {
  const { path } = makeDatabase(context);
  copyFileSync(path, `${path}.other`);
  const taken = await takeWith(path, () => renameSync(`${path}.other`, path));
  assert.deepEqual(taken, { begun: 1, together: [false] });
});
