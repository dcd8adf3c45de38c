import type { Id, Tree, TreeNode } from "../../format/tree.ts";
import { nameFromText } from "../../lib/byte-name.ts";
import type { Upload } from "../../repository/repository.ts";

/**
 * Nodes for what never was a file: constant owner and mode, no inode, and times that do not move while the contents
 * stay the same, so that an unchanged folder keeps its tree id.
 */
const fileMode = 0o644;
const folderMode = 0o755 + 2 ** 31;

export function virtualFile(name: string, content: readonly Id[], size: number, time: string): TreeNode {
  return { ...common(name, time), type: "file", mode: fileMode, size, content };
}

export function virtualFolder(name: string, subtree: Id, time: string): TreeNode {
  return { ...common(name, time), type: "dir", mode: folderMode, subtree };
}

/** A folder's tree, sorted; a node that is what it was `before` keeps its times. */
export function virtualTree(nodes: readonly TreeNode[], before: Tree | undefined): Tree {
  const old = new Map(before?.nodes.map((node) => [node.name, node]));
  const kept = nodes.map((node) => {
    const was = old.get(node.name);
    if (!was || was.type !== node.type || was.subtree !== node.subtree || !sameList(was.content, node.content)) {
      return node;
    }
    return { ...node, mtime: was.mtime, atime: was.mtime, ctime: was.mtime };
  });
  return { nodes: kept.toSorted((a, b) => (a.name < b.name ? -1 : 1)) };
}

/** The tree with this node in place of the one of its name. */
export function withNode(tree: Tree, node: TreeNode): Tree {
  const others = tree.nodes.filter(({ name }) => name !== node.name);
  return { nodes: [...others, node].toSorted((a, b) => (a.name < b.name ? -1 : 1)) };
}

/** A tree that is stored already. */
export interface KnownTree {
  readonly id: Id;
  readonly tree: Tree;
}

/** Stores a folder's tree; one that is what it was `before` is stored already. */
export async function storeTree(
  store: Pick<Upload, "tree">,
  nodes: readonly TreeNode[],
  before: KnownTree | undefined,
): Promise<Id> {
  const tree = virtualTree(nodes, before?.tree);
  return before && sameNodes(tree, before.tree) ? before.id : store.tree(tree);
}

function sameNodes(a: Tree, b: Tree): boolean {
  return (
    a.nodes.length === b.nodes.length &&
    a.nodes.every((node, index) => {
      const other = b.nodes[index];
      return (
        other !== undefined &&
        other.name === node.name &&
        other.type === node.type &&
        other.subtree === node.subtree &&
        sameList(other.content, node.content)
      );
    })
  );
}

function common(name: string, time: string): Pick<TreeNode, "name" | "mtime" | "atime" | "ctime" | "uid" | "gid"> {
  return { name: nameFromText(name), mtime: time, atime: time, ctime: time, uid: 0, gid: 0 };
}

function sameList(a: readonly Id[] | undefined, b: readonly Id[] | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.length === b.length && a.every((id, index) => id === b[index]);
}
