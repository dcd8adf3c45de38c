import type { TreeNode } from "../../format/tree.ts";
import type { ByteName } from "../../lib/byte-name.ts";

interface FirstLink {
  readonly inside: ByteName;
  readonly node: TreeNode;
  /** Inode at the target, where the file there is right as it is. */
  readonly existingInode: bigint | number | undefined;
}

/**
 * Which nodes of a snapshot are links to one file: same device and inode, several links, and the same contents. The
 * last is asked because a snapshot may claim anything, and two files must not become one.
 */
export class HardLinks {
  readonly #firsts = new Map<string, FirstLink>();

  /** The first link to the same file that will be, or is, right at the target. */
  first(node: TreeNode): FirstLink | undefined {
    const key = keyOf(node);
    const first = key === undefined ? undefined : this.#firsts.get(key);
    return first && sameContent(first.node, node) ? first : undefined;
  }

  found(node: TreeNode, inside: ByteName, existingInode: bigint | number | undefined): void {
    const key = keyOf(node);
    if (key !== undefined && !this.#firsts.has(key)) this.#firsts.set(key, { inside, node, existingInode });
  }
}

function keyOf(node: TreeNode): string | undefined {
  if (node.type !== "file" || node.inode === undefined || BigInt(node.links ?? 1) < 2n) return undefined;
  return `${node.deviceId ?? 0}:${node.inode}`;
}

function sameContent(a: TreeNode, b: TreeNode): boolean {
  const left = a.content ?? [];
  const right = b.content ?? [];
  return left.length === right.length && left.every((id, index) => id === right[index]);
}
