import { closeSync, fchmodSync, fchownSync } from "node:fs";
import { FolderChain, makeFolderIn, openFolderIn, openTarget, pathIn } from "../../files/open-folder.ts";
import { beginToDisk } from "../../files/to-disk.ts";
import { placeHardLink, placeSmallEntry, removeIn, setMetadata, type SmallEntry } from "../../files/write-entry.ts";
import type { TreeNode } from "../../format/tree.ts";
import { joinName, nameText, type ByteName } from "../../lib/byte-name.ts";
import { HoldfastError, isHoldfastError } from "../../lib/errors.ts";
import type { Warning } from "../../lib/events.ts";
import type { Limits } from "../../lib/limits.ts";
import type { Run } from "../../lib/run.ts";
import { systemCode } from "../../lib/system-code.ts";
import type { FileToWrite, IndexedRepository } from "../../repository/repository.ts";
import { metadataOf, wantedPermissions, type Owners } from "./node-metadata.ts";
import { planItem, type FolderAction, type FolderPlanItem, type WriteFolderInput } from "./plan-folder.ts";
import { walkTarget, type FolderEntered, type Step } from "./walk-target.ts";

export interface FolderWritten {
  /** What was done; what was left as it is counts as `skip` and `conflict`. */
  readonly counts: Readonly<Record<FolderAction, number>>;
  /** Files written, and their bytes. */
  readonly files: number;
  readonly bytes: number;
  /** Items that should have been done and could not. */
  readonly failed: readonly { readonly path: string; readonly reason: string }[];
  readonly warnings: readonly Warning[];
}

export interface WriteFolderOptions {
  readonly repository: IndexedRepository;
  readonly limits: Limits;
  /** `staged`: nobody uses the target before all of it is done, so files need not appear whole. Default `live`. */
  readonly target?: "live" | "staged";
  readonly run: Pick<Run, "signal" | "report">;
  /** Told of each item when it is decided, before it is done. */
  readonly onItem?: (item: FolderPlanItem) => void;
}

/** Files handed to the repository at once: enough for it to sort them by pack, few enough to hold. At first fewer, so that it can begin. */
const filesAtOnce = { first: 512, most: 8192 };
/** Between two beginnings of writing out what the system holds. */
const syncEveryMs = 500;
/** Folders held open for files on their way, well below what a process may have open. */
const foldersAtOnce = 800;

/**
 * Writes a snapshot's folder to a target: what `planFolder` says, decided anew for each item just before it is done.
 * Every file, link and device is whole or not there; a second run after a crash skips what is right already and
 * removes what was half made. Nothing outside the target is touched, whatever the snapshot or the target holds.
 * Metadata of folders is set last; that of the target itself is the caller's to set. What was written is safe from a power failure once `toDisk` was called.
 *
 * Fails with `target-unsafe`, `target-full`, `target-unwritten`, or what the repository fails with; single items that cannot be done are
 * in `failed`.
 */
export async function writeFolder(input: WriteFolderInput, options: WriteFolderOptions): Promise<FolderWritten> {
  const root = openTarget(input.target, "create");
  if (root === undefined) throw new HoldfastError("target-unsafe", { path: nameText(input.target) });
  const writer = new Writer(input, options, root);
  try {
    return await writer.run();
  } catch (error) {
    // What is on its way may take minutes more, and nobody wants it now.
    writer.stop(error);
    throw error;
  } finally {
    await writer.close();
    closeSync(root);
  }
}

/** A folder kept open until the walk has left it and the last of its files is written. */
interface HeldFolder {
  readonly descriptor: number;
  users: number;
}

class Writer {
  readonly #input: WriteFolderInput;
  readonly #options: WriteFolderOptions;
  readonly #root: number;
  readonly #owners: Owners = process.geteuid?.() === 0 ? "set" : "keep";
  readonly #counts = { create: 0, update: 0, remove: 0, skip: 0, conflict: 0 };
  readonly #failed: { readonly path: string; readonly reason: string }[] = [];
  readonly #failedFiles = new Set<ByteName>();
  /** What was lost, how often, and where first. */
  readonly #lost = new Map<string, { count: number; readonly first: string }>();
  readonly #held = new Map<number, HeldFolder>();
  readonly #way: HeldFolder[] = [];
  readonly #foldersToFinish: { readonly inside: ByteName; readonly node: TreeNode }[] = [];
  /** Ends what is on its way. */
  readonly #stopped = new AbortController();
  readonly #links: Extract<Step, { kind: "link" }>[] = [];
  #batch: FileToWrite[] = [];
  #filesAtOnce = filesAtOnce.first;
  #bytes = 0;
  #files = 0;
  #doneBytes = 0;
  #doneItems = 0;
  #full: Error | undefined;
  /** What was written before is not on the disk, whatever who asks next is told. */
  #unwritten: unknown;
  #writing: Promise<void> | undefined;
  #syncing: Promise<void> | undefined;
  #lastSync = performance.now();

