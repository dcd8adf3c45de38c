import type { TableChange } from "../contents/databases.ts";

/**
 * What is out of the ordinary in a backup, against the same CRM's own past: rows deleted, changed or made in bulk, a table
 * that changed its shape, sudden growth or shrinkage, files that became incompressible or got another name in bulk, and
 * what is not covered any more. Plain rules that a person can check by hand (`docs/service.md` lists them): a floor, a share
 * of what is there, and three times the most of the last backups. Silent where the past is thin, but for what is drastic.
 */
export interface Anomaly {
  readonly kind: AnomalyKind;
  /** Table, file tree or database object. */
  readonly subject: string;
  readonly count?: number;
  readonly of?: number;
  /** The most of the last backups. */
  readonly usual?: number;
  readonly ending?: string;
}

export type AnomalyKind =
  | "mass-delete"
  | "mass-update"
  | "mass-create"
  | "schema-change"
  | "growth"
  | "shrinkage"
  | "files-changed"
  | "files-removed"
  | "files-incompressible"
  | "files-renamed"
  | "newly-uncovered";

/** What of a backup, or of a stretch of the journal, is looked at. */
export interface Observed {
  readonly changes: readonly TableChange[];
  readonly rowBytes?: number;
  readonly files?: {
    readonly files: number;
    readonly newFiles: number;
    readonly changedFiles: number;
    readonly removedFiles: number;
    readonly incompressibleFiles: number;
    readonly appended?: { readonly ending: string; readonly files: number };
  };
  /** Subjects of `not-covered` warnings. */
  readonly uncovered?: readonly string[];
}

/** So many earlier backups make a past; the newest so many are looked at. */
export const pastAtLeast = 5;
export const pastAtMost = 30;

/** Fewer are never told of; a share of what there was must be reached too; without a past, the drastic share. */
const rules = {
  deleted: { floor: 20, share: 0.1, drastic: 0.5, kind: "mass-delete" },
  updated: { floor: 50, share: 0.2, drastic: 0.8, kind: "mass-update" },
  created: { floor: 200, share: 0.5, drastic: 5, kind: "mass-create" },
} as const;
const fileRules = {
  changedFiles: { floor: 20, share: 0.1, drastic: 0.5, kind: "files-changed" },
  removedFiles: { floor: 20, share: 0.1, drastic: 0.5, kind: "files-removed" },
} as const;
const timesUsual = 3;
/** Growth and shrinkage of all rows together, from one backup to the next. */
const growth = { floorBytes: 1_000_000, up: 1.5, down: 0.8 };
/** Of the files that changed, so many became incompressible; of the new ones, so many got one more ending. */
const ransom = { floor: 20, share: 0.8 };

/** `past`: earlier ones, oldest first. */
export function findAnomalies(now: Observed, past: readonly Observed[]): readonly Anomaly[] {
  const known = past.slice(-pastAtMost);
  const before = known.at(-1);
  return [
    ...now.changes.flatMap((change) => tableAnomalies(change, known)),
    ...sizeAnomalies(now, before),
    ...fileAnomalies(now, known),
    ...(before?.uncovered === undefined ? [] : uncoveredSince(now, before.uncovered)),
  ];
}

function tableAnomalies(change: TableChange, past: readonly Observed[]): readonly Anomaly[] {
  const { table, rowsBefore, schema } = change;
  const found: Anomaly[] = schema === undefined ? [] : [{ kind: "schema-change", subject: table }];
  if (schema === "new") return found;
  for (const [name, rule] of Object.entries(rules) as readonly (readonly ["deleted", typeof rules.deleted])[]) {
    const count = change[name];
    const earlier = past.map(({ changes }) => changes.find((one) => one.table === table)?.[name] ?? 0);
    if (!isUnusual(count, rowsBefore, rule, earlier)) continue;
    found.push({ kind: rule.kind, subject: table, count, of: rowsBefore, usual: Math.max(0, ...earlier) });
  }
  return found;
}

interface Rule {
  readonly floor: number;
  readonly share: number;
  readonly drastic: number;
}

function isUnusual(count: number, of: number, rule: Rule, earlier: readonly number[]): boolean {
  if (count < rule.floor) return false;
  if (earlier.length < pastAtLeast) return count >= rule.drastic * of;
  return count >= rule.share * of && count > timesUsual * Math.max(...earlier);
}

function sizeAnomalies({ rowBytes }: Observed, before: Observed | undefined): readonly Anomaly[] {
  const of = before?.rowBytes;
  if (rowBytes === undefined || of === undefined || of === 0) return [];
  if (Math.abs(rowBytes - of) < growth.floorBytes) return [];
  const subject = "database";
  if (rowBytes > growth.up * of) return [{ kind: "growth", subject, count: rowBytes, of }];
  return rowBytes < growth.down * of ? [{ kind: "shrinkage", subject, count: rowBytes, of }] : [];
}

function fileAnomalies({ files }: Observed, past: readonly Observed[]): readonly Anomaly[] {
  const before = past.at(-1)?.files;
  if (files === undefined || before === undefined) return [];
  const found: Anomaly[] = [];
  const subject = "files";
  for (const [name, rule] of Object.entries(fileRules) as readonly (readonly [
    "changedFiles",
    Rule & { kind: AnomalyKind },
  ])[]) {
    const earlier = past.map((one) => one.files?.[name] ?? 0);
    if (!isUnusual(files[name], before.files, rule, earlier)) continue;
    found.push({ kind: rule.kind, subject, count: files[name], of: before.files, usual: Math.max(0, ...earlier) });
  }
  const { incompressibleFiles: count, changedFiles, appended, newFiles, removedFiles } = files;
  const usually = Math.max(0, ...past.map((one) => one.files?.incompressibleFiles ?? 0));
  if (count >= ransom.floor && count >= ransom.share * changedFiles && count > timesUsual * usually) {
    found.push({ kind: "files-incompressible", subject, count, of: changedFiles });
  }
  const isNewEnding = past.every((one) => one.files?.appended?.ending !== appended?.ending);
  if (appended && isNewEnding && appended.files >= ransom.floor) {
    // What was renamed is both new and gone.
    const together = appended.files >= ransom.share * newFiles && removedFiles >= ransom.share * appended.files;
    if (together) found.push({ kind: "files-renamed", subject, count: appended.files, ending: appended.ending });
  }
  return found;
}

function uncoveredSince({ uncovered }: Observed, before: readonly string[]): readonly Anomaly[] {
  const known = new Set(before);
  const fresh = (uncovered ?? []).filter((subject) => !known.has(subject));
  return fresh.map((subject) => ({ kind: "newly-uncovered", subject }));
}
