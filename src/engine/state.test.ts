import assert from "node:assert/strict";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../test/support/temp-folder.ts";
import { isHoldfastError } from "../lib/errors.ts";
import { readState, writeState } from "./state.ts";

test("of many that write one record at the same moment each succeeds, and it is whole", async () => {
  using folder = temporaryFolder();
  const engine = { stateFolder: folder.path };
  const values = Array.from({ length: 20 }, (_, number) => String(number).repeat(1000 * number));
  await Promise.all(values.map((value) => writeState(engine, "a/record.json", value)));
  assert.ok(values.includes(String(await readState(engine, "a/record.json"))));
  assert.deepEqual(readdirSync(join(folder.path, "a")), ["record.json"]);
});

test("a record that cannot be put in its place leaves nothing beside it", async () => {
  using folder = temporaryFolder();
  mkdirSync(join(folder.path, "record.json"));
  const writing = writeState({ stateFolder: folder.path }, "record.json", 1);
  await assert.rejects(writing, (error) => isHoldfastError(error, "state-unwritable"));
  assert.deepEqual(readdirSync(folder.path), ["record.json"]);
});
