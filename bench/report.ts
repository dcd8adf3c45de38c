import type { Sample } from "./scenarios.ts";

/** What one tool needed for one step: medians over all rounds. */
export interface Row {
  readonly step: string;
  readonly tool: string;
  readonly rounds: number;
  readonly wallSeconds: number;
  readonly cpuSeconds: number;
  readonly peakBytes: number;
  readonly storedBytes?: number;
  /** Of the first round. */
  readonly notes?: Sample["notes"];
  /** This tool's time divided by Holdfast's: above 1 it is slower. Absent for Holdfast itself. */
  readonly timesHoldfast?: number;
  /** This tool's stored bytes divided by Holdfast's. */
  readonly bytesHoldfast?: number;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const high = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? high : ((sorted[middle - 1] ?? high) + high) / 2;
}

export function summarise(samples: readonly Sample[]): readonly Row[] {
  const groups = Map.groupBy(samples, ({ step, tool }) => JSON.stringify([step, tool]));
  const rows = [...groups.values()].map((group): Row => {
    const of = (value: (sample: Sample) => number) => median(group.map(value));
    const [first] = group;
    const stored = group.flatMap((one) => (one.storedBytes === undefined ? [] : [one.storedBytes]));
    return {
      step: first?.step ?? "",
      tool: first?.tool ?? "",
      rounds: group.length,
      wallSeconds: of((one) => one.wallSeconds),
      cpuSeconds: of((one) => one.cpuSeconds),
      peakBytes: of((one) => one.peakBytes),
      ...(stored.length > 0 ? { storedBytes: median(stored) } : {}),
      ...(first?.notes && { notes: first.notes }),
    };
  });
  return rows.map((row) => {
    const ours = rows.find((one) => one.step === row.step && one.tool === "holdfast");
    const base = ours ?? rows.find((one) => one.tool === "holdfast" && one.step === "table: 0.1 % of the rows changed");
    if (!base || row.tool === "holdfast") return row;
    const bytes = row.storedBytes !== undefined && base.storedBytes ? row.storedBytes / base.storedBytes : undefined;
    return {
      ...row,
      timesHoldfast: row.wallSeconds / base.wallSeconds,
      ...(bytes === undefined ? {} : { bytesHoldfast: bytes }),
    };
  });
}

const megabytes = (bytes: number, digits: number) => (bytes / 1e6).toFixed(digits);
const times = (ratio: number | undefined) => (ratio === undefined ? "" : `${ratio.toFixed(ratio < 10 ? 2 : 0)} ×`);

export function noteText(notes: Sample["notes"]): string {
  return Object.entries(notes ?? {})
    .map(([name, value]) => `; ${name} ${typeof value === "number" ? Number(value.toPrecision(3)) : value}`)
    .join("");
}

export function markdownTable(rows: readonly Row[]): string {
  const heading =
    "| step | tool | time (s) | its time ÷ Holdfast's | CPU (s) | peak memory (MB) | stored (MB) | its bytes ÷ Holdfast's | |";
  const lines = rows.map((row) =>
    [
      row.step,
      row.tool,
      row.wallSeconds.toFixed(2),
      times(row.timesHoldfast),
      row.cpuSeconds.toFixed(2),
      megabytes(row.peakBytes, 0),
      row.storedBytes === undefined ? "" : megabytes(row.storedBytes, row.storedBytes < 1e7 ? 3 : 1),
      times(row.bytesHoldfast),
      noteText(row.notes).slice(2),
    ].join(" | "),
  );
  return [heading, "|---|---|--:|--:|--:|--:|--:|--:|---|", ...lines.map((line) => `| ${line} |`), ""].join("\n");
}
