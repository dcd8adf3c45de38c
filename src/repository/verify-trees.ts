import { hash } from "node:crypto";
import type { BlobType, Id, TreeNode } from "../format/tree.ts";
import { addAll } from "../lib/add-all.ts";
import { nameText } from "../lib/byte-name.ts";
import { mapBounded } from "../lib/map-bounded.ts";
import type { BlobIndex } from "./blob-index.ts";
import type { DefectCode, DefectList } from "./defects.ts";
import { childTrees } from "./child-trees.ts";
import { isDamage } from "./damage.ts";
import type { OpenedTree } from "./opened-tree.ts";
import type { BlobReader } from "./repository.ts";
import type { BadPacks } from "./verify-packs.ts";

export interface TreesToVerify {
  readonly reader: BlobReader;
  readonly index: BlobIndex;
  readonly bad: BadPacks;
  readonly defects: DefectList;
  readonly signal: AbortSignal;
  readonly onRead: (storedBytes: number) => void;
}

/** A file that has other names: all of them come back as one file. */
interface LinkedFile {
  readonly path: string;
  /** Device and inode. */
  readonly identity: string;
  readonly contents: string;
}

/** What is remembered of a tree once it was looked at. */
interface TreeRecord {
  readonly children: Id[];
  readonly linked: LinkedFile[];
  /** Snapshots that have this tree: shared with all its defects, filled in at the end. Absent: it has none. */
  touched?: Id[];
}

/** Trees that are read at once, and taken from the pile together. */
const readsAtOnce = 4;
const batchSize = 64;

/**
 * Walks the trees of snapshots. A tree is looked at once however many snapshots share it; afterwards each of its
 * defects is told with all the snapshots that it touches.
 */
export class TreeVerifier {
  readonly #parts: TreesToVerify;
  readonly #trees = new Map<Id, TreeRecord>();
  /** One byte an entry of the index: whether a snapshot needs it. */
  readonly #used: Uint8Array;
  readonly #roots = new Map<Id, Id>();
  /** Trees that need a blob which only a damaged pack had, by the number of the pack. */
  readonly #needing = new Map<number, Set<TreeRecord>>();
  /** Trees that need a blob which no index names. */
  readonly #missing = new Set<TreeRecord>();

  constructor(parts: TreesToVerify) {
    this.#parts = parts;
    this.#used = new Uint8Array(parts.index.count);
  }

  get trees(): number {
    return this.#trees.size;
  }

