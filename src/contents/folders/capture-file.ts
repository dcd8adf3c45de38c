import type { Entry, EntryDetails, FolderScan } from "../../files/files.ts";
import type { Id } from "../../format/tree.ts";
import { joinName, nameText, type ByteName } from "../../lib/byte-name.ts";
import type { Warning } from "../../lib/events.ts";
import type { FileReadResult, Upload } from "../../repository/repository.ts";

/** What the files of one capture share. */
export interface FileCapture {
  readonly upload: Upload;
  readonly warn: (warning: Warning) => void;
  /** Takes note of what this user has no right to read; absent for root, for whom that is a warning like others. */
  readonly forbid: ((path: ByteName) => void) | undefined;
  /** Reads under way or done of files with several links, so that each is read once. By inode and change time. */
  readonly linked: Map<string, Promise<FileReadResult>>;
}

export interface CapturedFile {
  /** As it was when it was read. */
  readonly entry: Entry;
  readonly details: EntryDetails;
  readonly content: readonly Id[];
  readonly size: number;
  /** 0 when another link to it was read. */
  readonly readBytes: number;
  readonly addedBytes: number;
  readonly storedBytes: number;
}

/**
 * Reads one file into the repository. One that changes under the reader, or is replaced before it is opened, is tried
 * once more, and then kept as it was read, with a warning. `undefined`: left out, with a warning.
 */
export async function captureFile(
  shared: FileCapture,
  scan: FolderScan,
  first: Entry,
): Promise<CapturedFile | undefined> {
  let entry = first;
  let details = scan.details(entry);
  let result = details && (await read(shared, scan, entry));
  if (result?.state === "vanished" || (result?.state === "read" && result.changed)) {
    const now = scan.lookAgain(entry.name);
    if (now?.type === "file") {
      entry = now;
      details = scan.details(entry);
      result = details && (await read(shared, scan, entry));
    }
  }
  if (!result || !details) return undefined; // told by the scan
  const path = joinName(scan.path, entry.name);
  if (result.state === "vanished") {
    shared.warn({ code: "file-vanished", subject: nameText(path) });
    return undefined;
  }
  if (result.state === "unreadable") {
    if (shared.forbid && /\b(EACCES|EPERM)\b/.test(result.reason)) shared.forbid(path);
    else shared.warn({ code: "file-unreadable", subject: nameText(path), detail: result.reason });
    return undefined;
  }
  if (result.changed) shared.warn({ code: "file-changed", subject: nameText(path) });
  const { content, size, addedBytes, storedBytes, firstRead } = result;
  return { entry, details, content, size, readBytes: firstRead ? size : 0, addedBytes, storedBytes };
}

type Read = Exclude<FileReadResult, { state: "read" }> | (FileReadResult & { state: "read"; firstRead: boolean });

async function read(shared: FileCapture, scan: FolderScan, entry: Entry): Promise<Read> {
  const key = entry.links > 1 ? `${entry.deviceId}:${entry.inode}:${entry.ctimeNs}` : undefined;
  const other = key === undefined ? undefined : await shared.linked.get(key);
  if (other?.state === "read" && !other.changed) {
    return { ...other, addedBytes: 0, storedBytes: 0, addedBlobs: 0, firstRead: false };
  }
  const { inode, deviceId, size } = entry;
  const reading = shared.upload.file({ path: scan.openablePath(entry.name), inode, deviceId, size });
  if (key !== undefined) shared.linked.set(key, reading);
  const result = await reading;
  return result.state === "read" ? { ...result, firstRead: true } : result;
}
