import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { commandGroups } from "../../src/cli/commands.ts";
import { parseArguments } from "../../src/cli/program.ts";
import { languages, loadWords } from "../../src/words/words.ts";
import { displayWidth } from "../../src/words/width.ts";
import { configText, cliCrm, listIn } from "./cli-crm.ts";

test("help, version and completion speak on standard output and end well", async () => {
  using crm = cliCrm();
  for (const [args, expected] of [
    [["--version"], /^\d+\.\d+\.\d+\n$/],
    [["--help"], /backup .*restore /s],
    [["restore", "plan", "--help"], /--update-changed .*--remove-newer .*Global options:/s],
    // Of a group its commands, and nothing that goes for every command before them.
    [["restore", "--help"], /Options:\n  -h, --help +show this help\n\nCommands:\n  plan /],
    [["jobs", "start", "--help"], /job +what is to be done \(backup, .*restore\)/],
    [["completion", "bash"], /complete -o default -F _holdfast holdfast/],
  ] as const) {
    const ended = await crm.run(args);
    assert.equal(ended.code, 0, args.join(" "));
    assert.match(ended.stdout, expected);
    assert.equal(ended.stderr, "");
  }
});

test("completion knows every option that the help knows for all commands", async () => {
  using crm = cliCrm();
  const help = (await crm.run(["--help"])).stdout;
  for (const shell of ["bash", "zsh", "fish"]) {
    const script = (await crm.run(["completion", shell])).stdout;
    const flags = [...help.matchAll(/^  (?:-\w, )?(--[a-z-]+)/gm)].map(([, flag = ""]) => flag);
    assert.ok(flags.length > 10);
    for (const flag of flags)
      assert.ok(script.includes(` ${flag}`) || script.includes(`'${flag}`), `${shell}: ${flag}`);
  }
});

test("a misspelt command, option or value is refused with what was meant", async () => {
  using crm = cliCrm();
  for (const [args, expected] of [
    [["bakcup"], /no command bakcup\. Did you mean backup\?\n.*`holdfast --help`/],
    [["backup", "--dryrun"], /no option --dryrun\. Did you mean --dry-run\?\n.*`holdfast backup --help`/],
    [["backup", "fulll"], /kind cannot be fulll.*\. Did you mean full\?/],
    [["restore"], /A command is missing; there is: plan, apply, run, undo\.\n.*`holdfast restore --help`/],
    [["restore", "apply"], /plan is missing.*\n.*`holdfast restore apply --help`/],
    [["backup", "--wait", "soon"], /soon is no length of time/],
    [["restore", "plan", "--as", "clone"], /--target/],
    [["restore", "plan", "--undo-in", "cms"], /--undo-between/],
    [["--lang", "fr", "snapshots"], /cannot be fr; it can be en, zh-CN/],
  ] as const) {
    const ended = await crm.run(args);
    assert.equal(ended.code, 2, args.join(" "));
    assert.match(ended.stderr, expected);
    assert.match(ended.stderr, /^Error: .+\nHint: .+\n$/, args.join(" "));
    assert.equal(ended.stdout, "");
  }
});

test("an option that a job does not take is refused, and nothing is started", async () => {
  using crm = cliCrm();
  for (const [job, option, value] of [
    ["backup", "--confirm", "acme"],
    ["backup", "--plan", "p1"],
    ["verify", "--kind", "full"],
    ["verify", "--confirm", "acme"],
    ["restore", "--kind", "full"],
  ] as const) {
    const ended = await crm.run(["jobs", "start", job, option, value]);
    assert.deepEqual([ended.code, ended.stdout], [2, ""], `${job} ${option}`);
    assert.ok(ended.stderr.includes(option) && ended.stderr.includes(job), ended.stderr);
  }
  assert.match((await crm.run(["jobs", "list"])).stdout, /has not run any job/);
});

test("help keeps to eighty columns, in Chinese too", async () => {
  for (const language of languages) {
    const words = await loadWords(language);
    let printed = "";
    const print = (text: string): void => void (printed += text);
    const names = commandGroups.flatMap(({ commands }) => commands.map(({ name }) => name.split(" ")));
    for (const typed of [[], ...names]) {
      const options = { groups: commandGroups, words, version: "0", print, talk: print, columns: 80 };
      parseArguments([...typed, "--help"], options);
    }
    const long = printed.split("\n").filter((line) => displayWidth(line) > 80);
    assert.deepEqual(long, []);
  }
});