  async walk(snapshot: Id, root: Id): Promise<void> {
    this.#roots.set(snapshot, root);
    // The last first, so that the pile stays small and neighbours in a pack are read together.
    const pile: { id: Id; path: string }[] = [{ id: root, path: "/" }];
    while (pile.length > 0) {
      this.#parts.signal.throwIfAborted();
      const batch = pile.splice(-batchSize).filter(({ id }) => !this.#trees.has(id));
      const fresh = batch.filter(({ id }, index) => batch.findIndex((one) => one.id === id) === index);
      for (const { id } of fresh) this.#trees.set(id, { children: [], linked: [] });
      const inside = await mapBounded(fresh, readsAtOnce, ({ id, path }) => this.#readTree(id, path));
      for (const folders of inside) for (const folder of folders) pile.push(folder);
    }
  }

  /** To be called when all snapshots were walked: what can only be said of a snapshot as a whole. */
  finish(): void {
    this.#findTouched();
    for (const [pack, records] of this.#needing) this.#parts.bad.touch(pack, this.#touchedBy(records));
  }

  /** Snapshots that need what no index names: an index that cannot be read may be why. */
  touchedByMissing(): readonly Id[] {
    return this.#touchedBy(this.#missing);
  }

  #findTouched(): void {
    const doubtful = this.#hasDoubtfulLinks();
    const isDefective = [...this.#trees.values()].some(({ touched }) => touched !== undefined);
    if (!doubtful && !isDefective) return;
    const conflicts = new Map<string, Id[]>();
    for (const [snapshot, root] of this.#roots) {
      const links = new Map<string, LinkedFile>();
      for (const record of this.#reachable(root)) {
        record.touched?.push(snapshot);
        for (const file of record.linked) this.#checkLink(file, links, snapshot, conflicts);
      }
    }
  }

  /** Blobs that no walked snapshot needs; a second copy of a needed one does not count. */
  unusedBlobs(): number {
    const { index } = this.#parts;
    let unused = 0;
    for (const [entry, used] of this.#used.entries()) {
      if (used === 0 && this.#used[index.find(index.type(entry), index.id(entry))] === 0) unused += 1;
    }
    return unused;
  }

  /** How many trees nothing leads to. Reads those that no snapshot has; what cannot be read leads nowhere. */
  async unnamedRoots(): Promise<number> {
    const { index, reader, signal } = this.#parts;
    const rest = new Set<Id>();
    for (let entry = 0; entry < index.count; entry++) {
      if (index.type(entry) === "tree" && !this.#trees.has(index.id(entry))) rest.add(index.id(entry));
    }
    const inside = new Set<Id>();
    for (const id of rest) for (const child of await childTrees(reader, id, signal)) inside.add(child);
    return [...rest].filter((id) => !inside.has(id)).length;
  }

  /** The folders inside. */
  async #readTree(id: Id, path: string): Promise<readonly { readonly id: Id; readonly path: string }[]> {
    const { reader, index, signal, onRead } = this.#parts;
    const entry = index.find("tree", id);
    if (entry < 0) {
      this.#defect(id, "tree-missing", path, id);
      this.#noteMissing(this.#trees.get(id));
      return [];
    }
    this.#used[entry] = 1;
    let tree: OpenedTree;
    try {
      tree = await reader.openTree(id, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!isDamage(error)) throw error;
      this.#defect(id, "tree-damaged", path, `${id} ${String(error.facts["reason"] ?? error.code)}`);
      this.#noteDamaged(this.#trees.get(id), "tree", id);
      return [];
    }
    onRead(index.location(entry)?.length ?? 0);
    const below = path === "/" ? "" : path;
    const nodes = tree.inspect(({ code, node, field }) => {
      this.#defect(id, code, node === "" ? path : `${below}/${node}`, field);
    });
    const record = this.#trees.get(id);
    const folders: { id: Id; path: string }[] = [];
    for (const node of nodes) {
      const nodePath = `${below}/${nameText(node.name)}`;
      if (record && node.type === "file") this.#checkFile(record, nodePath, node);
      if (node.subtree === undefined) continue;
      record?.children.push(node.subtree);
      folders.push({ id: node.subtree, path: nodePath });
    }
    return folders;
  }

  #checkFile(record: TreeRecord, path: string, node: TreeNode): void {
    const { index } = this.#parts;
    const content = node.content ?? [];
    let sum = 0;
    let missing = 0;
    let damaged = 0;
    for (const id of content) {
      const entry = index.find("data", id);
      if (entry < 0) {
        missing += 1;
        continue;
      }
      this.#used[entry] = 1;
      sum += index.size(entry);
      if (!this.#isDamaged(entry, id)) continue;
      damaged += 1;
      this.#noteDamaged(record, "data", id);
    }
    if (missing > 0) this.#noteMissing(record);
    if (missing > 0) this.#recordDefect(record, "blob-missing", path, `${missing}/${content.length}`);
    if (damaged > 0) this.#recordDefect(record, "file-damaged", path, `${damaged}/${content.length}`);
    if (missing === 0 && BigInt(node.size ?? 0) !== BigInt(sum)) {
      this.#recordDefect(record, "file-size", path, `${node.size ?? 0}, not ${sum}`);
    }
    if ((node.links ?? 1) > 1 && node.inode !== undefined) {
      const contents = `${node.size ?? 0} ${hash("sha256", content.join(), "hex")}`;
      record.linked.push({ path, identity: `${node.deviceId ?? 0} ${node.inode}`, contents });
    }
  }

  /** Whether no pack has the blob whole: it may stand in several. */
  #isDamaged(entry: number, id: Id): boolean {
    const { bad, index } = this.#parts;
    return bad.entries.has(entry) && index.findAll("data", id).every((copy) => bad.entries.has(copy));
  }

  #noteDamaged(record: TreeRecord | undefined, type: BlobType, id: Id): void {
    const { index } = this.#parts;
    for (const entry of index.findAll(type, id)) {
      const pack = index.location(entry)?.pack;
      if (record === undefined || pack === undefined) continue;
      const needing = this.#needing.get(pack) ?? new Set();
      this.#needing.set(pack, needing.add(record));
    }
  }

  #noteMissing(record: TreeRecord | undefined): void {
    if (record !== undefined) this.#missing.add(record);
  }

  #touchedBy(records: Iterable<TreeRecord>): readonly Id[] {
    const touched = new Set<Id>();
    for (const record of records) for (const snapshot of record.touched ?? []) touched.add(snapshot);
    return [...touched];
  }

  #hasDoubtfulLinks(): boolean {
    const contents = new Map<string, string>();
    for (const { linked } of this.#trees.values()) {
      for (const file of linked) {
        const known = contents.get(file.identity);
        if (known !== undefined && known !== file.contents) return true;
        contents.set(file.identity, file.contents);
      }
    }
    return false;
  }

  #checkLink(file: LinkedFile, links: Map<string, LinkedFile>, snapshot: Id, conflicts: Map<string, Id[]>): void {
    const other = links.get(file.identity);
    if (other === undefined) links.set(file.identity, file);
    if (other === undefined || other.contents === file.contents) return;
    const pair = `${file.path}\0${other.path}`;
    const touched = conflicts.get(pair);
    if (touched !== undefined) {
      touched.push(snapshot);
      return;
    }
    const snapshots = [snapshot];
    conflicts.set(pair, snapshots);
    this.#parts.defects.add("hard-link-conflict", file.path, other.path, snapshots);
  }

  #reachable(root: Id): readonly TreeRecord[] {
    const seen = new Set<Id>();
    const found: TreeRecord[] = [];
    const pile = [root];
    for (let id = pile.pop(); id !== undefined; id = pile.pop()) {
      const record = this.#trees.get(id);
      if (record === undefined || seen.has(id)) continue;
      seen.add(id);
      found.push(record);
      addAll(pile, record.children);
    }
    return found;
  }

  #defect(tree: Id, code: DefectCode, subject: string, detail: string): void {
    const record = this.#trees.get(tree);
    if (record !== undefined) this.#recordDefect(record, code, subject, detail);
  }

  #recordDefect(record: TreeRecord, code: DefectCode, subject: string, detail: string): void {
    record.touched ??= [];
    this.#parts.defects.add(code, subject, detail, record.touched);
  }
}
