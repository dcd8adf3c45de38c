import { expectWord, type SnapshotPoint } from "../change-feed.ts";

/** A place in the binary log: number of the file and offset, padded so that places compare as texts. */
export interface LogPlace {
  /** `mariadb-bin.000007` */
  readonly file: string;
  readonly offset: number;
}

export function positionOf({ file, offset }: LogPlace): string {
  return `${(/\.(\d+)$/.exec(file)?.[1] ?? "0").padStart(10, "0")}:${String(offset).padStart(12, "0")}`;
}

const fourBytes = 2 ** 32;

/** A place of which an event says the lower four bytes: a file with a large transaction is longer. `before`: where the log was. */
export function placeAfter(before: number, low: number): number {
  const place = before - (before % fourBytes) + low;
  // Nothing in the log is that large; other steps back are none of ours to mend.
  return place < before - fourBytes / 2 ? place + fourBytes : place;
}

/** Whether the server can be asked for its log from there on. */
export function canBegin({ offset }: LogPlace): boolean {
  return offset < fourBytes;
}

/** Which log it is: positions of another one say nothing of this. */
export function historyOf(file: string, server: string): string {
  return `${file.replace(/\.\d+$/, "")} ${server}`;
}

/** The place of a position in the log of this history. */
export function placeOf(position: string, history: string): LogPlace {
  const [number = "", offset = ""] = expectWord(position, /^\d{10,15}:\d{12,15}$/).split(":");
  const base = history.slice(0, history.lastIndexOf(" "));
  return { file: `${base}.${String(Number(number)).padStart(6, "0")}`, offset: Number(offset) };
}

/** From the position of a snapshot, which may come from anywhere. */
export function snapshotPoint(position: string): SnapshotPoint | undefined {
  const facts = new Map(
    position.split(" ").map((one) => [one.slice(0, one.indexOf("=")), one.slice(one.indexOf("=") + 1)]),
  );
  const [file, offset, server, time] = [
    facts.get("file"),
    facts.get("position"),
    facts.get("server"),
    facts.get("time"),
  ];
  const at = new Date(time ?? "");
  if (!file || !/^\d{1,15}$/.test(offset ?? "") || server === undefined || Number.isNaN(at.getTime())) return undefined;
  const here = positionOf({ file, offset: Number(offset) });
  return {
    history: historyOf(file, server),
    position: here,
    time: at.toISOString(),
    // A snapshot is taken while nobody can commit, or says itself where it is.
    holds: (transaction) => transaction.position <= here,
  };
}
