import type { Id, TreeNode } from "../../format/tree.ts";
import { joinName, nameText, type ByteName } from "../../lib/byte-name.ts";
import type { BlobReader } from "../../repository/repository.ts";

export interface FileChange {
  readonly action: "created" | "changed" | "deleted";
  /** As `browse` shows it: `/files/attachments/2026/contract.pdf`. */
  readonly path: string;
  /** Bytes before and after, of a file. */
  readonly before?: number;
  readonly after?: number;
  /** Of a change: what differs. Times alone are none. */
  readonly what?: "content" | "metadata";
}

/** Files in which two folders of snapshots differ. Folders that are the same tree are not looked into. */
export async function* fileChanges(
  reader: BlobReader,
  from: Id | undefined,
  to: Id | undefined,
  path: ByteName,
  signal: AbortSignal,
): AsyncGenerator<FileChange, void> {
  if (from === to) return;
  signal.throwIfAborted();
  const before = from === undefined ? [] : (await reader.loadTree(from, signal)).nodes;
  const now = to === undefined ? [] : (await reader.loadTree(to, signal)).nodes;
  const were = new Map(before.map((node) => [node.name, node]));
  const are = new Map(now.map((node) => [node.name, node]));
  for (const name of [...new Set([...were.keys(), ...are.keys()])].toSorted()) {
    const [was, is] = [were.get(name), are.get(name)];
    const inside = joinName(path, name);
    if (isFile(was) || isFile(is)) {
      const change = compareNodes(isFile(was) ? was : undefined, isFile(is) ? is : undefined, nameText(inside));
      if (change) yield change;
    }
    yield* fileChanges(reader, was?.subtree, is?.subtree, inside, signal);
  }
}

function isFile(node: TreeNode | undefined): node is TreeNode {
  return node !== undefined && node.type !== "dir";
}

function compareNodes(was: TreeNode | undefined, is: TreeNode | undefined, path: string): FileChange | undefined {
  const sizes = {
    ...(was?.type === "file" && { before: Number(was.size ?? 0) }),
    ...(is?.type === "file" && { after: Number(is.size ?? 0) }),
  };
  if (!was) return { action: "created", path, ...sizes };
  if (!is) return { action: "deleted", path, ...sizes };
  const content = (node: TreeNode) =>
    JSON.stringify([node.type, node.content, node.linkTarget, String(node.device ?? "")]);
  const metadata = (node: TreeNode) => JSON.stringify([node.mode, node.uid, node.gid, node.extendedAttributes ?? []]);
  if (content(was) !== content(is)) return { action: "changed", path, what: "content", ...sizes };
  if (metadata(was) !== metadata(is)) return { action: "changed", path, what: "metadata", ...sizes };
  return undefined;
}
