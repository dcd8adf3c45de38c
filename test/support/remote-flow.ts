import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Storage } from "../../src/storage/storage.ts";
import { buildCrm } from "../../demo/build-crm.ts";
import { cheapenKeysIn } from "./cheap-key.ts";
import { assertSameTrees } from "./compare-trees.ts";
import { holdfast } from "./holdfast.ts";
import { type ResticAccess, resticOn } from "./restic.ts";
import { temporaryFolder } from "./temp-folder.ts";

const password = "a password";

export interface RemotePlace {
  /** Of a repository of this name, as Holdfast takes it. */
  location(name: string): string;
  /** The same for this process. */
  storageAt(location: string): Storage;
  /** As restic 0.14 takes it. */
  resticLocation(name: string): string;
  readonly resticAccess?: ResticAccess;
  /** The whole environment of Holdfast, with the login. */
  environment(home: string): Readonly<Record<string, string>>;
}

/**
 * A CRM's life on a storage elsewhere, through the command line: backups, verify, forget and prune, a restore; and
 * restic with its own client as the judge of what we wrote, and as the writer of what we read.
 */
export async function remoteFlow(place: RemotePlace): Promise<void> {
  using folder = temporaryFolder();
  const crm = join(folder.path, "crm");
  buildCrm(crm);
  const env = place.environment(folder.path);
  writeFileSync(join(folder.path, "password.txt"), `${password}\n`, { mode: 0o600 });
  const run = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await holdfast(args, { cwd: crm, env });
    assert.ok(code === 0 || code === 3, `${args.join(" ")} ended with ${code}\n${stdout}${stderr}`);
    return stdout;
  };
  await run("init", "--yes", "--repository", place.location("acme"), "--password-file", "../password.txt");
  await using storage = place.storageAt(place.location("acme"));
  await cheapenKeysIn(storage, password);
  await run("backup");
  assert.match(await run("kit"), /login that is not on this page/);
  {
    using database = new DatabaseSync(join(crm, "crm.db"));
    database.exec("UPDATE contacts SET phone = '+86 10 0000' WHERE id % 40 = 0; DELETE FROM notes WHERE id < 50");
    // A file without a row would be a warning, and `forget` keeps the newest that has none.
    database.exec("INSERT INTO attachments (id, deal_id, title, path, size) VALUES (9999, 1, 'new', 'new.txt', 4)");
  }
  writeFileSync(join(crm, "attachments/new.txt"), "new\n");
  await run("backup", "incremental");
  await run("backup", "differential");
  await run("verify", "--read-data");
  const restic = resticOn(place.resticLocation("acme"), password, place.resticAccess);
  await restic.check();

  await run("forget", "--keep-last", "1", "--prune", "--now");
  // The newest, and the newest without warnings where that is another.
  const kept = await restic.snapshots();
  assert.ok(kept.length < 3);
  const newest = kept.at(-1)?.id ?? "";
  await restic.check();
  const target = join(folder.path, "restored");
  const planned = await run("restore", "plan", newest, "--target", target, "--as", "replacement");
  await run("restore", "apply", /restore apply (\S+)/.exec(planned)?.[1] ?? "");
  assertSameTrees(join(target, "attachments"), join(crm, "attachments"), ["root"]);
  assert.deepEqual(rowsOf(join(target, "crm.db")), rowsOf(join(crm, "crm.db")));

  const theirs = join(folder.path, "by-restic");
  await restic.restore(newest, theirs);
  assertSameTrees(join(theirs, "crm/files/attachments"), join(crm, "attachments"), ["root"]);
  // What restic wrote there: into ours, and in a repository of its own.
  await restic.output("backup", join(crm, "attachments"));
  await run("verify", "--read-data");
  const own = resticOn(place.resticLocation("by-restic"), password, place.resticAccess);
  await own.output("init");
  await own.output("backup", join(crm, "attachments"));
  const [{ id } = { id: "" }] = await own.snapshots();
  const there = ["--repository", place.location("by-restic")];
  assert.equal(await run(...there, "browse", id, `${crm}/attachments/new.txt`), "new\n");
  await run(...there, "verify", "--read-data");
}

function rowsOf(path: string): unknown {
  using database = new DatabaseSync(path, { readOnly: true });
  return database.prepare("SELECT count(*), sum(id), max(phone) FROM contacts").get();
}
