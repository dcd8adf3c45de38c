import { HoldfastError } from "../lib/errors.ts";
import { nodeStretches } from "./node-stretches.ts";
import { NodeFields, type TreeProblem } from "./tree-node-fields.ts";
import type { Tree, TreeNode } from "./tree.ts";

/** Reads a tree; the first problem is thrown as `repository-damaged`. A missing mode is taken for 0. */
export function parseTree(bytes: Uint8Array): Tree {
  return { nodes: [...parseNodes([bytes], bytes.length)] };
}

/** The same of a tree that comes in pieces, which need not outlive the next: nodes are made as they are asked for. */
export function parseNodes(pieces: Iterable<Uint8Array>, length: number): Generator<TreeNode, void, undefined> {
  return inspectNodes(pieces, length, ({ code, node, field }) => {
    if (code === "node-mode-missing") return;
    throw new HoldfastError("repository-damaged", { reason: [code, field].join(" ").trim(), node });
  });
}

/**
 * Reads a tree of `length` bytes and tells everything that is wrong with it; nodes that make no sense are left out. What
 * is no tree at all ends with `tree-unreadable`, after the nodes before that place if it is a large one.
 */
export function* inspectNodes(
  pieces: Iterable<Uint8Array>,
  length: number,
  onProblem: (problem: TreeProblem) => void,
): Generator<TreeNode, void, undefined> {
  let previous: string | undefined;
  let index = 0;
  const values = length > largeTree ? largeTreeValues(pieces) : treeValues(pieces);
  for (;;) {
    let next: IteratorResult<unknown, void>;
    try {
      next = values.next();
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      onProblem({ code: "tree-unreadable", node: "", field: "" });
      return;
    }
    if (next.done) return;
    const fields = new NodeFields(next.value, index++, onProblem);
    const node = fields.node();
    if (node === undefined) continue;
    if (previous !== undefined && node.name === previous) fields.problem("node-duplicate", "");
    else if (previous !== undefined && node.name < previous) fields.problem("node-order", "");
    previous = node.name;
    yield node;
  }
}

/**
 * From here on, a tree is taken in pieces: a folder of 10,000 files. All at once would be several times the memory of
 * what comes of it.
 */
export const largeTree = 4 << 20;

/** Each node as `JSON.parse` gives it; `SyntaxError` for what is no tree. */
function* treeValues(pieces: Iterable<Uint8Array>): Generator<unknown, void, undefined> {
  const parts = [...pieces];
  const [first] = parts;
  const bytes = parts.length === 1 && first !== undefined ? first : Buffer.concat(parts);
  const value = parsed(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8"));
  const nodes = typeof value === "object" && value !== null && "nodes" in value ? value.nodes : undefined;
  if (!Array.isArray(nodes)) throw new SyntaxError("nodes");
  yield* nodes as readonly unknown[];
}

/** The same, a few hundred nodes at a time. */
function* largeTreeValues(pieces: Iterable<Uint8Array>): Generator<unknown, void, undefined> {
  for (const stretch of nodeStretches(pieces)) yield* parsed(`[${stretch}]`) as readonly unknown[];
}

function parsed(text: string): unknown {
  return longNumber.test(text) ? JSON.parse(text, exactNumber) : JSON.parse(text);
}

/** A number that a double may not hold exactly: only then is the slower way of parsing taken. */
const longNumber = /:\s*\d{16}/;

function exactNumber(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (typeof value !== "number" || Number.isSafeInteger(value)) return value;
  const source = context?.source ?? "";
  return /^\d{16,20}$/.test(source) ? BigInt(source) : value;
}
