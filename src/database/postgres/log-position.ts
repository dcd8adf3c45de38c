import { expectWord, type SnapshotPoint } from "../change-feed.ts";

/** A place in the write-ahead log as 16 hexadecimal digits, so that places compare as texts. `16/B374D848` is what the server says. */
export function positionOf(place: bigint): string {
  return place.toString(16).toUpperCase().padStart(16, "0");
}

export function placeOf(position: string): bigint {
  return BigInt(`0x${expectWord(position, /^[0-9A-F]{16}$/)}`);
}

/** Which log it is: a standby that took over, and a server that was put back, go on with one of their own. */
export function historyOf(system: string, timeline: string): string {
  return `${system} ${timeline}`;
}

/** `undefined` for what is none. */
export function parsePlace(text: string | undefined): bigint | undefined {
  const match = /^([0-9A-F]{1,8})\/([0-9A-F]{1,8})$/i.exec(text ?? "");
  return match ? (BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`) : undefined;
}

/** As the server reads it. */
export function placeText(position: string): string {
  return `${position.slice(0, 8)}/${position.slice(8)}`;
}

/** From the position of a snapshot, which may come from anywhere. */
export function snapshotPoint(position: string): SnapshotPoint | undefined {
  let found: Partial<Record<string, unknown>> | null;
  try {
    found = JSON.parse(position) as Partial<Record<string, unknown>> | null;
  } catch {
    return undefined;
  }
  const [lsn, system, timeline, snapshot, time] = ["lsn", "system", "timeline", "snapshot", "time"].map((name) => {
    const value = found?.[name];
    return typeof value === "string" ? value : "";
  });
  const place = parsePlace(lsn);
  const visible = /^(\d{1,20}):(\d{1,20}):([\d,]*)$/.exec(snapshot ?? "");
  const at = new Date(time ?? "");
  if (place === undefined || !visible || Number.isNaN(at.getTime())) return undefined;
  const [, xmin = "0", xmax = "0", list = ""] = visible;
  const running = new Set(list.split(",").filter((one) => one !== ""));
  return {
    history: historyOf(system ?? "", timeline ?? ""),
    position: positionOf(place),
    time: at.toISOString(),
    // Which commits a snapshot sees is not the order of the log.
    holds({ transaction }) {
      // None: it began before what is read.
      const xid = BigInt(expectWord(transaction, /^\d{0,20}$/));
      return xid < BigInt(xmin) || (xid < BigInt(xmax) && !running.has(transaction));
    },
  };
}

/** A transaction's number with its upper half, which the log leaves out: that of the nearest one to a known number. */
export function wholeXid(xid: number, near: bigint): bigint {
  const candidate = (near & ~0xffff_ffffn) | BigInt(xid);
  const half = 1n << 31n;
  if (candidate > near + half) return candidate - (1n << 32n);
  return candidate + half < near ? candidate + (1n << 32n) : candidate;
}
