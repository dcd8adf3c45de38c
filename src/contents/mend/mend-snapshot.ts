import type { DatabaseEngine } from "../../database/database.ts";
import type { Id, TreeNode } from "../../format/tree.ts";
import { addAll } from "../../lib/add-all.ts";
import { nameFromText, nameText } from "../../lib/byte-name.ts";
import type { Warning } from "../../lib/events.ts";
import { layout } from "../layout.ts";
import { type DatabaseManifest, type Manifest, serialiseManifest } from "../manifest.ts";
import { loadManifest, nodeNamed } from "../open-snapshot.ts";
import { storeFile } from "../tables/rows-writer.ts";
import { virtualFile } from "../tables/virtual-nodes.ts";
import { mendDatabase, type MendedDatabase } from "./mend-database.ts";
import { isDamage } from "../../repository/damage.ts";
import { FolderMender, type MendOptions } from "./mend-folder.ts";

/** Tag of a snapshot that a repair has written, instead of one that was whole no longer. */
export const mendedTag = "mended";

export interface MendedSnapshot {
  /** Absent: nothing is left. */
  readonly tree?: Id;
  /** Absent where it is no backup of ours, or nothing says any more what it was. */
  readonly manifest?: Manifest;
  /** What it lacks. Empty: nothing, and `tree` is its own. */
  readonly losses: readonly Warning[];
}

export interface SnapshotMenderOptions extends MendOptions {
  readonly databases: readonly DatabaseEngine[];
}

/** Mends one snapshot after the other; what they share is looked at once. */
export class SnapshotMender {
  readonly #options: SnapshotMenderOptions;
  readonly #folders: FolderMender;
  readonly #databases = new Map<string, Promise<MendedDatabase | undefined>>();

  constructor(options: SnapshotMenderOptions) {
    this.#options = options;
    this.#folders = new FolderMender(options);
  }

