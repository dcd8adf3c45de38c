import { compareTimes, parseTime } from "../../format/time.ts";
import type { Id, Tree, TreeNode } from "../../format/tree.ts";
import { type ByteName, nameFromText } from "../../lib/byte-name.ts";
import { treeOf } from "../open-snapshot.ts";
import type { FileLook } from "./file-look.ts";
import type { OverlayBlobs } from "./overlay-blobs.ts";

/**
 * A new file counts for a moment so long before it: a CRM may commit the row first that names it. What stood at its place
 * before is not given up for it.
 */
const rowFirstNs = 2_000_000_000n;

export interface FilesMomentInput {
  readonly blobs: OverlayBlobs;
  /** Tree of `files` in the backup. */
  readonly tree: Id;
  /** When that was made; RFC 3339. */
  readonly since: string;
  /** In order. */
  readonly looks: AsyncIterable<FileLook>;
  /** Names of the parts that the backup has; others are left out. */
  readonly folders: readonly string[];
  /** RFC 3339; absent: as they were seen last. */
  readonly moment?: string;
  readonly signal: AbortSignal;
}

/** How a folder differs from the backup's, in files and their bytes. */
export interface CountedChange {
  files: number;
  bytes: number;
}

/** What is known of one path. */
interface PathFacts {
  /** As it was seen last before the moment; absent: nothing was seen of it. */
  seen?: TreeNode | "gone";
  /** As it was seen since, up to the look that began after the moment. */
  readonly later: TreeNode[];
  inside: Map<ByteName, PathFacts>;
  /** Whether something else stood here since the backup, so that what that has inside counts no more. */
  replaced: "yes" | "no";
}

/**
 * The files as they were at a moment: the backup's with what each look up to then found. What a later look found, the file's
 * own change time tells for: nobody can set it, and a file that was not changed since the moment was so at the moment.
 * Gives a tree of `files`, and how each folder's count differs.
 */
export async function filesAtMoment(
  input: FilesMomentInput,
): Promise<{ readonly tree: Id; readonly counts: ReadonlyMap<string, CountedChange> }> {
  const merge = new Merge(input);
  await merge.learn();
  return await merge.build();
}

class Merge {
  readonly #input: FilesMomentInput;
  readonly #momentNs: bigint | undefined;
  readonly #facts = new Map<ByteName, PathFacts>();
  #count: CountedChange = { files: 0, bytes: 0 };

  constructor(input: FilesMomentInput) {
    this.#input = input;
    this.#momentNs = input.moment === undefined ? undefined : (parseTime(input.moment) ?? 0n);
  }

  async learn(): Promise<void> {
    const { looks, since, moment, blobs, signal } = this.#input;
    for await (const { began, ended, gone, files } of looks) {
      if (compareTimes(ended, since) <= 0) continue;
      const isBefore = moment === undefined || compareTimes(ended, moment) <= 0;
      // What went and came again was in this order.
      if (isBefore) for (const { folder, path } of gone) this.#lose([nameFromText(folder), ...namesIn(path)]);
      if (files !== undefined)
        await this.#see(await blobs.loadTree(files, signal), this.#facts, isBefore ? "seen" : "later");
      if (moment !== undefined && compareTimes(began, moment) >= 0) return;
    }
  }

