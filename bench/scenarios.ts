import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { crmLoadMariadbRound, crmLoadRound } from "./crm-load.ts";
import { changeTable, makeData } from "./data.ts";
import { followFilesRound } from "./follow-files.ts";
import { followLoadRound } from "./follow-load.ts";
import { followRound } from "./follow.ts";
import { measure, type Cost } from "./measure.ts";
import { lookRound } from "./look.ts";
import { mariadbRound } from "./mariadb.ts";
import { postgresRound, postgresWalRound } from "./postgres.ts";
import { setAside } from "./set-aside.ts";
import { backupStep, storingStep } from "./storing-step.ts";
import { startTarget } from "../test/support/targets.ts";
import { holdfastTool, type RemotePlace, resticTool, type Source, type Tool } from "./tools.ts";

/** One step of one scenario done once by one tool. */
export interface Sample extends Cost {
  readonly step: string;
  readonly tool: string;
  /** What the repository grew by in this step; absent where nothing is stored. */
  readonly storedBytes?: number;
  /** What else was measured, by its name. */
  readonly notes?: Readonly<Record<string, string | number>>;
}

export interface Bench {
  readonly work: string;
  readonly scale: number;
  readonly tools: readonly Tool[];
  /** The project's folder. */
  readonly root: string;
  readonly record: (sample: Sample) => void;
}

/** SHA-256 over the names and contents of all files below a folder, in one order. */
function folderHash(folder: string): string {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map((entry) => join(entry.parentPath, entry.name)).toSorted();
  const hash = createHash("sha256");
  for (const path of paths) hash.update(`${path.slice(folder.length)}\0`).update(readFileSync(path));
  return hash.digest("hex");
}

function restoreStep(bench: Bench, tool: Tool, source: Source, step: string, wanted: string): void {
  const target = join(bench.work, "target");
  mkdirSync(target);
  bench.record({ step, tool: tool.name, ...tool.restore(source, target) });
  if (folderHash(tool.restored(source, target)) !== wanted) throw new Error(`${tool.name} restored other bytes`);
  setAside(bench.work, target);
}

function folderRound(bench: Bench, name: "mix" | "small", title: string = name): void {
  const source = { folder: makeData(bench.work, name, bench.scale) };
  const wanted = folderHash(source.folder);
  for (const tool of bench.tools) {
    tool.create(source);
    backupStep(bench, tool, source, `${title}: first backup`);
    backupStep(bench, tool, source, `${title}: nothing changed`);
    restoreStep(bench, tool, source, `${title}: restore`, wanted);
  }
}

/** `mix` on Ceph's S3 and on OpenSSH's SFTP, each a server of its own on this machine, with restic's client beside ours. */
async function remoteRound(bench: Bench): Promise<void> {
  for (const kind of ["s3", "sftp"] as const) {
    await using target = await startTarget[kind]();
    const place: RemotePlace = { ...target, kind };
    const makers = {
      holdfast: () => holdfastTool(bench.work, bench.root, place),
      restic: () => resticTool(bench.work, place),
    };
    const tools = bench.tools.flatMap(({ name }) => (name === "holdfast" || name === "restic" ? [makers[name]()] : []));
    folderRound({ ...bench, tools }, "mix", `mix on ${kind}`);
  }
}

/** A million things: also that half of them go, and that what only they needed is given back. */
function millionRound(bench: Bench, name: "million" | "blobs"): void {
  const source = { folder: makeData(bench.work, name, bench.scale) };
  showHidden(source.folder);
  const wanted = name === "million" ? folderHash(source.folder) : "";
  for (const tool of bench.tools) {
    tool.create(source);
    backupStep(bench, tool, source, `${name}: first backup`);
    backupStep(bench, tool, source, `${name}: nothing changed`);
    if (name === "million") restoreStep(bench, tool, source, `${name}: restore`, wanted);
    else restorePartStep(bench, tool, source, `${name}: restore of a thousandth`);
    hideHalf(source.folder);
    tool.backup(source);
    storingStep(bench, tool, `${name}: prune after forgetting half`, () => tool.forgetAllButNewest());
    showHidden(source.folder);
  }
}

/** Every other folder goes, so that what is left is spread over everything that was stored. */
function hideHalf(folder: string): void {
  for (const [index, name] of readdirSync(folder).toSorted().entries()) {
    if (index % 2 === 1) renameSync(join(folder, name), join(hiddenFrom(folder), name));
  }
}

function showHidden(folder: string): void {
  const hidden = hiddenFrom(folder);
  for (const name of readdirSync(hidden)) renameSync(join(hidden, name), join(folder, name));
}

function hiddenFrom(folder: string): string {
  const hidden = `${folder}.hidden`;
  mkdirSync(hidden, { recursive: true });
  return hidden;
}

function restorePartStep(bench: Bench, tool: Tool, source: Source, step: string): void {
  const target = join(bench.work, "target");
  const part = "500";
  mkdirSync(target);
  bench.record({ step, tool: tool.name, ...tool.restorePart(part, target) });
  const found = readdirSync(target, { recursive: true, withFileTypes: true });
  const restored = found.find((entry) => entry.isDirectory() && entry.name === part);
  if (restored === undefined) throw new Error(`${tool.name} restored no folder ${part}`);
  if (folderHash(join(restored.parentPath, part)) !== folderHash(join(source.folder, part))) {
    throw new Error(`${tool.name} restored other bytes`);
  }
  setAside(bench.work, target);
}

/** A program that only reads the table, in the language that Holdfast is written in. */
function readTable(bench: Bench, file: string): Cost {
  const script = join(import.meta.dirname, "read-table.ts");
  const env = { PATH: process.env["PATH"] ?? "" };
  return measure(bench.work, [process.execPath, script, file], { cwd: bench.work, env });
}

function tableRound(bench: Bench, round: number): void {
  const source = { folder: join(bench.work, "live"), database: "crm.db" };
  mkdirSync(source.folder, { recursive: true });
  copyFileSync(join(makeData(bench.work, "table", bench.scale), "crm.db"), join(source.folder, "crm.db"));
  for (const tool of bench.tools) {
    tool.create(source);
    backupStep(bench, tool, source, "table: first backup");
  }
  changeTable(source.folder, bench.scale, round);
  const read = readTable(bench, join(source.folder, "crm.db"));
  bench.record({ step: "table: reading it once", tool: "node:sqlite", ...read });
  for (const tool of bench.tools) backupStep(bench, tool, source, "table: 0.1 % of the rows changed");
}

export const scenarios: Readonly<Record<string, (bench: Bench, round: number) => void | Promise<void>>> = {
  mix: (bench) => folderRound(bench, "mix"),
  small: (bench) => folderRound(bench, "small"),
  table: tableRound,
  million: (bench) => millionRound(bench, "million"),
  blobs: (bench) => millionRound(bench, "blobs"),
  postgres: postgresRound,
  "postgres-wal": postgresWalRound,
  mariadb: mariadbRound,
  "crm-load": crmLoadRound,
  "crm-load-mariadb": crmLoadMariadbRound,
  look: lookRound,
  follow: followRound,
  "follow-load": followLoadRound,
  "follow-files": followFilesRound,
  remote: remoteRound,
};

/** What a run measures unless it is told; a million takes an hour and 30 GB. */
export const usualScenarios = ["mix", "small", "table", "remote"] as const;