test("who types no command at all is shown what there is, and nothing was done", async () => {
  using crm = cliCrm();
  const ended = await crm.run([]);
  assert.deepEqual([ended.code, ended.stdout], [2, ""]);
  assert.match(ended.stderr, /^Usage: .*Get it back:\n {2}restore .*\nError: A command is missing\.\nHint: .+\n$/s);
  const json = await crm.json([]);
  assert.deepEqual([json.records.length, json.records[0]?.["code"]], [1, "usage"]);
});

test("zh stands for zh-CN", async () => {
  using crm = cliCrm();
  assert.match((await crm.run(["--lang", "zh", "--help"])).stdout, /备份/);
});

test("speaks Chinese under LANG=C, in UTF-8", async () => {
  using crm = cliCrm();
  const help = await crm.run(["--lang", "zh-CN", "--help"]);
  assert.match(help.stdout, /^用法：/);
  assert.match(help.stdout, /备份 CRM：数据库、文件和配置成为一个恢复点/);
  const columns = help.stdout
    .split("\n")
    .filter((line) => /^ {2}-/.test(line))
    .map((line) => {
      const at = line.search(/\p{Script=Han}|holdfast\.yaml/u);
      return displayWidth(line.slice(0, at));
    });
  assert.equal(new Set(columns.filter((column) => column > 20)).size, 1);
  const refused = await crm.run(["--lang", "zh-CN", "snapshots"]);
  assert.equal(refused.code, 10);
  assert.match(refused.stderr, /^错误：.+没有仓库。\n提示：.+\n$/);
});

test("--quiet, for cron: what went well prints nothing, what did not prints all of it", async () => {
  using crm = cliCrm();
  await crm.run(["init"]);
  for (const args of [["backup"], ["verify"], ["forget", "--keep-last", "1", "--prune"], ["prune"]]) {
    const ended = await crm.run([...args, "--quiet"]);
    assert.deepEqual([ended.code, ended.stdout, ended.stderr], [0, "", ""], args.join(" "));
  }
  assert.match((await crm.run(["prune", "--dry-run", "--quiet"])).stdout, /In the repository/);
  assert.match((await crm.run(["snapshots", "--quiet"])).stdout, /latest/);
  rmSync(join(crm.folder, "attachments"), { recursive: true });
  const warned = await crm.run(["backup", "--quiet"]);
  assert.equal(warned.code, 3);
  assert.match(warned.stdout, /^Backup of acme, incremental: warning\n.*attachments/s);
});

test("takes the language of the configuration, also when the configuration is wrong", async () => {
  using crm = cliCrm();
  writeFileSync(crm.config, `${configText.replace("files:", "fils:")}language: zh-CN\n`);
  const ended = await crm.run(["snapshots"]);
  assert.equal(ended.code, 2);
  assert.match(ended.stderr, /holdfast\.yaml:5:3：没有 fils 这个键；是否想写 files？/);
});

test("a configuration with mistakes: line, column and what was meant, for all of them", async () => {
  using crm = cliCrm();
  writeFileSync(crm.config, configText.replace("location:", "locaton:").replace("timezone: Asia", "timezone: Aisa"));
  const backup = await crm.run(["backup"]);
  assert.equal(backup.code, 2);
  assert.match(backup.stderr, /holdfast\.yaml:7:3: there is no key locaton; did you mean location\?/);
  const validate = await crm.run(["config", "validate"]);
  assert.equal(validate.code, 2);
  assert.match(validate.stdout, /:7:3: .*location.*\n.*:9:11: .*did you mean Asia\/Shanghai\?/);
  const json = await crm.json(["config", "validate"]);
  assert.equal(json.records[0]?.["valid"], false);
  assert.deepEqual(
    listIn(json, "problems").map((problem) => [problem["line"], problem["column"]]),
    [
      [7, 3],
      [9, 11],
    ],
  );
});

test("a valid configuration, and its schema", async () => {
  using crm = cliCrm();
  const valid = await crm.run(["config", "validate"]);
  assert.deepEqual([valid.code, valid.stderr], [0, ""]);
  assert.match(valid.stdout, /^holdfast\.yaml is valid: 1 CRM, repository \/.*\/backups\.\n$/);
  const schema = await crm.run(["config", "schema"]);
  assert.equal((JSON.parse(schema.stdout) as { title: string }).title, "holdfast.yaml");
});

test("without a configuration, says where one is looked for", async () => {
  using crm = cliCrm();
  const ended = await crm.run(["snapshots"], { folder: `${crm.folder}/attachments` });
  assert.equal(ended.code, 2);
  assert.match(
    ended.stderr,
    /Cannot read the configuration \/.*holdfast\.yaml; it is not at \/.*holdfast\.yaml either/,
  );
  assert.match(ended.stderr, /holdfast init/);
});
