import type { Id, Tree, TreeNode } from "../format/tree.ts";
import { loadContent, nodeNamed } from "../contents/open-snapshot.ts";
import { storeTree, virtualFile, virtualFolder } from "../contents/tables/virtual-nodes.ts";
import { type ByteName, nameFromText, nameText } from "../lib/byte-name.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { BlobReader, StoredSnapshot, Upload } from "../repository/repository.ts";

/**
 * Reports as files: `/<crm>.reports/2026-11/28.jsonl`, a line of JSON each, by the day (UTC) of their time. Adding one
 * writes one file and three small trees anew; a year of hourly ones is listed by its twelve folders.
 *
 * Two processes may add at once, each to what it saw. So what there is, is always the union of the snapshots there
 * are: by the day, and in it by the ids of the reports.
 */
export interface Report {
  /** Unique: what is there twice, counts once. */
  readonly id: string;
  /** `run`, `drill`, `alert`, …: lower case letters and `-`. */
  readonly kind: string;
  /** When what is told was over, as `toISOString` writes it: it is compared as text. */
  readonly time: string;
  /** What is told: JSON, never secrets. */
  readonly body: Readonly<Record<string, unknown>>;
}

/** A report is small; what has more to tell says how much it left out. */
const maximumLineBytes = 1 << 20;
const maximumDayBytes = 64 << 20;

/** Contents of a day's file, in one or several snapshots. */
export interface Day {
  /** `2026-11-28` */
  readonly date: string;
  readonly nodes: readonly TreeNode[];
}

/** The days that these snapshots know of, oldest first; `since` is a date. */
export async function daysOf(
  reader: BlobReader,
  snapshots: readonly StoredSnapshot[],
  signal: AbortSignal,
  since = "",
): Promise<readonly Day[]> {
  const months = new Map<string, Set<Id>>();
  for (const stored of snapshots) {
    const tree = await reportsFolder(reader, stored, signal);
    for (const { name, subtree } of tree?.nodes ?? []) {
      const month = nameText(name);
      if (subtree === undefined || !/^\d{4}-\d{2}$/.test(month) || month < since.slice(0, 7)) continue;
      months.set(month, (months.get(month) ?? new Set()).add(subtree));
    }
  }
  const days = new Map<string, TreeNode[]>();
  for (const [month, trees] of months) {
    for (const tree of trees) {
      for (const node of (await reader.loadTree(tree, signal)).nodes) {
        const [, day] = /^(\d{2})\.jsonl$/.exec(nameText(node.name)) ?? [];
        const date = `${month}-${day}`;
        if (day === undefined || node.type !== "file" || date < since) continue;
        const known = days.get(date) ?? [];
        if (!known.some((one) => sameContent(one, node))) known.push(node);
        days.set(date, known);
      }
    }
  }
  return [...days].map(([date, nodes]) => ({ date, nodes })).toSorted((a, b) => (a.date < b.date ? -1 : 1));
}

/** All reports of a day, each once, in the order of time. A line that makes no sense to this version is left out. */
export async function reportsOfDay(reader: BlobReader, day: Day, signal: AbortSignal): Promise<readonly Report[]> {
  const found = new Map<string, Report>();
  for (const node of day.nodes) {
    for (const line of (await loadContent(reader, node, signal, maximumDayBytes)).toString("utf8").split("\n")) {
      const report = parseReport(line);
      if (report !== undefined) found.set(report.id, report);
    }
  }
  return [...found.values()].toSorted((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0));
}

/** Whether all that `older` holds is in `newer` too, so that `older` may go. */
export async function isSuperseded(
  reader: BlobReader,
  older: StoredSnapshot,
  newer: StoredSnapshot,
  signal: AbortSignal,
): Promise<boolean> {
  if (older.snapshot.tree === newer.snapshot.tree) return true;
  const there = new Map((await daysOf(reader, [newer], signal)).map((day) => [day.date, day]));
  for (const day of await daysOf(reader, [older], signal)) {
    const other = there.get(day.date);
    if (other === undefined) return false;
    const [mine, its] = [day.nodes[0], other.nodes[0]];
    if (mine && its && sameContent(mine, its)) continue;
    const known = new Set((await reportsOfDay(reader, other, signal)).map(({ id }) => id));
    if ((await reportsOfDay(reader, day, signal)).some(({ id }) => !known.has(id))) return false;
  }
  return true;
}

