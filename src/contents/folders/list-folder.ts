import type { Id, TreeNode } from "../../format/tree.ts";
import type { ByteName } from "../../lib/byte-name.ts";
import type { BlobReader } from "../../repository/repository.ts";

/** A thing in a snapshot and where it lies: relative to the tree that was asked, without `/` at either end. */
export interface FoundNode {
  readonly path: ByteName;
  readonly node: TreeNode;
}

/**
 * The node at a path below a tree, loading one tree a step; `undefined` when there is none. `/` at either end and
 * twice in a row mean nothing; the tree itself has no node, so an empty path finds none.
 */
export async function findPath(
  reader: BlobReader,
  root: Id,
  path: ByteName,
  signal: AbortSignal,
): Promise<TreeNode | undefined> {
  let tree: Id | undefined = root;
  let found: TreeNode | undefined;
  for (const step of path.split("/").filter((one) => one !== "")) {
    if (tree === undefined) return undefined;
    const { nodes } = await reader.loadTree(tree, signal);
    found = nodes.find((node) => node.name === step);
    if (!found) return undefined;
    tree = found.subtree;
  }
  return found;
}

/** What a folder of a snapshot holds, by name. */
export async function listTree(reader: BlobReader, tree: Id, signal: AbortSignal): Promise<readonly TreeNode[]> {
  return (await reader.loadTree(tree, signal)).nodes;
}

/** Everything below a tree, a folder before what it holds. Memory: the folders on the way. */
export async function* walkTree(reader: BlobReader, root: Id, signal: AbortSignal): AsyncGenerator<FoundNode> {
  const way = [{ prefix: "", nodes: await listTree(reader, root, signal), at: 0 }];
  for (let here = way.at(-1); here; here = way.at(-1)) {
    const node = here.nodes[here.at];
    here.at += 1;
    if (!node) {
      way.pop();
      continue;
    }
    const path = `${here.prefix}${node.name}` as ByteName;
    yield { path, node };
    if (node.subtree !== undefined) {
      way.push({ prefix: `${path}/`, nodes: await listTree(reader, node.subtree, signal), at: 0 });
    }
  }
}

/** A file's contents, blob by blob, the next one loaded while this one is used. */
export async function* readContent(reader: BlobReader, node: TreeNode, signal: AbortSignal): AsyncGenerator<Buffer> {
  const ids = node.content ?? [];
  const load = (id: Id): Promise<Buffer> => {
    const loading = reader.load("data", id, signal);
    loading.catch(() => {}); // told when its turn comes
    return loading;
  };
  let next = ids[0] === undefined ? undefined : load(ids[0]);
  for (let index = 0; next; index += 1) {
    const current = await next;
    const following = ids[index + 1];
    next = following === undefined ? undefined : load(following);
    yield current;
  }
}
