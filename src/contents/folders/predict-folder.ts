import { setImmediate as nextTurn } from "node:timers/promises";
import type { Entry, FolderScan } from "../../files/files.ts";
import { scanFolder } from "../../files/scan.ts";
import { joinName, nameText, type ByteName } from "../../lib/byte-name.ts";
import type { Warning } from "../../lib/events.ts";

export interface PredictFolderInput {
  /** Absolute. */
  readonly path: ByteName;
  readonly excludes: readonly string[];
  readonly includes?: readonly string[];
  /** Absent: everything will be read. Else what has changed, its metadata included, at or after this moment. */
  readonly changedSince?: Date;
  readonly signal: AbortSignal;
  /** Told of everything that was found; the path is absolute. */
  readonly onEntry?: (path: ByteName, entry: Entry) => void;
  /** Told of what could not be looked at. */
  readonly onWarning?: (warning: Warning) => void;
}

export interface FolderPrediction {
  readonly files: number;
  readonly bytes: number;
  readonly filesToRead: number;
  readonly bytesToRead: number;
  /** Items that could not be looked at. */
  readonly unreadable: number;
}

/** Counts what a capture would find and read, without opening a file: nothing where the folder itself cannot be opened. */
export async function predictFolder(input: PredictFolderInput): Promise<FolderPrediction> {
  const sum = { files: 0, bytes: 0, filesToRead: 0, bytesToRead: 0, unreadable: 0 };
  const { path, excludes, includes = [], changedSince, signal } = input;
  const sinceNs = changedSince && BigInt(changedSince.getTime()) * 1_000_000n;
  const onWarning = (warning: Warning): void => {
    sum.unreadable += 1;
    input.onWarning?.(warning);
  };
  let seen = 0;
  // folders from the root to where we are: a scan must outlive those inside it
  const way: ReturnType<typeof open>[] = [];
  try {
    way.push(open(scanFolder(path, { excludes, includes, onWarning })));
  } catch (error) {
    if (!(error instanceof Error && "syscall" in error && "code" in error)) throw error;
    onWarning({ code: "file-unreadable", subject: nameText(path), detail: String(error.code) });
    return sum;
  }
  try {
    for (let here = way.at(-1); here; here = way.at(-1)) {
      const { done, value: entry } = here.entries.next();
      if (!done) input.onEntry?.(joinName(here.scan.path, entry.name), entry);
      if (done) {
        way.pop()?.scan[Symbol.dispose]();
      } else if (entry.type === "dir") {
        way.push(open(here.scan.child(entry)));
      } else if (entry.type === "file") {
        sum.files += 1;
        sum.bytes += entry.size;
        if (sinceNs === undefined || entry.ctimeNs >= sinceNs || entry.mtimeNs >= sinceNs) {
          sum.filesToRead += 1;
          sum.bytesToRead += entry.size;
        }
      }
      if (seen % 512 === 0) {
        await nextTurn();
        signal.throwIfAborted();
      }
      seen += 1;
    }
  } finally {
    for (const { scan } of way) scan[Symbol.dispose]();
  }
  return sum;
}

function open(scan: FolderScan): { readonly scan: FolderScan; readonly entries: ReturnType<FolderScan["entries"]> } {
  return { scan, entries: scan.entries() };
}
