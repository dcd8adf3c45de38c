import { closeSync } from "node:fs";
import { readFolder } from "../../files/entry.ts";
import type { Entry } from "../../files/files.ts";
import { isSafeName, openFolderIn } from "../../files/open-folder.ts";
import { compilePatterns, type PatternSet } from "../../files/patterns.ts";
import type { NodeType, TreeNode } from "../../format/tree.ts";
import { joinName, type ByteName } from "../../lib/byte-name.ts";
import { isHoldfastError } from "../../lib/errors.ts";
import { isTemporaryName } from "../../lib/temporary-name.ts";
import { compareFile, compareSmall, sameMetadata, type Difference } from "./compare-entry.ts";
import { HardLinks } from "./hard-links.ts";
import type { Owners } from "./node-metadata.ts";
import type { FolderReason, WriteFolderInput } from "./plan-folder.ts";
import { Selection } from "./selection.ts";
import { TreesAhead } from "./trees-ahead.ts";

interface StepBase {
  readonly inside: ByteName;
  readonly name: ByteName;
  /** Descriptor of the folder that holds it; `undefined` where that is not there yet. */
  readonly parent: number | undefined;
  readonly existing: Entry | undefined;
  readonly reason?: FolderReason;
  readonly bytes: number;
  readonly type: NodeType;
}

/**
 * Where the walk goes on after a folder: in the folder that is open, in one that is not there (everything in it will
 * be created), in a new and empty one, or past it.
 */
export type FolderEntered =
  | { readonly state: "open" | "new"; readonly descriptor: number }
  | { readonly state: "absent" }
  | { readonly state: "closed" };

/** One thing to do or not to do at the target, in the order of a walk: a folder comes before what it holds. */
export type Step =
  | (StepBase & {
      readonly kind: "folder";
      readonly action: "create" | "update" | "skip";
      readonly node: TreeNode;
      /**
       * Whether the folder gets the node's metadata in the end: also where nothing but its times differs, which is
       * not worth a line in a plan, since every change inside moves them.
       */
      readonly settles: "yes" | "no";
      /** Must be called before the next step is asked for. */
      readonly enter: (folder: FolderEntered) => void;
    })
  /** All that the folder holds has been told; its descriptor is the caller's to close. */
  | { readonly kind: "leave"; readonly inside: ByteName }
  | (StepBase & {
      readonly kind: "file";
      readonly action: "create" | "update";
      readonly node: TreeNode;
      readonly what: "content" | "metadata";
    })
  /** Another link to a file that was told before. */
  | (StepBase & { readonly kind: "link"; readonly action: "create" | "update"; readonly linkTo: ByteName })
  | (StepBase & { readonly kind: "small"; readonly action: "create" | "update"; readonly node: TreeNode })
  | (StepBase & { readonly kind: "remove"; readonly action: "remove" })
  /** What an earlier restore left half made: removed without a word. */
  | { readonly kind: "leftover"; readonly name: ByteName; readonly parent: number }
  | (StepBase & { readonly kind: "nothing"; readonly action: "skip" | "conflict"; readonly reason: FolderReason });

export interface TargetWalk extends AsyncIterable<Step> {
  /** Those of the wanted paths that the snapshot does not hold; known when the walk has ended. */
  readonly unmatched: () => readonly ByteName[];
}

/**
 * Walks a snapshot's folder and the target side by side, and says for each thing what the switches ask for. Changes
 * nothing itself. `root` is the target's descriptor, `undefined` while it is not there; `see` is told of all that
 * stands at the target.
 */
export function walkTarget(
  input: WriteFolderInput,
  root: number | undefined,
  see: (inside: ByteName, entry: Entry) => void,
): TargetWalk {
  const selection = new Selection(input.paths);
  const walker = new Walker(input, selection, see);
  return { [Symbol.asyncIterator]: () => walker.steps(root), unmatched: () => selection.unmatched() };
}

interface Frame {
  readonly inside: ByteName;
  readonly nodes: Iterator<TreeNode, void>;
  readonly trees: TreesAhead;
  readonly descriptor: number | undefined;
  /** What stands at the target and no node has claimed. */
  readonly existing: Map<ByteName, Entry>;
  /** Whether the folder is wanted itself, or is only on the way to something. */
  readonly wanted: "whole" | "way";
}

class Walker {
  readonly #input: WriteFolderInput;
  readonly #selection: Selection;
  readonly #see: (inside: ByteName, entry: Entry) => void;
  readonly #links = new HardLinks();
  readonly #keep: PatternSet;
  readonly #owners: Owners = process.geteuid?.() === 0 ? "set" : "keep";

