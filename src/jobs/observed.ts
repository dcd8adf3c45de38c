import type { Observed } from "../engine/anomalies.ts";
import type { BackupReport } from "../engine/backup.ts";

/** A report has to stay small: the tables with most changes, and so many things that are not covered. */
const listed = 50;

/** What of a backup is compared with later ones: kept in its report. */
export function observedIn({ changes, rows, files, warnings }: BackupReport): Observed {
  const weight = ({ created, updated, deleted }: (typeof changes)[number]) => created + updated + deleted;
  const { files: count, newFiles, changedFiles, removedFiles, incompressibleFiles, appended } = files;
  return {
    changes: changes.toSorted((a, b) => weight(b) - weight(a)).slice(0, listed),
    rowBytes: rows.totalBytes,
    files: { files: count, newFiles, changedFiles, removedFiles, incompressibleFiles, ...(appended && { appended }) },
    uncovered: warnings
      .filter(({ code }) => code === "not-covered")
      .map(({ subject }) => subject)
      .slice(0, listed),
  };
}

/** The same out of an earlier report, which comes from a repository: what is not as it must be is left out. */
export function observedOfFacts(facts: Readonly<Record<string, unknown>>): readonly Observed[] {
  const { changes, rowBytes, files, uncovered } = facts;
  if (!Array.isArray(changes) || !isCounts(files)) return [];
  return [
    {
      changes: changes.filter(isChange),
      ...(typeof rowBytes === "number" && { rowBytes }),
      files,
      ...(Array.isArray(uncovered) && { uncovered: uncovered.filter((one) => typeof one === "string") }),
    },
  ];
}

function isChange(value: unknown): value is Observed["changes"][number] {
  if (!isObject(value) || typeof value["table"] !== "string") return false;
  return ["rows", "rowsBefore", "created", "updated", "deleted"].every((name) => typeof value[name] === "number");
}

function isCounts(value: unknown): value is NonNullable<Observed["files"]> {
  const names = ["files", "newFiles", "changedFiles", "removedFiles", "incompressibleFiles"];
  return isObject(value) && names.every((name) => typeof value[name] === "number");
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
