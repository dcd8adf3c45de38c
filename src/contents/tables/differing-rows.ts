import type { RowKey } from "../../database/database.ts";
import type { ChangedRow } from "./changed-rows.ts";
import type { LineWindow } from "./line-window.ts";
import { commonLines, keyAt, lineEnd, type RowOrder } from "./row-order.ts";

/**
 * The rows that differ between two streams of lines in key order. Stretches of equal lines are skipped by comparing memory, so that
 * only rows that differ are looked at one by one.
 */
export async function* differingRows(
  order: RowOrder,
  before: LineWindow,
  now: LineWindow,
): AsyncGenerator<ChangedRow, void> {
  for (;;) {
    if (before.length === 0) await before.need(1);
    if (now.length === 0) await now.need(1);
    const { bytes, start } = before;
    const equal = commonLines(bytes, start, bytes.length, now.bytes, now.start, now.bytes.length);
    if (equal > 0) {
      before.start += equal;
      now.start += equal;
      continue;
    }
    const was = firstLine(order, before);
    const is = firstLine(order, now);
    const step = was && is ? order.compare(was.key, is.key) : was ? -1 : 1;
    const key = step <= 0 ? was?.key : is?.key;
    if (key === undefined) return;
    yield {
      key,
      ...(was && step <= 0 && { before: Buffer.from(was.line) }),
      ...(is && step >= 0 && { now: Buffer.from(is.line) }),
    };
    if (was && step <= 0) before.start += was.line.length + 1;
    if (is && step >= 0) now.start += is.line.length + 1;
  }
}

/** What the window begins with; `undefined` at its end. */
function firstLine(
  order: RowOrder,
  { bytes, start, length }: LineWindow,
): { readonly key: RowKey; readonly line: Buffer } | undefined {
  if (length === 0) return undefined;
  const end = lineEnd(bytes, start, bytes.length);
  return { key: keyAt(order, bytes, start, end), line: bytes.subarray(start, end) };
}