  constructor(input: WriteFolderInput, selection: Selection, see: (inside: ByteName, entry: Entry) => void) {
    this.#input = input;
    this.#selection = selection;
    this.#see = see;
    this.#keep = compilePatterns(input.keep ?? []);
  }

  async *steps(root: number | undefined): AsyncGenerator<Step, void, undefined> {
    const { reader, tree, signal } = this.#input;
    const top = (await reader.openTree(tree, signal)).nodes();
    const entered: FolderEntered = root === undefined ? { state: "absent" } : { state: "open", descriptor: root };
    const way = [this.#frame("" as ByteName, top, entered, this.#selection.of("" as ByteName) ?? "way")];
    for (let here = way.at(-1); here; here = way.at(-1)) {
      const { done, value: node } = here.nodes.next();
      if (!done) {
        const inside = insideOf(here, node.name);
        const wanted = this.#selection.of(inside);
        const existing = here.existing.get(node.name);
        here.existing.delete(node.name);
        if (!wanted || !isSafeName(node.name)) continue; // a tree with such a name is not even parsed
        if (existing) this.#see(inside, existing);
        if (node.type === "dir") {
          const frame = yield* this.#folder(here, inside, node, existing, wanted);
          if (frame) way.push(frame);
        } else {
          yield await this.#leaf(here, inside, node, existing);
        }
      } else {
        if (here.wanted === "whole") yield* this.#others(here);
        way.pop();
        if (here.descriptor !== undefined && here.inside !== "") yield { kind: "leave", inside: here.inside };
      }
      signal.throwIfAborted();
    }
  }

  async *#folder(
    parent: Frame,
    inside: ByteName,
    node: TreeNode,
    existing: Entry | undefined,
    wanted: "whole" | "way",
  ): AsyncGenerator<Step, Frame | undefined, undefined> {
    const base = { inside, name: node.name, parent: parent.descriptor, existing, bytes: 0, type: node.type };
    const nodes = await this.#load(parent, node);
    const action = nodes ? this.#folderAction(base.parent, node, existing, wanted) : "damaged";
    if (!nodes || (action !== "create" && action !== "update" && action !== "skip")) {
      this.#selection.pass(inside);
      const reason = nodes ? action : "damaged";
      yield nothing(base, reason as FolderReason);
      return undefined;
    }
    let entered: FolderEntered = { state: "absent" };
    const settles = action !== "skip" || (wanted === "whole" && this.#input.switches.updateChanged) ? "yes" : "no";
    yield { ...base, kind: "folder", action, node, settles, enter: (folder) => (entered = folder) };
    if (isState(entered, "closed")) {
      this.#selection.pass(inside);
      return undefined;
    }
    return this.#frame(inside, nodes, entered, wanted);
  }

  #folderAction(
    parent: number | undefined,
    node: TreeNode,
    existing: Entry | undefined,
    wanted: "whole" | "way",
  ): "create" | "update" | "skip" | FolderReason {
    const { createMissing, updateChanged } = this.#input.switches;
    if (!existing || parent === undefined) return createMissing ? "create" : "missing";
    // What is in it comes with it.
    if (existing.type !== "dir") return createMissing && updateChanged ? "update" : obstacle(existing);
    if (!updateChanged || wanted === "way") return "skip";
    const folder = openFolderIn(parent, node.name);
    try {
      return sameMetadata(folder, existing, node, this.#owners) ? "skip" : "update";
    } finally {
      closeSync(folder);
    }
  }

  async #leaf(here: Frame, inside: ByteName, node: TreeNode, existing: Entry | undefined): Promise<Step> {
    const { switches } = this.#input;
    const parent = here.descriptor;
    const base = { inside, name: node.name, parent, existing, bytes: 0, type: node.type };
    if (node.type === "socket") return nothing(base, "unsupported");
    if ((node.type === "dev" || node.type === "chardev") && this.#owners === "keep") return nothing(base, "needs-root");
    const first = this.#links.first(node);
    const linked = first !== undefined && existing?.inode !== undefined && existing.inode === first.existingInode;
    if (linked) return nothing(base, "same");
    if (!existing || parent === undefined) {
      if (!switches.createMissing) return nothing(base, "missing");
      return this.#make(base, "create", node, "content");
    }
    if (existing.type !== node.type) {
      if (!switches.updateChanged || !this.#mayGive(parent, inside, existing)) return nothing(base, obstacle(existing));
      return this.#make(base, "update", node, "content");
    }
    const difference = await this.#difference(parent, existing, node);
    if (difference === "none" && (!first || !switches.updateChanged)) {
      this.#links.found(node, inside, existing.inode);
      return nothing(base, "same");
    }
    if (!switches.updateChanged) return nothing(base, "exists");
    return this.#make(base, "update", node, difference === "metadata" ? "metadata" : "content");
  }

  #make(base: StepBase, action: "create" | "update", node: TreeNode, what: "content" | "metadata"): Step {
    if (node.type !== "file") return { ...base, kind: "small", action, node };
    const first = this.#links.first(node);
    if (first) return { ...base, kind: "link", action, linkTo: first.inside };
    this.#links.found(node, base.inside, what === "metadata" ? base.existing?.inode : undefined);
    return { ...base, kind: "file", action, node, what, bytes: what === "content" ? Number(node.size ?? 0) : 0 };
  }

  async #difference(parent: number, existing: Entry, node: TreeNode): Promise<Difference> {
    const { reader, signal } = this.#input;
    if (node.type !== "file") return compareSmall(parent, existing, node, this.#owners);
    return await compareFile(parent, existing, node, this.#owners, reader, signal);
  }

  /** Whether what stands in the way may go: a folder only where everything that is newer may. */
  #mayGive(parent: number, inside: ByteName, existing: Entry): boolean {
    if (existing.type !== "dir") return true;
    return this.#input.switches.removeNewer && !this.#holdsKept(parent, inside, existing);
  }

  *#others(here: Frame): Generator<Step, void, undefined> {
    const { descriptor: parent } = here;
    if (parent === undefined) return;
    for (const [name, existing] of here.existing) {
      const inside = insideOf(here, name);
      if (isTemporaryName(name) && existing.type !== "dir") {
        yield { kind: "leftover", name, parent };
        continue;
      }
      this.#see(inside, existing);
      const bytes = existing.type === "file" ? existing.size : 0;
      const base = { inside, name, parent, existing, bytes, type: existing.type };
      if (this.#input.switches.removeNewer && !this.#holdsKept(parent, inside, existing)) {
        yield { ...base, bytes: 0, kind: "remove", action: "remove" };
      } else if (!this.#isKept(inside, existing)) {
        yield nothing({ ...base, bytes: 0 }, "newer");
      }
    }
  }

