import type { BackupReport } from "../engine/backup.ts";
import type { Format } from "../words/format.ts";
import type { Words } from "../words/words.ts";

/** Until when nobody can destroy what a repository needs, and how that was tried; nothing when it does not hold. */
export function lockLines(words: Words, format: Format, report: NonNullable<BackupReport["lock"]>): string[] {
  const { until, mode, files, extended, proofs } = report;
  if (until === undefined) return [];
  const count = (wanted: "refused" | "powerless"): number | undefined =>
    proofs.filter(({ result }) => result === wanted).length || undefined;
  const facts = { until, mode: words.lock.modes[mode], files, extended };
  return [format.fill(words.lock.holds, { ...facts, tried: count("refused"), powerless: count("powerless") })];
}
