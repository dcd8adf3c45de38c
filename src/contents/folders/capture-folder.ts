import { setImmediate as nextTurn } from "node:timers/promises";
import type { Entry, EntryDetails, FolderScan } from "../../files/files.ts";
import { rootEntry, scanFolder } from "../../files/scan.ts";
import type { Id, TreeNode } from "../../format/tree.ts";
import { joinName, nameText, type ByteName } from "../../lib/byte-name.ts";
import { HoldfastError } from "../../lib/errors.ts";
import type { Warning } from "../../lib/events.ts";
import type { Run } from "../../lib/run.ts";
import { systemCode } from "../../lib/system-code.ts";
import type { BlobReader, Upload } from "../../repository/repository.ts";
import type { BackupKind } from "../manifest.ts";
import { countFile, noCounts, type CaptureCounts, type FileToCount } from "./capture-counts.ts";
import { captureFile, type FileCapture } from "./capture-file.ts";
import {
  encodeDetails,
  fieldsOf,
  hasContent,
  isSameNode,
  isUntouched,
  nodeOf,
  type EntryFields,
  type NodeDetails,
} from "./folder-node.ts";
import { FolderWriter } from "./folder-writer.ts";
import { countFiles, type GoneNodes, OldFolder } from "./old-folder.ts";

export interface CaptureFolderInput {
  /** Absolute. */
  readonly path: ByteName;
  readonly excludes: readonly string[];
  /** Empty or absent: everything. */
  readonly includes?: readonly string[];
  readonly oneFileSystem?: "yes" | "no";
  /** Whether a thing inside, by its path relative to the folder, is taken, a folder even when empty; absent: everything is. */
  readonly only?: (path: ByteName) => boolean;
  /** `full` opens and reads every file; the other kinds trust what has not changed since `compareWith`. */
  readonly kind: BackupKind;
  /** Tree of the same folder in the last backup, or for a differential in the last full. */
  readonly compareWith?: Id;
  /** Another tree of it, for `changedBytesAlso` alone. */
  readonly countAgainst?: Id;
  readonly upload: Upload;
  readonly reader: BlobReader;
  /** Told of each file that was captured; the path is relative to the folder. */
  readonly onFile?: (path: ByteName, ctimeNs: bigint) => void;
}

export interface FolderCapture extends CaptureCounts {
  readonly tree: Id;
  /** The folder itself, with `tree` as its subtree; its name is to be replaced. */
  readonly node: TreeNode;
  /** The ending that most new files got behind another one (`contract.pdf.locked`), and how many; absent: none did. */
  readonly appended?: { readonly ending: string; readonly files: number };
  /** All of them were reported as events too. */
  readonly warnings: readonly Warning[];
  /** What this user had no right to read: one `no-root` warning tells of them all. */
  readonly forbidden: readonly string[];
}

/**
 * Captures a folder into the repository. Files are read by the upload's workers, many at once and across folders,
 * while this walks on; a folder's tree is stored when the last of its files is. Memory is that of the folders that
 * are not complete, and of what the upload has in flight.
 *
 * What cannot be read is left out with one warning an item. Fails with `source-missing` when the folder itself cannot
 * be opened, and with whatever the upload fails with.
 */
export async function captureFolder(
  input: CaptureFolderInput,
  run: Pick<Run, "signal" | "report">,
): Promise<FolderCapture> {
  const capture = new Capture(input, run);
  return await capture.run();
}

/** Endings that are told apart; who renames in bulk uses one. */
const mostEndings = 100;

/** `contract.pdf.locked` has `.locked` behind another ending. */
function countEnding(endings: Map<string, number>, name: ByteName): void {
  const [, ending] = /\.[A-Za-z0-9]{1,5}(\.[A-Za-z0-9_-]{1,20})$/.exec(name) ?? [];
  if (ending === undefined || (endings.size >= mostEndings && !endings.has(ending))) return;
  endings.set(ending, (endings.get(ending) ?? 0) + 1);
}

function mostOf(endings: ReadonlyMap<string, number>): Pick<FolderCapture, "appended"> {
  const [most] = [...endings].toSorted(([, a], [, b]) => b - a);
  return most === undefined ? {} : { appended: { ending: most[0], files: most[1] } };
}