  #isKept(inside: ByteName, entry: Entry): boolean {
    return this.#keep.matches(inside, entry.type === "dir" ? "folder" : "other");
  }

  #holdsKept(parent: number, inside: ByteName, entry: Entry): boolean {
    if (this.#keep.isEmpty) return false;
    if (this.#isKept(inside, entry)) return true;
    if (entry.type !== "dir" || !this.#keep.mayMatchBelow(inside)) return false;
    const folder = openFolderIn(parent, entry.name);
    try {
      return [...readFolder(folder).values()].some((one) => this.#holdsKept(folder, joinName(inside, one.name), one));
    } finally {
      closeSync(folder);
    }
  }

  async #load(parent: Frame, node: TreeNode): Promise<Iterable<TreeNode, void> | undefined> {
    try {
      return await parent.trees.load(node.subtree ?? "");
    } catch (error) {
      if (isHoldfastError(error, "repository-damaged")) return undefined;
      throw error;
    }
  }

  #frame(inside: ByteName, nodes: Iterable<TreeNode, void>, entered: FolderEntered, wanted: "whole" | "way"): Frame {
    const { reader, signal } = this.#input;
    const descriptor = "descriptor" in entered ? entered.descriptor : undefined;
    const existing = entered.state === "open" ? readFolder(entered.descriptor) : new Map<ByteName, Entry>();
    const trees = new TreesAhead(reader, nodes, signal);
    return { inside, nodes: nodes[Symbol.iterator](), trees, descriptor, existing, wanted };
  }
}

function nothing(base: StepBase, reason: FolderReason): Step {
  const conflicts: readonly FolderReason[] = ["type", "link", "damaged"];
  return { ...base, kind: "nothing", action: conflicts.includes(reason) ? "conflict" : "skip", reason };
}

function obstacle(existing: Entry): FolderReason {
  return existing.type === "symlink" ? "link" : "type";
}

function insideOf(frame: Frame, name: ByteName): ByteName {
  return frame.inside === "" ? name : joinName(frame.inside, name);
}

/** The callback that sets it is unknown to the compiler's narrowing. */
function isState(entered: FolderEntered, state: FolderEntered["state"]): boolean {
  return entered.state === state;
}