/** Stores what the snapshots hold together with these reports; gives the root's tree. */
export async function writeReports(
  upload: Upload,
  reader: BlobReader,
  snapshots: readonly StoredSnapshot[],
  folder: string,
  reports: readonly Report[],
  signal: AbortSignal,
): Promise<Id> {
  const days = new Map((await daysOf(reader, snapshots, signal)).map((day) => [day.date, day]));
  for (const date of new Set(reports.map(({ time }) => time.slice(0, 10)))) {
    if (!days.has(date)) days.set(date, { date, nodes: [] });
  }
  const newest = snapshots.at(-1);
  const before = newest && (await reportsFolder(reader, newest, signal));
  const months: TreeNode[] = [];
  for (const [month, ofMonth] of Map.groupBy(days.values(), ({ date }) => date.slice(0, 7))) {
    const was = before && nodeNamed(before, nameFromText(month))?.subtree;
    const known = was === undefined ? undefined : { id: was, tree: await reader.loadTree(was, signal) };
    const files: TreeNode[] = [];
    for (const day of ofMonth) {
      const added = reports.filter(({ time }) => time.startsWith(day.date));
      const [node, other] = day.nodes;
      if (node !== undefined && other === undefined && added.length === 0) files.push(node);
      else files.push(await dayFile(upload, day, [...(await reportsOfDay(reader, day, signal)), ...added]));
    }
    months.push(virtualFolder(month, await storeTree(upload, files, known), latestTime(files)));
  }
  const tree = await storeTree(upload, months, undefined);
  return storeTree(upload, [virtualFolder(folder, tree, latestTime(months))], undefined);
}

async function dayFile(upload: Upload, { date }: Day, reports: readonly Report[]): Promise<TreeNode> {
  const lines = reports.map((report) => {
    const line = JSON.stringify(report);
    if (line.length > maximumLineBytes) throw new HoldfastError("internal", { detail: `a report of ${line.length}` });
    return `${line}\n`;
  });
  const bytes = Buffer.from(lines.join(""), "utf8");
  const size = bytes.length;
  const time = reports.at(-1)?.time ?? `${date}T00:00:00Z`;
  return virtualFile(`${date.slice(8)}.jsonl`, await upload.bytes(bytes, "hot"), size, time);
}

async function reportsFolder(
  reader: BlobReader,
  { snapshot }: StoredSnapshot,
  signal: AbortSignal,
): Promise<Tree | undefined> {
  const name = (snapshot.paths[0] ?? "").slice(1);
  const node = nodeNamed(await reader.loadTree(snapshot.tree, signal), nameFromText(name) satisfies ByteName);
  return node?.subtree === undefined ? undefined : reader.loadTree(node.subtree, signal);
}

function parseReport(line: string): Report | undefined {
  if (line === "" || line.length > maximumLineBytes) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (!isObject(value)) return undefined;
  const { id, kind, time, body } = value;
  if (typeof id !== "string" || typeof kind !== "string" || typeof time !== "string") return undefined;
  return isReportTime(time) && isObject(body) ? { id, kind, time, body } : undefined;
}

/** Days are cut out of it, and it is compared as text. */
export function isReportTime(time: string): boolean {
  return /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/.test(time) && !Number.isNaN(Date.parse(time));
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function latestTime(nodes: readonly TreeNode[]): string {
  return nodes.reduce((latest, { mtime }) => (mtime > latest ? mtime : latest), "1970-01-01T00:00:00Z");
}

function sameContent(a: TreeNode, b: TreeNode): boolean {
  const [left, right] = [a.content ?? [], b.content ?? []];
  return left.length === right.length && left.every((id, index) => id === right[index]);
}