  async build(): Promise<{ readonly tree: Id; readonly counts: ReadonlyMap<string, CountedChange> }> {
    const { blobs, tree, folders, signal } = this.#input;
    const counts = new Map<string, CountedChange>();
    const nodes: TreeNode[] = [];
    const names = new Map(folders.map((name) => [nameFromText(name), name]));
    for (const node of (await blobs.loadTree(tree, signal)).nodes) {
      const name = names.get(node.name);
      const facts = this.#facts.get(node.name);
      this.#count = { files: 0, bytes: 0 };
      nodes.push((name !== undefined && facts && (await this.#apply(node, facts))) || node);
      if (name !== undefined) counts.set(name, this.#count);
    }
    return { tree: await blobs.sink.tree({ nodes }), counts };
  }

  #lose(names: readonly ByteName[]): void {
    let inside = this.#facts;
    let facts: PathFacts | undefined;
    for (const name of names) {
      facts = factsOf(inside, name);
      inside = facts.inside;
    }
    if (facts) replace(facts, "gone");
  }

  async #see({ nodes }: Tree, inside: Map<ByteName, PathFacts>, when: "seen" | "later"): Promise<void> {
    const { blobs, signal } = this.#input;
    for (const node of nodes) {
      const facts = factsOf(inside, node.name);
      if (when === "later") facts.later.push(node);
      else if (node.subtree === undefined) replace(facts, node);
      else {
        // What was there as a folder goes on; what was another thing does not.
        if (typeof facts.seen === "object" && facts.seen.subtree === undefined) replace(facts, node);
        facts.seen = node;
      }
      if (node.subtree !== undefined) await this.#see(await blobs.loadTree(node.subtree, signal), facts.inside, when);
    }
  }

  /** What stood there at the moment. `base`: in the backup. */
  async #apply(base: TreeNode | undefined, facts: PathFacts): Promise<TreeNode | undefined> {
    const { seen } = facts;
    let node = seen === "gone" ? undefined : (seen ?? base);
    for (const later of facts.later) if (this.#counts(later, node)) node = later;
    const before = facts.replaced === "yes" || base?.subtree === undefined ? undefined : base;
    if (base !== undefined && (before === undefined || node?.subtree === undefined)) await this.#countAll(base, -1);
    if (node === undefined) return undefined;
    if (node.subtree === undefined) {
      this.#countOne(node, 1);
      return node;
    }
    const { tree, isEmpty } = await this.#folder(before, facts.inside);
    // Made after the moment, and nothing in it is older.
    if (isEmpty && facts.later.includes(node) && !this.#isBefore(node, rowFirstNs)) return undefined;
    return { ...node, subtree: tree };
  }

  /** Whether a thing that was seen after the moment was there at the moment, where `known` was seen before it. */
  #counts(later: TreeNode, known: TreeNode | undefined): boolean {
    // A folder is there for what is in it; its own times say when a name in it came or went.
    if (later.subtree !== undefined) return known === undefined;
    return this.#isBefore(later, known === undefined ? rowFirstNs : 0n);
  }

  #isBefore({ ctime }: TreeNode, slackNs: bigint): boolean {
    const changedNs = parseTime(ctime);
    return changedNs !== undefined && this.#momentNs !== undefined && changedNs <= this.#momentNs + slackNs;
  }

  async #folder(
    before: TreeNode | undefined,
    inside: ReadonlyMap<ByteName, PathFacts>,
  ): Promise<{ readonly tree: Id; readonly isEmpty: boolean }> {
    const { blobs, signal } = this.#input;
    const nodes = new Map<ByteName, TreeNode>();
    if (before) for (const node of (await blobs.loadTree(treeOf(before), signal)).nodes) nodes.set(node.name, node);
    for (const [name, facts] of inside) {
      const node = await this.#apply(nodes.get(name), facts);
      if (node) nodes.set(name, node);
      else nodes.delete(name);
    }
    const sorted = [...nodes.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
    return { tree: await blobs.sink.tree({ nodes: sorted }), isEmpty: sorted.length === 0 };
  }

  async #countAll(node: TreeNode, sign: 1 | -1): Promise<void> {
    this.#countOne(node, sign);
    if (node.subtree === undefined) return;
    const { blobs, signal } = this.#input;
    for (const inside of (await blobs.loadTree(node.subtree, signal)).nodes) await this.#countAll(inside, sign);
  }

  #countOne({ type, size = 0 }: TreeNode, sign: 1 | -1): void {
    if (type !== "file") return;
    this.#count.files += sign;
    this.#count.bytes += sign * Number(size);
  }
}

function namesIn(path: ByteName): readonly ByteName[] {
  return path.split("/") as ByteName[];
}

function factsOf(inside: Map<ByteName, PathFacts>, name: ByteName): PathFacts {
  const facts = inside.get(name) ?? { later: [], inside: new Map<ByteName, PathFacts>(), replaced: "no" };
  inside.set(name, facts);
  return facts;
}

/** Nothing of what was below counts any more. */
function replace(facts: PathFacts, seen: TreeNode | "gone"): void {
  facts.seen = seen;
  facts.inside = new Map();
  facts.replaced = "yes";
}
