import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../../test/support/temp-folder.ts";
import { mostFileBytes } from "../crm/crm-files.ts";
import { placedFiles } from "./point-files.ts";

test("files of a CRM are read inside of its folder alone, and large ones are as if they were not there", async () => {
  using root = temporaryFolder();
  const program = join(root.path, "crm");
  mkdirSync(join(program, "languages/de_de"), { recursive: true });
  writeFileSync(join(program, "languages/de_de/Accounts.php"), "words");
  writeFileSync(join(program, "large.php"), Buffer.alloc(mostFileBytes + 1, "x"));
  writeFileSync(join(root.path, "secret.php"), "not theirs");
  const files = placedFiles({
    config: [{ name: "config.php", path: join(program, "large.php") }],
    folders: [{ name: "program", path: program }],
  });
  const read = async (...paths: readonly string[]) =>
    Promise.all(paths.map(async (path) => files.file("program", path)));
  assert.deepEqual(await read("languages/de_de/Accounts.php", "languages//de_de/Accounts.php", "languages"), [
    "words",
    undefined,
    undefined,
  ]);
  assert.deepEqual(
    await read("../secret.php", "languages/../../secret.php", `/${root.path}/secret.php`, "secret.php\0", "large.php"),
    Array.from({ length: 5 }, () => undefined),
  );
  assert.equal(await files.file("upload", "secret.php"), undefined);
  assert.equal(await files.config("config.php"), undefined);
  assert.deepEqual(await files.names("program", "languages"), ["de_de"]);
  assert.deepEqual(await files.names("program", ".."), []);
  assert.deepEqual(await files.names("program", "none"), []);
});
