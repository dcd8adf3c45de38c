import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import { nameText, type ByteName } from "../lib/byte-name.ts";
import { goJsonString, isPlain } from "./go-json.ts";
import { isId } from "./json-fields.ts";
import { JsonScan } from "./json-scan.ts";
import { quoteName, unquoteName } from "./name.ts";
import { isTime } from "./time.ts";
import type { ExtendedAttribute, NodeType, Tree, TreeNode, Uint64 } from "./tree.ts";

/**
 * A tree blob: `{"nodes":[…]}` and a newline, byte for byte as restic writes it (order of fields, escapes, what is
 * left out), so that equal folders have equal ids whoever backed them up. One thing differs: a mode of 0 is written,
 * while restic leaves it out, which cannot be told from a mode that got lost.
 */
export function treeBytes(tree: Tree): Buffer {
  const parts: Buffer[] = [];
  let json = '{"nodes":[';
  let separator = "";
  for (const node of tree.nodes) {
    json += separator + nodeJson(node);
    separator = ",";
    // A string that grows by megabytes is slower to put together than its pieces are to copy.
    if (json.length > 65_536) {
      parts.push(Buffer.from(json, "utf8"));
      json = "";
    }
  }
  parts.push(Buffer.from(`${json}]}\n`, "utf8"));
  return Buffer.concat(parts);
}

function nodeJson(node: TreeNode): string {
  const name = isPlain(node.name) ? `"${node.name}"` : goJsonString(quoteName(node.name));
  let json = `{"name":${name},"type":"${node.type}","mode":${node.mode}`;
  json += `,"mtime":"${node.mtime}","atime":"${node.atime}","ctime":"${node.ctime}","uid":${node.uid},"gid":${node.gid}`;
  if (node.user !== undefined && node.user !== "") json += `,"user":${goJsonString(node.user)}`;
  if (node.group !== undefined && node.group !== "") json += `,"group":${goJsonString(node.group)}`;
  if (node.inode) json += `,"inode":${node.inode}`;
  if (node.deviceId) json += `,"device_id":${node.deviceId}`;
  if (node.size) json += `,"size":${node.size}`;
  if (node.links) json += `,"links":${node.links}`;
  if (node.linkTarget !== undefined) json += linkTargetJson(node.linkTarget);
  if (node.extendedAttributes !== undefined && node.extendedAttributes.length > 0) {
    json += `,"extended_attributes":[${node.extendedAttributes.map(attributeJson).join(",")}]`;
  }
  if (node.device) json += `,"device":${node.device}`;
  if (node.content === undefined) json += ',"content":null';
  else json += node.content.length === 0 ? ',"content":[]' : `,"content":["${node.content.join('","')}"]`;
  if (node.subtree !== undefined) json += `,"subtree":"${node.subtree}"`;
  if (node.error !== undefined && node.error !== "") json += `,"error":${goJsonString(node.error)}`;
  return `${json}}`;
}

/** restic 0.16 and newer keep a target that is not UTF-8 in `linktarget_raw`, as base64. */
function linkTargetJson(target: ByteName): string {
  if (target === "") return "";
  const bytes = Buffer.from(target, "latin1");
  const text = bytes.toString("utf8");
  const json = `,"linktarget":${goJsonString(text)}`;
  return Buffer.from(text, "utf8").equals(bytes) ? json : `${json},"linktarget_raw":"${bytes.toString("base64")}"`;
}

function attributeJson(attribute: ExtendedAttribute): string {
  return `{"name":${goJsonString(attribute.name)},"value":"${attribute.value}"}`;
}

/** What can be wrong with a tree; keys of `words` under `defect`. */
export const treeProblemCodes = [
  "tree-unreadable", // not JSON, or `nodes` is not a list
  "node-invalid", // a field has the wrong type or a value that cannot be
  "node-name-invalid", // empty, `.`, `..`, with `/` or NUL, or wrongly quoted
  "node-order", // names not ascending
  "node-duplicate", // two nodes of one name
  "node-mode-missing", // would come back with no permissions at all
  "file-content-missing", // a file without a list of blobs
  "dir-subtree-missing", // a folder without a tree
] as const;
export type TreeProblemCode = (typeof treeProblemCodes)[number];

export interface TreeProblem {
  readonly code: TreeProblemCode;
  /** The node's name as text, or its number; empty: the tree itself. */
  readonly node: string;
  /** Name of the field that is wrong; empty where the code says all. */
  readonly field: string;
}

