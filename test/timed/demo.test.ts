import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { demoCrmIn } from "../../demo/build-crm.ts";
import { databaseContent, folderContent } from "../../demo/compare.ts";
import { resticOn } from "../support/restic.ts";
import { runCommand } from "../support/run-command.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

/** It promises to be told in 15 s, in which two processors have so much time to give. */
const mostSeconds = 30;
const demo = join(import.meta.dirname, "../../demo/demo.ts");

/** Processor time of all that this process has started and that has ended, in seconds: `cutime` and `cstime` of proc(5), in hundredths. */
function secondsOfChildren(): number {
  const fields = readFileSync("/proc/self/stat", "latin1").split(") ").at(-1)?.split(" ") ?? [];
  return (Number(fields[13]) + Number(fields[14])) / 100;
}

async function tell(folder: string, language: string): Promise<string> {
  const before = secondsOfChildren();
  const { code, stdout, stderr } = await runCommand(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", demo, "--folder", join(folder, "demo"), "--lang", language],
    { cwd: folder, env: { ...process.env, HOLDFAST_STATE: join(folder, "state") }, timeoutMs: 600_000 },
  );
  assert.equal(code, 0, stdout + stderr);
  // How long it takes beside other work says nothing.
  const seconds = secondsOfChildren() - before;
  assert.ok(seconds > 1 && seconds < mostSeconds, `${seconds} s of processor time\n${stdout}`);
  return stdout;
}

test("the demonstration's story is true, in English, then in Chinese beside the first", async () => {
  using folder = temporaryFolder();
  const story = await tell(folder.path, "en");
  assert.equal([...story.matchAll(/✓/g)].length, 3, story);
  assert.deepEqual(
    [...story.matchAll(/\$ holdfast (backup \w+|init|restore \w+)/g)].map(([, command]) => command),
    [
      "init",
      "backup full",
      "backup incremental",
      "backup differential",
      ...["restore plan", "restore apply"],
      ...["restore plan", "restore apply"],
      ...["restore plan", "restore apply"],
    ],
  );
  const home = join(folder.path, "demo");
  const crm = demoCrmIn(join(home, "crm"));
  assert.ok(databaseContent(crm.database));
  assert.ok(folderContent(crm.attachments).size > 400);
  assert.ok(existsSync(join(home, "crm/holdfast.yaml")));

  const restic = resticOn(join(home, "backups"), readFileSync(join(home, "password.txt"), "utf8").trimEnd());
  const snapshots = await restic.snapshots();
  assert.equal(snapshots.length, 3);
  await restic.check();
  await restic.restore(snapshots.at(-1)?.id ?? "", join(folder.path, "restic"));
  assert.deepEqual(folderContent(join(folder.path, "restic/crm/files/attachments")), folderContent(crm.attachments));

  const sizes =
    /full +\(everything\) +([\d.]+) (\w+).*\n.*incremental.*? ([\d.]+) kB.*\n.*differential.*? ([\d.]+) kB/.exec(story);
  assert.equal(sizes?.[2], "MB", story);
  assert.ok(Number(sizes?.[3]) < Number(sizes?.[4]), "the differential holds the incremental's changes too");

  const chinese = await tell(folder.path, "zh-CN");
  assert.match(chinese, /三次事故/);
  assert.equal([...chinese.matchAll(/✓/g)].length, 3, chinese);
  const sentences = chinese.replaceAll(/^ *(\$|npx).*$/gm, "");
  assert.doesNotMatch(sentences, /[a-z]{4,} [a-z]{4,} [a-z]{4,}/);
  assert.ok(existsSync(join(folder.path, "demo-before/crm/crm.db")));
});
