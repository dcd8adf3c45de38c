/**
 * `npm run demo`: builds a small CRM, backs it up in three ways, breaks it in three ways, and recovers it each time with
 * the same commands that a person types; what comes back is compared with what was there.
 *
 *     node demo/demo.ts [--folder ./holdfast-demo] [--lang en|zh-CN]
 */
import { existsSync, readFileSync, renameSync, rmSync } from "node:fs";
import { basename, join, relative, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { parseArgs } from "node:util";
import { chooseLanguage } from "../src/words/language.ts";
import { padEnd, padStart } from "../src/words/width.ts";
import { buildCrm, type DemoCrm, demoSizes } from "./build-crm.ts";
import { databaseContent, folderContent, sameFolders } from "./compare.ts";
import type { Answer } from "./holdfast.ts";
import { createStory } from "./story.ts";
import { workingDay } from "./working-day.ts";

const { values } = parseArgs({
  options: { folder: { type: "string", default: "./holdfast-demo" }, lang: { type: "string" } },
});
const language = chooseLanguage([values.lang], process.env);
const home = resolve(values.folder);
const crmFolder = join(home, "crm");
const contract = "2026/05/合同 40.png";
const massUpdate = "UPDATE contacts SET email = 'info@example.com'";
const started = performance.now();

let place = home;
const story = await createStory({
  language,
  write: (text) => process.stdout.write(text),
  paint: process.stdout.isTTY && !process.env["NO_COLOR"],
  folder: () => place,
});

try {
  await tell();
} catch (error) {
  process.stderr.write(`\n${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

async function tell(): Promise<void> {
  const { words, format } = story;
  story.chapter(words.title);
  makeRoom();
  story.say(words.building, { folder: shown(crmFolder) });
  const crm = buildCrm(crmFolder);
  const { companies, contacts, deals, notes, attachments } = demoSizes;
  story.say(words.built, {
    companies: format.number(companies),
    contacts: format.number(contacts),
    deals: format.number(deals),
    notes: format.number(notes),
    attachments: format.number(attachments),
    size: format.bytes(sizeOf(crm)),
  });
  place = crmFolder;

  story.chapter(words.chapters.setUp);
  await story.run("init", ["init", "--yes", "--repository", "../backups", "--password-file", "../password.txt"]);
  story.say(words.recognised, { database: basename(crm.database), folders: `${basename(crm.attachments)}/` });

  story.chapter(words.chapters.backups);
  await threeBackups(crm);

  story.chapter(words.chapters.file);
  await recoverFile(crm);
  story.chapter(words.chapters.database);
  await recoverDatabase(crm);
  story.chapter(words.chapters.system);
  await recoverSystem(crm);

  story.chapter(format.fill(words.done, { time: format.duration(performance.now() - started) }));
  sayNext();
}

/** An earlier demonstration makes way: the one before that is removed. */
function makeRoom(): void {
  if (!existsSync(home)) return;
  if (!existsSync(join(home, "password.txt")) || !existsSync(join(home, "backups"))) {
    throw new Error(story.format.fill(story.words.problems.folder, { folder: shown(home) }));
  }
  const aside = `${home}-before`;
  rmSync(aside, { recursive: true, force: true });
  renameSync(home, aside);
  story.say(story.words.movedAside, { folder: shown(aside) });
}

async function threeBackups(crm: DemoCrm): Promise<void> {
  const { words, format } = story;
  const rows: Backup[] = [];
  story.say(words.full);
  rows.push(await backup("full"));
  story.say(words.day, { ...workingDay(crm, 1) });
  story.say(words.incremental);
  rows.push(await backup("incremental"));
  story.say(words.morning, { ...workingDay(crm, 2) });
  story.say(words.differential);
  rows.push(await backup("differential"));
  const { columns } = words;
  story.lines([
    "",
    ...table([
      [columns.kind, columns.changed, columns.size, columns.stored, columns.time],
      ...rows.map(({ kind, changed, stored, durationMs }) => [
        words.kinds[kind],
        words.since[kind],
        format.bytes(changed),
        format.bytes(stored),
        format.duration(durationMs),
      ]),
    ]),
  ]);
  story.say(words.sizes);
}

interface Backup {
  readonly kind: "full" | "incremental" | "differential";
  /** Bytes of rows and files that differ from what this kind compares with. */
  readonly changed: number;
  readonly stored: number;
  readonly durationMs: number;
}

async function backup(kind: Backup["kind"]): Promise<Backup> {
  const { answer, durationMs } = await story.run("backup", ["backup", kind]);
  const changed = kind === "differential" ? answer["sinceFullBytes"] : answer["sincePreviousBytes"];
  return { kind, changed: Number(changed), stored: Number(answer["storedBytes"]), durationMs };
}

async function recoverFile(crm: DemoCrm): Promise<void> {
  const before = folderContent(crm.attachments);
  rmSync(join(crm.attachments, contract));
  story.say(story.words.deleted, { path: `attachments/${contract}` });
  await planAndApply(["latest", `/files/attachments/${contract}`]);
  check(sameFolders(before, folderContent(crm.attachments)), contract);
  story.proved(story.words.fileBack);
}

async function recoverDatabase(crm: DemoCrm): Promise<void> {
  const { words, format } = story;
  const before = databaseContent(crm.database);
  using database = new DatabaseSync(crm.database);
  const { changes } = database.prepare(massUpdate).run();
  database.close();
  story.say(words.massUpdate, { sql: `"${massUpdate}"`, rows: format.number(changes) });
  check(before !== databaseContent(crm.database), crm.database);
  await planAndApply(["latest", "--database", "--update-changed"]);
  check(before === databaseContent(crm.database), crm.database);
  story.proved(words.databaseBack);
}

async function recoverSystem(crm: DemoCrm): Promise<void> {
  const { words, format } = story;
  const before = { rows: databaseContent(crm.database), files: folderContent(crm.attachments), config: configText() };
  rmSync(crmFolder, { recursive: true });
  place = home;
  story.say(words.gone, { folder: shown(crmFolder) });
  const access = ["--repository", "./backups", "--password-file", "./password.txt"];
  await planAndApply(["latest", "--system"], access);
  check(before.rows === databaseContent(crm.database), crm.database);
  check(sameFolders(before.files, folderContent(crm.attachments)), crm.attachments);
  check(before.config === configText(), "holdfast.yaml");
  story.proved(words.systemBack, { files: format.number(before.files.size) });
}

function configText(): string {
  return readFileSync(join(crmFolder, "holdfast.yaml"), "utf8");
}

/** Plans, says what the plan would do, and does it; a live CRM is replaced only by its name. */
async function planAndApply(what: readonly string[], access: readonly string[] = []): Promise<void> {
  const { words, format } = story;
  const plan = await story.run("restore-plan", ["restore", "plan", ...access, ...what]);
  story.say(words.planned, { counts: countsOf(plan.answer) });
  const { id, confirm } = plan.answer;
  const confirmation = typeof confirm === "string" ? ["--confirm", confirm] : [];
  const applied = await story.run("restore", ["restore", "apply", ...access, String(id), ...confirmation]);
  story.say(words.took, { time: format.duration(plan.durationMs + applied.durationMs) });
}

function countsOf(plan: Answer): string {
  const { words, format } = story;
  const counts = plan["counts"] as Readonly<Record<keyof typeof words.actions, number>>;
  const actions = Object.keys(words.actions) as (keyof typeof words.actions)[];
  return actions
    .filter((action) => counts[action] > 0)
    .map((action) => words.actions[action].replace("{n}", format.number(counts[action])))
    .join(", ");
}

function check(same: boolean, what: string): void {
  if (!same) throw new Error(story.format.fill(story.words.problems.different, { what }));
}

function sizeOf(crm: DemoCrm): number {
  const files = [...folderContent(crm.attachments).keys()].map((path) => join(crm.attachments, path));
  return [crm.database, ...files].reduce((sum, path) => sum + readFileSync(path).length, 0);
}

/** The first column as wide as its widest text, the last three to the right. */
function table(rows: readonly (readonly string[])[]): readonly string[] {
  return rows.map((row) => row.map((cell, at) => (at < 2 ? padEnd(cell, 20) : padStart(cell, 20))).join(""));
}

function sayNext(): void {
  const { steps } = story.words;
  const commands = [
    [`cd ${shown(crmFolder)}`, ""],
    ["npx holdfast snapshots", steps.snapshots],
    ["npx holdfast browse latest", steps.browse],
    ["npx holdfast browse latest /databases/main/contacts", steps.rows],
    ["npx holdfast restore undo --list", steps.undo],
    ["npx holdfast verify --read-data", steps.verify],
    ["npx holdfast kit", steps.kit],
    ["npx holdfast init /path/to/your/crm", steps.yours],
  ] as const;
  story.say(story.words.next);
  story.lines(commands.map(([command, meaning]) => `  ${padEnd(command, 54)}${meaning && `# ${meaning}`}`));
}

function shown(path: string): string {
  const below = relative(process.cwd(), path);
  return below.startsWith("..") ? path : `./${below}`;
}