  /** `crm`: its name, where it is a backup of ours. `likeness`: another backup of it, should its manifest be lost. */
  async mend(root: Id, crm: string | undefined, likeness: Manifest | undefined): Promise<MendedSnapshot> {
    if (await this.#folders.isWhole(root)) {
      const manifest = await this.manifest(root, crm);
      return { tree: root, losses: [], ...(manifest && { manifest }) };
    }
    const own = await this.manifest(root, crm);
    const manifest = own ?? likeness;
    const tree = await this.#folders.load(root);
    const inside = crm === undefined ? undefined : tree && nodeNamed(tree, nameFromText(crm))?.subtree;
    const ofCrm = inside === undefined ? undefined : await this.#folders.load(inside);
    if (tree === undefined || inside === undefined || ofCrm === undefined || manifest === undefined) {
      const left = await this.#folders.mend(root);
      const isEmpty = left.tree !== undefined && (await this.#folders.load(left.tree))?.nodes.length === 0;
      return isEmpty ? { losses: left.losses } : left;
    }
    const origin = own === undefined ? "likeness" : "own";
    return await this.#mendBackup(tree.nodes, inside, ofCrm.nodes, manifest, origin);
  }

  /** What a snapshot says of itself; `undefined` when that is lost. */
  async manifest(root: Id, crm: string | undefined): Promise<Manifest | undefined> {
    const { reader, signal } = this.#options;
    const tree = await this.#folders.load(root);
    const inside = tree && crm !== undefined ? nodeNamed(tree, nameFromText(crm))?.subtree : undefined;
    const ofCrm = inside === undefined ? undefined : await this.#folders.load(inside);
    const node = ofCrm && nodeNamed(ofCrm, nameFromText(layout.manifest));
    if (node === undefined) return undefined;
    try {
      return await loadManifest(reader, node, signal);
    } catch (error) {
      if (isDamage(error)) return undefined;
      throw error;
    }
  }

  async #mendBackup(
    rootNodes: readonly TreeNode[],
    inside: Id,
    nodes: readonly TreeNode[],
    manifest: Manifest,
    origin: "own" | "likeness",
  ): Promise<MendedSnapshot> {
    const { sink } = this.#options;
    const losses: Warning[] = [];
    const kept: TreeNode[] = [];
    let databases: readonly DatabaseManifest[] = [];
    for (const node of nodes) {
      const name = nameText(node.name);
      if (name === layout.manifest) continue;
      if (name === layout.databases && node.subtree !== undefined) {
        const mended = await this.#mendDatabases(node.subtree, manifest, origin);
        addAll(losses, mended.losses);
        databases = mended.databases;
        kept.push({ ...node, subtree: mended.tree });
        continue;
      }
      if (node.subtree === undefined) {
        kept.push(node);
        continue;
      }
      const mended = await this.#folders.mend(node.subtree);
      addAll(
        losses,
        mended.losses.map((loss) => ({ ...loss, subject: `/${name}${loss.subject}` })),
      );
      // Each part has its folder, be it empty.
      kept.push({ ...node, subtree: mended.tree ?? (await this.#folders.make([])) });
    }
    if (origin === "likeness") losses.push({ code: "lost-manifest", subject: layout.manifest });
    const left = await this.#leftOf(manifest, kept);
    const written: Manifest = {
      ...manifest,
      ...left,
      databases,
      outcome: "warning",
      warnings: [...manifest.warnings, ...losses],
    };
    const bytes = Buffer.from(serialiseManifest(written));
    const content = await storeFile({ store: sink, storedBytes: 0 }, bytes, "hot");
    kept.push(virtualFile(layout.manifest, content, bytes.length, manifest.startedAt));
    const tree = await this.#folders.make(kept);
    const root = rootNodes.map((node) => (node.subtree === inside ? { ...node, subtree: tree } : node));
    return { tree: await this.#folders.make(root), manifest: written, losses };
  }

  async #mendDatabases(
    id: Id,
    manifest: Manifest,
    origin: "own" | "likeness",
  ): Promise<{
    readonly tree: Id;
    readonly databases: readonly DatabaseManifest[];
    readonly losses: readonly Warning[];
  }> {
    const tree = await this.#folders.load(id);
    const losses: Warning[] = [];
    const databases: DatabaseManifest[] = [];
    const kept: TreeNode[] = [];
    for (const database of manifest.databases) {
      const node = tree && nodeNamed(tree, nameFromText(database.name));
      const path = `/${layout.databases}/${database.name}`;
      const isWhole = node?.subtree !== undefined && (await this.#folders.isWhole(node.subtree));
      if (node?.subtree === undefined) {
        if (origin === "own" || tree === undefined) losses.push({ code: "lost-folder", subject: path });
      } else if (isWhole && origin === "own") {
        databases.push(database);
        kept.push(node);
      } else {
        // By another backup's manifest: its numbers of rows are not this one's, and this one may have had no schema left.
        const mended = await this.#mendDatabase(node.subtree, database);
        if (mended !== undefined) {
          databases.push(mended.manifest);
          kept.push(isWhole ? node : { ...node, subtree: mended.tree });
          addAll(
            losses,
            mended.losses.map((loss) => ({ ...loss, subject: `${path}/${loss.subject}` })),
          );
          // The scripts were made anew: nothing of them is lost.
          if (mended.losses.length === 0 && !isWhole) losses.push({ code: "mended", subject: path });
        } else {
          const rest = await this.#folders.mend(node.subtree);
          losses.push({ code: "lost-schema", subject: path });
          if (rest.tree !== undefined) kept.push({ ...node, subtree: rest.tree });
        }
      }
    }
    return { tree: await this.#folders.make(kept), databases, losses };
  }

  /** Equal ones are mended once; what is different of them in two manifests are the positions alone. */
  async #mendDatabase(id: Id, manifest: DatabaseManifest): Promise<MendedDatabase | undefined> {
    const engine = this.#options.databases.find(({ name }) => name === manifest.engine);
    if (engine === undefined) return undefined;
    let found = this.#databases.get(id);
    if (found === undefined) {
      this.#databases.set(id, (found = mendDatabase(this.#options, this.#folders, engine, manifest, id)));
    }
    const mended = await found;
    return mended && { ...mended, manifest: { ...manifest, tables: mended.manifest.tables } };
  }

  /** Folders and configuration files that are still there. */
  async #leftOf(manifest: Manifest, kept: readonly TreeNode[]): Promise<Pick<Manifest, "folders" | "config">> {
    const namesIn = async (part: string): Promise<ReadonlySet<string>> => {
      const id = kept.find(({ name }) => nameText(name) === part)?.subtree;
      const original = id === undefined ? undefined : await this.#folders.load(id);
      return new Set(original?.nodes.map(({ name }) => nameText(name)));
    };
    const [folders, config] = [await namesIn(layout.files), await namesIn(layout.config)];
    return {
      folders: manifest.folders.filter(({ name }) => folders.has(name)),
      config: manifest.config.filter(({ name }) => config.has(name)),
    };
  }
}
