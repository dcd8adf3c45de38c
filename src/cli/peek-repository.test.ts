import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { loadConfig } from "../config/load.ts";
import { commands } from "./commands.ts";
import { openingCommands, peekRepository } from "./peek-repository.ts";

const folder = mkdtempSync(join(tmpdir(), "holdfast-peek-"));
after(() => rmSync(folder, { recursive: true, force: true }));
writeFileSync(join(folder, "password.txt"), "secret\n", { mode: 0o600 });

function peek(repository: string, typed: readonly string[] = ["backup"], environment = {}) {
  writeFileSync(join(folder, "holdfast.yaml"), `crm:\n  name: acme\n  database: sqlite:crm.db\n${repository}`);
  const { signal } = new AbortController();
  const decodePassword = async (bytes: Buffer) => bytes.toString().trimEnd();
  return peekRepository(typed, { environment, folder, signal, decodePassword });
}

const found = { location: join(folder, "backups"), password: "secret" };

test("what is peeked is what the configuration says, however it is written", async () => {
  const forms = [
    "repository:\n  location: ./backups\n  password: file:./password.txt\n",
    "repository: # here\n\n    password: 'file:./password.txt' # mode 0600\n    location:   \"backups\"",
    "repository:\n  location: backups # not far\n  password: file:password.txt\nlanguage: en\n",
  ];
  for (const form of forms) {
    assert.deepEqual(await peek(form), found, form);
    assert.equal((await loadConfig(join(folder, "holdfast.yaml"))).repository.location, found.location);
  }
});

test("flags and the environment come before it", async () => {
  const other = "repository:\n  location: ./other\n  password: env:NONE\n";
  const flags = ["--repository", "backups", "backup", "--password-file=password.txt"];
  assert.deepEqual(await peek(other, flags), found);
  const environment = { HOLDFAST_REPOSITORY: "backups", HOLDFAST_PASSWORD_FILE: "password.txt" };
  assert.deepEqual(await peek(other, ["backup"], environment), found);
});

test("of a repository elsewhere, too, unless nothing that is kept here is to be used", async () => {
  const elsewhere = "repository:\n  location: s3:server/bucket\n  password: file:./password.txt\n";
  assert.deepEqual(await peek(elsewhere), { location: "s3:server/bucket", password: "secret" });
  assert.equal(await peek(elsewhere, ["backup", "--no-cache"]), undefined);
});

test("nothing is guessed from what one line does not say, nor what is asked for, or given once", async () => {
  const password = "  password: file:./password.txt\n";
  const location = "  location: ./backups\n";
  const refused = [
    `repository: { location: ./backups, password: "file:./password.txt" }\n`,
    `repository:\n  location: >\n    ./backups\n${password}`,
    `repository:\n  location: "back\\x75ps"\n${password}`,
    `repository:\n${location}  password: cmd:cat password.txt\n`,
    `repository:\n${location}  password: file:/dev/null\n`,
    `repository:\n${location}  password: file:./missing\n`,
    `repository:\n${location}  password: secret\n`,
    `copies:\n${location}${password}`,
  ];
  for (const form of refused) assert.equal(await peek(form), undefined, form);
  const written = `repository:\n${location}${password}`;
  for (const typed of [["init"], ["config", "validate"], ["restore", "undo"], ["--help"]]) {
    assert.equal(await peek(written, typed), undefined, typed.join(" "));
  }
});

test("the commands that open the repository are commands", () => {
  const names = new Set(commands.map(({ name }) => name.split(" ").at(-1)));
  for (const name of openingCommands) assert.ok(names.has(name), name);
});
