import { HoldfastError } from "../lib/errors.ts";
import { JsonScan } from "./json-scan.ts";

/** Told of each blob that a tree names. `id` is 32 bytes that are valid during the call only. */
export interface TreeVisitor {
  data(id: Uint8Array): void;
  subtree(id: Uint8Array): void;
}

const nodesKey = Buffer.from("nodes");
const typeKey = Buffer.from("type");
const contentKey = Buffer.from("content");
const subtreeKey = Buffer.from("subtree");
const dirType = Buffer.from("dir");

/**
 * Finds the blobs that a tree blob names, and reads nothing else of it: no node is made, so that a folder of a million
 * files costs no memory beside its bytes. Several times faster than `parseTree`.
 *
 * Rather too much is told than too little, since what is not told may be deleted: `content` counts whatever the node's
 * type. What cannot be understood (not JSON, an id that is none, a folder without a tree) is `repository-damaged`.
 */
export function scanTree(bytes: Uint8Array, visitor: TreeVisitor): void {
  const scan = new JsonScan(bytes, "tree-unreadable");
  const id = new Uint8Array(32);
  let isFolder = false;
  let hasTree = false;
  let fields = 0;
  const blob = (): void => {
    scan.id(id);
    visitor.data(id);
  };
  const field = (): void => {
    fields++;
    if (scan.was(contentKey)) scan.list(blob);
    else if (scan.was(subtreeKey)) {
      if (scan.isNull()) return;
      scan.id(id);
      visitor.subtree(id);
      hasTree = true;
    } else if (scan.was(typeKey)) {
      scan.text();
      if (scan.was(dirType)) isFolder = true;
    } else scan.skip();
  };
  const node = (): void => {
    isFolder = false;
    hasTree = false;
    fields = 0;
    scan.object(field);
    if (fields === 0) throw scan.damaged();
    if (isFolder && !hasTree) throw new HoldfastError("repository-damaged", { reason: "dir-subtree-missing" });
  };
  let found = false;
  scan.object(() => {
    if (!scan.was(nodesKey)) scan.skip();
    else if (scan.isNull()) throw scan.damaged();
    else {
      scan.list(node);
      found = true;
    }
  });
  scan.end();
  if (!found) throw scan.damaged();
}