/** Reads a tree; the first problem is thrown as `repository-damaged`. A missing mode is taken for 0. */
export function parseTree(bytes: Uint8Array): Tree {
  const { tree, problems } = inspectTree(bytes);
  const problem = problems.find(({ code }) => code !== "node-mode-missing");
  if (problem !== undefined) {
    const { code, node, field } = problem;
    throw new HoldfastError("repository-damaged", { reason: [code, field].join(" ").trim(), node });
  }
  return tree;
}

/** Reads a tree and names everything that is wrong with it; nodes that make no sense are left out of `tree`. */
export function inspectTree(bytes: Uint8Array): { readonly tree: Tree; readonly problems: readonly TreeProblem[] } {
  const problems: TreeProblem[] = [];
  const nodes: TreeNode[] = [];
  let previous = "";
  let index = 0;
  const read = bytes.length > largeTree ? readLargeTree : readTree;
  const readable = read(bytes, (value) => {
    const fields = new NodeFields(value, index++, problems);
    const node = fields.node();
    if (node === undefined) return;
    if (nodes.length > 0 && node.name === previous) fields.problem("node-duplicate", "");
    else if (node.name < previous) fields.problem("node-order", "");
    previous = node.name;
    nodes.push(node);
  });
  if (!readable) return { tree: { nodes: [] }, problems: [{ code: "tree-unreadable", node: "", field: "" }] };
  return { tree: { nodes }, problems };
}

/** From here on, a tree is taken in pieces: a folder of 10,000 files. */
const largeTree = 4 << 20;
const pieceBytes = 64 << 10;

/** Whether it is a tree at all; each node as `JSON.parse` gives it. */
function readTree(bytes: Uint8Array, visit: (node: unknown) => void): boolean {
  let nodes: unknown;
  try {
    const value = parsed(bytes, "", "");
    nodes = typeof value === "object" && value !== null && "nodes" in value ? value.nodes : undefined;
  } catch {
    return false;
  }
  if (!Array.isArray(nodes)) return false;
  for (const node of nodes as readonly unknown[]) visit(node);
  return true;
}

/** The same, a few hundred nodes at a time: all at once would be several times the memory of what comes of it. */
function readLargeTree(bytes: Uint8Array, visit: (node: unknown) => void): boolean {
  let found = false;
  let broken = false;
  const take = (start: number, end: number): void => {
    try {
      for (const node of parsed(bytes.subarray(start, end), "[", "]") as readonly unknown[]) visit(node);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      broken = true;
    }
  };
  try {
    const scan = new JsonScan(bytes, "tree-unreadable");
    scan.object(() => {
      if (!scan.was(nodesKey)) {
        scan.skip();
        return;
      }
      found = !scan.isNull();
      if (!found) return;
      let start = -1;
      let end = -1;
      scan.list(() => {
        if (start < 0) start = scan.at;
        scan.skip();
        end = scan.at;
        if (end - start < pieceBytes) return;
        take(start, end);
        start = -1;
      });
      if (start >= 0) take(start, end);
    });
    scan.end();
  } catch (error) {
    if (!isHoldfastError(error, "repository-damaged")) throw error;
    return false;
  }
  return found && !broken;
}

const nodesKey = Buffer.from("nodes");

function parsed(bytes: Uint8Array, before: string, after: string): unknown {
  const text = before + Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8") + after;
  return longNumber.test(text) ? JSON.parse(text, exactNumber) : JSON.parse(text);
}

/** A number that a double may not hold exactly: only then is the slower way of parsing taken. */
const longNumber = /:\s*\d{16}/;

function exactNumber(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (typeof value !== "number" || Number.isSafeInteger(value)) return value;
  const source = context?.source ?? "";
  return /^\d{16,20}$/.test(source) ? BigInt(source) : value;
}

const nodeTypes: ReadonlySet<unknown> = new Set<NodeType>([
  "file",
  "dir",
  "symlink",
  "dev",
  "chardev",
  "fifo",
  "socket",
]);
const largestUint64 = 2n ** 64n - 1n;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** One node as `JSON.parse` gave it, read field by field. */
class NodeFields {
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #problems: TreeProblem[];
  #label: string;

  constructor(value: unknown, index: number, problems: TreeProblem[]) {
    this.#fields = typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
    this.#problems = problems;
    this.#label = `#${index}`;
  }

  problem(code: TreeProblemCode, field: string): void {
    this.#problems.push({ code, node: this.#label, field });
  }

