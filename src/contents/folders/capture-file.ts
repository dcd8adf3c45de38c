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
export function captureFile(shared: FileCapture, scan: FolderScan, entry: Entry): Promise<CapturedFile | undefined> {
  // No more waiting than there is to wait for: this runs for every file of a first backup.
  return read(shared, scan, entry).then((result) =>
    result.state === "read" && !result.changed ? captured(entry, result) : tryAgain(shared, scan, entry, result),
  );
}

async function tryAgain(
  shared: FileCapture,
  scan: FolderScan,
  first: Entry,
  firstResult: Read,
): Promise<CapturedFile | undefined> {
  const now = firstResult.state === "unreadable" ? undefined : scan.lookAgain(first.name);
  const entry = now?.type === "file" ? now : first;
  const result = entry === first ? firstResult : await read(shared, scan, entry);
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
  return captured(entry, result);
}

function captured(entry: Entry, result: Extract<Read, { state: "read" }>): CapturedFile {
  const { content, size, addedBytes, storedBytes, extendedAttributes, repeated } = result;
  const details = { linkTarget: undefined, extendedAttributes };
  return { entry, details, content, size, readBytes: repeated ? 0 : size, addedBytes, storedBytes };
}

/** `repeated`: another link to the same file was read before. */
type Read = FileReadResult & { readonly repeated?: true };

function read(shared: FileCapture, scan: FolderScan, entry: Entry): Promise<Read> {
  if (entry.links > 1) return readLinked(shared, scan, entry);
  const { inode, deviceId, size } = entry;
  return shared.upload.file({ path: scan.openablePath(entry.name), inode, deviceId, size });
}

async function readLinked(shared: FileCapture, scan: FolderScan, entry: Entry): Promise<Read> {
  const { inode, deviceId, size, ctimeNs } = entry;
  const key = `${deviceId}:${inode}:${ctimeNs}`;
  const before = shared.linked.get(key);
  // No waiting where there is none before: the next link would come too early then.
  const other = before && (await before);
  if (other?.state === "read" && !other.changed) {
    return { ...other, addedBytes: 0, storedBytes: 0, addedBlobs: 0, repeated: true };
  }
  const reading = shared.upload.file({ path: scan.openablePath(entry.name), inode, deviceId, size });
  shared.linked.set(key, reading);
  return await reading;
}