  constructor(input: WriteFolderInput, options: WriteFolderOptions, root: number) {
    this.#input = input;
    this.#options = options;
    this.#root = root;
    this.#hold(root).users += 1; // never closed here
  }

  async run(): Promise<FolderWritten> {
    for await (const step of walkTarget(this.#input, this.#root, () => {})) {
      const item = planItem(step, this.#input.target);
      if (item) {
        this.#counts[item.action] += 1;
        this.#options.onItem?.(item);
      }
      this.#attempt("inside" in step ? step.inside : step.name, () => this.#do(step));
      if (step.kind === "folder" && step.action !== "skip") this.#told();
      // Folders of the batch that is being written are let go of with it.
      if (this.#holdsMany()) await this.#written();
      if (this.#batch.length >= this.#filesAtOnce || this.#holdsMany()) await this.#flush();
    }
    await this.#flush();
    await this.#written();
    this.#finishLinks();
    this.#finishFolders();
    this.#progress();
    await this.#syncing;
    if (this.#unwritten !== undefined) throw this.#unwritten;
    return {
      counts: this.#counts,
      files: this.#files,
      bytes: this.#bytes,
      failed: this.#failed,
      warnings: [...this.#lost].map(([what, { count, first }]): Warning => {
        return { code: "metadata-lost", subject: first, detail: `${what}: ${count}` };
      }),
    };
  }

  stop(reason: unknown): void {
    this.#stopped.abort(reason);
  }

  /** Closes its folders, once nobody uses them any more. */
  async close(): Promise<void> {
    await this.#writing?.catch(() => undefined);
    await this.#syncing;
    for (const { descriptor } of this.#held.values()) if (descriptor !== this.#root) closeSync(descriptor);
  }

  #do(step: Step): void {
    switch (step.kind) {
      case "folder":
        step.enter({ state: "closed" }); // unless it can be entered
        return step.enter(this.#folder(step));
      case "leave":
        return this.#release(this.#way.pop());
      case "file":
        return this.#file(step);
      case "link":
        this.#links.push(step);
        return;
      case "small":
        return this.#small(step);
      case "leftover":
      case "remove":
        if (step.parent !== undefined) removeIn(step.parent, step.name);
        return;
      case "nothing":
        return;
    }
  }

  #folder(step: Extract<Step, { kind: "folder" }>): FolderEntered {
    const { parent, name, inside, node, existing } = step;
    if (parent === undefined) return { state: "closed" };
    const isThere = existing?.type === "dir";
    if (existing && !isThere) removeIn(parent, name);
    const descriptor = isThere ? openFolderIn(parent, name) : makeFolderIn(parent, name);
    const held = this.#hold(descriptor);
    held.users += 1;
    this.#way.push(held);
    if (!isThere) this.#begin(descriptor, node);
    if (step.settles === "yes") this.#foldersToFinish.push({ inside, node });
    return { state: isThere ? "open" : "new", descriptor };
  }

  /** Who may use a new folder is settled at once, should this run be cut off; writing to it must be possible too. */
  #begin(descriptor: number, node: TreeNode): void {
    if (this.#owners === "set") fchownSync(descriptor, node.uid, node.gid);
    fchmodSync(descriptor, wantedPermissions(node, this.#owners) | 0o700);
  }

  #file(step: Extract<Step, { kind: "file" }>): void {
    const { parent, name, inside, node, existing } = step;
    if (parent === undefined) return;
    const metadata = metadataOf(node, this.#owners);
    this.#noteOwner(inside, node);
    if (step.what === "metadata") {
      setMetadata(pathIn(parent, name), "file", metadata, (what) => this.#lose(inside, what));
      return this.#told();
    }
    if (existing?.type === "dir") removeIn(parent, name);
    const held = this.#hold(parent);
    held.users += 1;
    const size = Number(node.size ?? 0);
    const done = (error: Error | undefined): void => {
      this.#release(held);
      if (error) return this.#fail(inside, error);
      this.#files += 1;
      this.#bytes += size;
      this.#told();
    };
    this.#batch.push({ folder: parent, name, content: node.content ?? [], size, metadata, done });
  }

  #small(step: Extract<Step, { kind: "small" }>): void {
    const { parent, name, inside, node, existing } = step;
    const entry = smallEntry(node);
    if (parent === undefined || !entry) return;
    if (existing?.type === "dir") removeIn(parent, name);
    this.#noteOwner(inside, node);
    placeSmallEntry(parent, name, entry, metadataOf(node, this.#owners), (what) => this.#lose(inside, what));
    this.#told();
  }

  /** Has the batch written, once the one before it is: meanwhile the next can be gathered. */
  async #flush(): Promise<void> {
    await this.#written();
    const files = this.#batch;
    this.#batch = [];
    this.#filesAtOnce = Math.min(this.#filesAtOnce * 4, filesAtOnce.most);
    if (files.length === 0) return;
    const { repository, limits, run, target } = this.#options;
    this.#writing = repository.writeFiles(files, {
      signal: AbortSignal.any([run.signal, this.#stopped.signal]),
      placing: target === "staged" ? "direct" : "rename",
      limits,
      onBytes: (bytes) => {
        this.#doneBytes += bytes;
        this.#progress();
        this.#syncSoon();
      },
      onMetadataLost: (name, what) => this.#lose(name, what),
    });
    this.#writing.catch(() => undefined); // told by `#written`
  }

  async #written(): Promise<void> {
    await this.#writing;
    this.#writing = undefined;
    if (this.#full) throw new HoldfastError("target-full", { path: nameText(this.#input.target) }, this.#full);
    if (this.#unwritten !== undefined) throw this.#unwritten;
  }

  /** What was written goes to the disk while the rest is read: who waits for all of it then waits for the last only. */
  #syncSoon(): void {
    if (this.#syncing !== undefined || performance.now() < this.#lastSync + syncEveryMs) return;
    const noted = (error: unknown): void => void (this.#unwritten ??= error);
    this.#syncing = beginToDisk(this.#root, this.#input.target)
      .catch(noted)
      .finally(() => {
        this.#syncing = undefined;
        this.#lastSync = performance.now();
      });
  }

  /** Second and further links, once the first is there. */
  #finishLinks(): void {
    using to = new FolderChain(this.#root);
    using from = new FolderChain(this.#root);
    for (const { inside, name, linkTo, existing } of this.#links) {
      this.#attempt(inside, () => {
        if (this.#failedFiles.has(linkTo)) throw new Error(`${nameText(linkTo)} is missing`);
        const folder = to.open(folderOf(inside));
        if (existing?.type === "dir") removeIn(folder, name);
        placeHardLink(folder, name, from.open(folderOf(linkTo)), linkTo.slice(linkTo.lastIndexOf("/") + 1) as ByteName);
        this.#told();
      });
    }
  }

  /** Times of a folder change with each thing that is put into it: all of them, the deepest first. */
  #finishFolders(): void {
    using chain = new FolderChain(this.#root);
    for (const { inside, node } of this.#foldersToFinish.toReversed()) {
      this.#attempt(inside, () => {
        const parent = chain.open(folderOf(inside));
        const path = pathIn(parent, node.name);
        this.#noteOwner(inside, node);
        setMetadata(path, "dir", metadataOf(node, this.#owners), (what) => this.#lose(inside, what));
      });
    }
  }

  #attempt(inside: ByteName, work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#fail(inside, error);
    }
  }

  #fail(inside: ByteName, error: unknown): void {
    const code = systemCode(error) ?? "";
    if (code === "ENOSPC" || code === "EDQUOT" || isHoldfastError(error, "target-full")) this.#full ??= error as Error;
    this.#failedFiles.add(inside);
    const reason = code || (error instanceof Error ? error.message : String(error));
    this.#failed.push({ path: this.#shown(inside), reason });
  }

  /** Not root: things belong to whoever runs this. Said once, with how many they are. */
  #noteOwner(inside: ByteName, node: TreeNode): void {
    if (this.#owners === "set") return;
    if (node.uid !== process.geteuid?.() || node.gid !== process.getegid?.()) this.#lose(inside, "owner");
  }

  #lose(inside: ByteName, what: string): void {
    const lost = this.#lost.get(what) ?? { count: 0, first: this.#shown(inside) };
    lost.count += 1;
    this.#lost.set(what, lost);
  }

  #shown(inside: ByteName): string {
    return nameText(joinName(this.#input.target, inside));
  }

  #holdsMany(): boolean {
    return this.#held.size > foldersAtOnce + this.#way.length;
  }

  #hold(descriptor: number): HeldFolder {
    const held = this.#held.get(descriptor) ?? { descriptor, users: 0 };
    this.#held.set(descriptor, held);
    return held;
  }

  #release(held: HeldFolder | undefined): void {
    if (!held) return;
    held.users -= 1;
    if (held.users > 0) return;
    this.#held.delete(held.descriptor);
    closeSync(held.descriptor);
  }

  #told(): void {
    this.#doneItems += 1;
    if (this.#doneItems % 256 === 0) this.#progress();
  }

  #progress(): void {
    this.#options.run.report({
      type: "progress",
      phase: "restore",
      doneBytes: this.#doneBytes,
      doneItems: this.#doneItems,
    });
  }
}

function smallEntry(node: TreeNode): SmallEntry | undefined {
  switch (node.type) {
    case "symlink":
      return { type: "symlink", linkTarget: node.linkTarget ?? ("" as ByteName) };
    case "fifo":
      return { type: "fifo" };
    case "dev":
    case "chardev":
      return { type: node.type, device: node.device ?? 0 };
    default:
      return undefined;
  }
}

function folderOf(inside: ByteName): ByteName {
  return inside.slice(0, Math.max(inside.lastIndexOf("/"), 0)) as ByteName;
}