  node(): TreeNode | undefined {
    const fields = this.#fields;
    const name = typeof fields["name"] === "string" ? unquoteName(fields["name"]) : undefined;
    if (name === undefined || name === "") {
      this.problem("node-name-invalid", "name");
      return undefined;
    }
    this.#label = nameText(name);
    if (name === "." || name === ".." || name.includes("/") || name.includes("\0")) {
      this.problem("node-name-invalid", "name");
      return undefined;
    }
    const type = fields["type"];
    if (!nodeTypes.has(type)) {
      this.problem("node-invalid", "type");
      return undefined;
    }
    const mtime = this.#time("mtime", "");
    const node: Mutable<TreeNode> = {
      name,
      type: type as NodeType,
      mode: this.#mode(),
      mtime,
      atime: this.#time("atime", mtime),
      ctime: this.#time("ctime", mtime),
      uid: this.#uint32("uid"),
      gid: this.#uint32("gid"),
    };
    if (fields["user"] !== undefined) node.user = this.#text("user");
    if (fields["group"] !== undefined) node.group = this.#text("group");
    if (fields["inode"] !== undefined) node.inode = this.#uint64("inode");
    if (fields["device_id"] !== undefined) node.deviceId = this.#uint64("device_id");
    if (fields["links"] !== undefined) node.links = this.#uint64("links");
    if (fields["device"] !== undefined) node.device = this.#uint64("device");
    if (fields["error"] !== undefined) node.error = this.#text("error");
    if (fields["extended_attributes"]) node.extendedAttributes = this.#attributes();
    if (type === "symlink") node.linkTarget = this.#linkTarget();
    if (type === "file") {
      node.size = this.#uint64("size");
      node.content = this.#content();
    } else if (type === "dir") {
      const subtree = this.#subtree();
      if (subtree === undefined) return undefined;
      node.subtree = subtree;
    }
    return node;
  }

  #mode(): number {
    if (this.#fields["mode"] !== undefined) return this.#uint32("mode");
    this.problem("node-mode-missing", "");
    return 0;
  }

  /** `known` is a time that was checked just before: most nodes have one time three times. */
  #time(field: string, known: string): string {
    const value = this.#fields[field];
    if (value === known && known !== "") return known;
    if (typeof value === "string" && isTime(value)) return value;
    this.problem("node-invalid", field);
    return "1970-01-01T00:00:00Z";
  }

  #uint32(field: string): number {
    const value = this.#fields[field];
    if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff) return value;
    this.problem("node-invalid", field);
    return 0;
  }

  #uint64(field: string): Uint64 {
    const value = this.#fields[field] ?? 0;
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
    if (typeof value === "bigint" && value <= largestUint64) return value;
    this.problem("node-invalid", field);
    return 0;
  }

  #text(field: string): string {
    const value = this.#fields[field] ?? "";
    if (typeof value === "string") return value;
    this.problem("node-invalid", field);
    return "";
  }

  #linkTarget(): ByteName {
    const raw = this.#fields["linktarget_raw"];
    const bytes = raw ? base64Bytes(raw) : Buffer.from(this.#text("linktarget"), "utf8");
    if (bytes === undefined || bytes.length === 0 || bytes.includes(0)) this.problem("node-invalid", "linktarget");
    return (bytes?.toString("latin1") ?? "") as ByteName;
  }

  #attributes(): readonly ExtendedAttribute[] {
    const list = this.#fields["extended_attributes"];
    const found: ExtendedAttribute[] = [];
    for (const item of Array.isArray(list) ? (list as readonly unknown[]) : [undefined]) {
      const { name, value } = (item ?? {}) as { readonly name?: unknown; readonly value?: unknown };
      const bytes = base64Bytes(value ?? "");
      if (typeof name !== "string" || name === "" || name.includes("\0") || bytes === undefined) {
        this.problem("node-invalid", "extended_attributes");
      } else {
        found.push({ name, value: typeof value === "string" ? value : "" });
      }
    }
    return found;
  }

  #content(): readonly string[] {
    const content = this.#fields["content"];
    if (!Array.isArray(content)) {
      this.problem("file-content-missing", "");
      return [];
    }
    if (content.every(isId)) return content;
    this.problem("node-invalid", "content");
    return content.filter(isId);
  }

  #subtree(): string | undefined {
    const subtree = this.#fields["subtree"];
    if (isId(subtree)) return subtree;
    this.problem(subtree === undefined || subtree === null ? "dir-subtree-missing" : "node-invalid", "subtree");
    return undefined;
  }
}

function base64Bytes(value: unknown): Buffer | undefined {
  if (typeof value !== "string") return undefined;
  const bytes = Buffer.from(value, "base64");
  return bytes.toString("base64") === value ? bytes : undefined;
}
