import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as path from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../../test/support/temp-folder.ts";
import { nameFromText } from "../../lib/byte-name.ts";
import { predictFolder } from "./predict-folder.ts";

test("counts what would be read, without reading", async () => {
  using temporary = temporaryFolder();
  const { signal } = new AbortController();
  for (const [name, size] of [
    ["a/1", 10],
    ["a/b/2", 20],
    ["cache/3", 40],
    ["4", 80],
  ] as const) {
    fs.mkdirSync(path.dirname(path.join(temporary.path, name)), { recursive: true });
    fs.writeFileSync(path.join(temporary.path, name), Buffer.alloc(size));
  }
  const input = { path: nameFromText(temporary.path), excludes: ["cache/"], signal };
  const told: string[] = [];
  assert.deepEqual(await predictFolder({ ...input, onEntry: (place) => void told.push(path.basename(place)) }), {
    files: 3,
    bytes: 110,
    filesToRead: 3,
    bytesToRead: 110,
    unreadable: 0,
  });
  assert.deepEqual(told, ["4", "a", "1", "b", "2"]);
  const later = await predictFolder({ ...input, changedSince: new Date(Date.now() + 60_000) });
  assert.deepEqual([later.files, later.filesToRead, later.bytesToRead], [3, 0, 0]);
  const before = await predictFolder({ ...input, changedSince: new Date(Date.now() - 60_000) });
  assert.deepEqual([before.filesToRead, before.bytesToRead], [3, 110]);
  await assert.rejects(predictFolder({ ...input, signal: AbortSignal.abort(new Error("enough")) }), {
    message: "enough",
  });
});