/** A folder on the way: its nodes come in by slot, in the order of names, when their contents are stored. */
interface Frame {
  readonly scan: FolderScan;
  readonly entries: Iterator<Entry, void>;
  /** Relative to the captured folder, with `/` at its end; empty for that itself. */
  readonly inside: string;
  readonly old: OldFolder | undefined;
  /** `same`: the two are one tree. */
  readonly also: OldFolder | "same" | undefined;
  readonly nodes: FolderWriter;
  /** Where the finished folder goes; absent for the captured folder. */
  readonly finish: (tree: Id | undefined) => void;
  /** Items whose contents are not stored yet, and 1 while entries are being read. */
  pending: number;
}

class Capture {
  readonly #input: CaptureFolderInput;
  readonly #run: Pick<Run, "signal" | "report">;
  readonly #counts = noCounts();
  readonly #appended = new Map<string, number>();
  readonly #warnings: Warning[] = [];
  readonly #forbidden: string[] = [];
  readonly #open = new Set<Frame>();
  readonly #done = Promise.withResolvers<Id>();
  #failed = false;
  readonly #files: FileCapture;

  constructor(input: CaptureFolderInput, run: Pick<Run, "signal" | "report">) {
    this.#input = input;
    this.#run = run;
    this.#done.promise.catch(() => {}); // awaited at the end; a failure before that must not be an unhandled one
    this.#files = {
      upload: input.upload,
      warn: (warning) => this.#warn(warning),
      forbid: process.geteuid?.() === 0 ? undefined : (path) => this.#forbid(path),
      linked: new Map(),
    };
  }

  async run(): Promise<FolderCapture> {
    try {
      const { entry, scan, details } = this.#openRoot();
      const rootDetails = this.#encoded(details, () => scan.path);
      await this.#walk(scan);
      const tree = await this.#done.promise;
      this.#progress();
      if (this.#forbidden.length > 0) {
        const [subject = ""] = this.#forbidden;
        this.#warn({ code: "no-root", subject, detail: String(this.#forbidden.length) });
      }
      return {
        ...this.#counts,
        ...mostOf(this.#appended),
        tree,
        node: { ...nodeOf(entry, fieldsOf(entry), rootDetails), subtree: tree },
        warnings: this.#warnings,
        forbidden: this.#forbidden,
      };
    } finally {
      this.#failed = true;
      for (const { scan } of this.#open) scan[Symbol.dispose]();
    }
  }

  #openRoot(): ReturnType<typeof rootEntry> & { readonly scan: FolderScan } {
    const { path, excludes, includes = [], oneFileSystem = "no" } = this.#input;
    try {
      const root = rootEntry(path);
      const scan = scanFolder(path, {
        excludes,
        includes,
        oneFileSystem,
        onWarning: (warning) => this.#warn(warning),
        onForbidden: (forbidden) => this.#forbid(forbidden),
      });
      return { ...root, scan };
    } catch (error) {
      const reason = systemCode(error);
      throw new HoldfastError("source-missing", { path: nameText(path), reason }, error);
    }
  }

  async #walk(root: FolderScan): Promise<void> {
    const { compareWith, countAgainst } = this.#input;
    const old = await this.#load(compareWith);
    const also = countAgainst === compareWith ? "same" : await this.#load(countAgainst);
    const begin = this.#frame(root, "", old, also, (tree) => {
      if (tree !== undefined) this.#done.resolve(tree);
    });
    const way = [begin];
    let seen = 0;
    for (let here = way.at(-1); here; here = way.at(-1)) {
      const { done, value: entry } = here.entries.next();
      seen += 1;
      if (seen % 256 === 0) {
        this.#progress();
        await nextTurn();
        this.#run.signal.throwIfAborted();
      }
      if (this.#failed) break; // `done` tells why
      if (done) {
        way.pop();
        await this.#countGone(here);
        this.#settle(here);
      } else if (this.#input.only?.(`${here.inside}${entry.name}` as ByteName) === false) {
        continue;
      } else if (entry.type === "dir") {
        await this.#input.upload.ready();
        way.push(await this.#folder(here, entry));
      } else {
        const waiting = this.#entry(here, entry);
        if (waiting) await waiting;
      }
    }
  }

  async #folder(parent: Frame, entry: Entry): Promise<Frame> {
    const fields = fieldsOf(entry);
    const { known, knownAlso, oldPlace } = taken(parent, entry);
    const slot = reserve(parent);
    const trusted = this.#trusts(entry, fields, known) ? known : undefined;
    const details = trusted ?? this.#scannedDetails(parent.scan, entry);
    const scan = parent.scan.child(entry);
    const old = known && (await parent.old?.child(known, this.#input.reader, this.#run.signal));
    const isSame = knownAlso?.subtree !== undefined && knownAlso.subtree === known?.subtree;
    const also = isSame || parent.also === "same" || !knownAlso ? "same" : await this.#childOf(parent.also, knownAlso);
    if (known && known.type !== "dir") await this.#countRemoved(goneNode(known));
    return this.#frame(scan, `${parent.inside}${entry.name}/`, old, also, (tree) => {
      if (tree !== undefined && details !== undefined) {
        const same = trusted?.subtree === tree && isSameNode(entry, fields, trusted);
        if (same) parent.nodes.put(slot, trusted, oldPlace);
        else parent.nodes.put(slot, { ...nodeOf(entry, fields, details), subtree: tree });
        this.#counts.dirs += 1;
        if (known?.type !== "dir") this.#counts.newDirs += 1;
        else if (known.subtree === tree) this.#counts.unmodifiedDirs += 1;
        else this.#counts.changedDirs += 1;
      } else parent.nodes.put(slot, undefined);
      this.#settle(parent);
    });
  }

  /**
   * Everything that is no folder. A promise only where there is something to wait for: the upload's queue is full, or
   * a folder stood here before.
   */
  #entry(frame: Frame, entry: Entry): Promise<void> | undefined {
    const fields = fieldsOf(entry);
    const { known, knownAlso, oldPlace } = taken(frame, entry);
    const replaced = known?.subtree === undefined ? undefined : this.#countRemoved(goneNode(known));
    const trusted = this.#trusts(entry, fields, known) ? known : undefined;
    if (entry.type !== "file") {
      const slot = reserve(frame);
      const node = this.#renewed(frame, entry, fields, trusted);
      frame.nodes.put(slot, node, node === trusted ? oldPlace : undefined);
      this.#settle(frame);
      if (known?.type === "file") this.#counts.removedFiles += 1;
    } else if (trusted && hasContent(this.#input.reader, trusted)) {
      const slot = reserve(frame);
      const node = this.#renewed(frame, entry, fields, trusted);
      frame.nodes.put(slot, node, node === trusted ? oldPlace : undefined);
      if (node) this.#count(frame, entry, { node, known, knownAlso, readBytes: 0, storedBytes: 0, addedBytes: 0 });
      this.#settle(frame);
    } else {
      this.#read(frame, entry, fields, known, knownAlso);
      const room = this.#input.upload.ready();
      return room && replaced ? Promise.all([room, replaced]).then(() => undefined) : (room ?? replaced);
    }
    return replaced;
  }

  /** Has a worker read a file, and puts its node into its place when that is done. */
  #read(
    frame: Frame,
    entry: Entry,
    fields: EntryFields,
    known: TreeNode | undefined,
    knownAlso: TreeNode | undefined,
  ): void {
    const slot = reserve(frame);
    captureFile(this.#files, frame.scan, entry).then(
      (captured) => {
        if (this.#failed) return;
        if (captured) {
          const { entry: now, details, content, size, readBytes, storedBytes, addedBytes } = captured;
          const encoded = this.#encoded(details, () => joinName(frame.scan.path, now.name));
          const node = nodeOf(now, now === entry ? fields : fieldsOf(now), encoded);
          node.size = size;
          node.content = content;
          frame.nodes.put(slot, node);
          this.#count(frame, now, { node, known, knownAlso, readBytes, storedBytes, addedBytes });
        } else frame.nodes.put(slot, undefined);
        this.#settle(frame);
      },
      (error: unknown) => this.#fail(error),
    );
  }

  /** The node of what has not been read: the old one itself where not a field differs. */
  #renewed(frame: Frame, entry: Entry, fields: EntryFields, trusted: TreeNode | undefined): TreeNode | undefined {
    if (trusted && isSameNode(entry, fields, trusted)) return trusted;
    const details = trusted ?? this.#scannedDetails(frame.scan, entry);
    const content = trusted?.content;
    return details && { ...nodeOf(entry, fields, details), ...(content && { content }) };
  }

  #trusts(entry: Entry, fields: EntryFields, known: TreeNode | undefined): boolean {
    return known !== undefined && this.#input.kind !== "full" && isUntouched(entry, fields, known);
  }

  #count(frame: Frame, entry: Entry, file: FileToCount): void {
    countFile(this.#counts, file, this.#input.upload);
    if (file.known?.type !== "file") countEnding(this.#appended, entry.name);
    this.#input.onFile?.(`${frame.inside}${entry.name}` as ByteName, entry.ctimeNs);
  }

  async #countGone(frame: Frame): Promise<void> {
    if (frame.old && frame.scan.readable) await this.#countRemoved(frame.old.gone());
  }

  async #countRemoved({ files, folders }: GoneNodes): Promise<void> {
    this.#counts.removedFiles += files;
    if (folders.length === 0) return;
    this.#counts.removedFiles += await countFiles(this.#input.reader, folders, this.#run.signal);
  }

  async #childOf(folder: OldFolder | undefined, node: TreeNode): Promise<OldFolder | undefined> {
    return await folder?.child(node, this.#input.reader, this.#run.signal);
  }

  #frame(
    scan: FolderScan,
    inside: string,
    old: OldFolder | undefined,
    also: Frame["also"],
    finish: Frame["finish"],
  ): Frame {
    const nodes = new FolderWriter(old, () => this.#input.upload.treeWriter());
    const frame: Frame = { scan, entries: scan.entries(), inside, old, also, nodes, finish, pending: 1 };
    this.#open.add(frame);
    return frame;
  }

  /** One item of a folder less is pending; after the last, the tree is stored and the folder above is told. */
  #settle(frame: Frame): void {
    frame.pending -= 1;
    if (frame.pending > 0 || this.#failed) return;
    this.#store(frame).then(
      (tree) => {
        if (this.#failed) return;
        frame.scan[Symbol.dispose]();
        this.#open.delete(frame);
        frame.finish(tree);
      },
      (error: unknown) => this.#fail(error),
    );
  }

  /** `undefined`: leave the folder out. */
  async #store(frame: Frame): Promise<Id | undefined> {
    const isRoot = frame.inside === "";
    if (!isRoot && (!frame.scan.readable || (!frame.scan.included && frame.nodes.isEmpty))) return undefined;
    return frame.nodes.finish();
  }

  async #load(id: Id | undefined): Promise<OldFolder | undefined> {
    return await OldFolder.load(this.#input.reader, id, this.#run.signal);
  }

  #scannedDetails(scan: FolderScan, entry: Entry): NodeDetails | undefined {
    const details = scan.details(entry);
    return details && this.#encoded(details, () => joinName(scan.path, entry.name));
  }

  #encoded(details: EntryDetails, path: () => ByteName): NodeDetails {
    return encodeDetails(details, path, (warning) => this.#warn(warning));
  }

  #warn(warning: Warning): void {
    this.#warnings.push(warning);
    this.#run.report({ type: "warning", warning });
  }

  #forbid(path: ByteName): void {
    this.#forbidden.push(nameText(path));
  }

  #progress(): void {
    const { bytes, files } = this.#counts;
    this.#run.report({ type: "progress", phase: "files", doneBytes: bytes, doneItems: files });
  }

  #fail(error: unknown): void {
    this.#failed = true;
    this.#done.reject(error);
  }
}

/** A place for a node in its folder: taken in the order of names, filled when the contents are stored. */
function reserve(frame: Frame): number {
  frame.pending += 1;
  return frame.nodes.reserve();
}

/** What the earlier backups have under an entry's name, and where that stands in the one that is compared with. */
function taken({ old, also }: Frame, { name }: Entry) {
  const known = old?.take(name);
  const knownAlso = also === "same" ? known : also?.take(name);
  return { known, knownAlso, oldPlace: known && old?.placeOfTaken };
}

function goneNode(node: TreeNode): GoneNodes {
  return { files: node.type === "file" ? 1 : 0, folders: node.subtree === undefined ? [] : [node] };
}
