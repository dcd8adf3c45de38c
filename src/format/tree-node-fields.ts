import { nameText, type ByteName } from "../lib/byte-name.ts";
import { isId } from "./json-fields.ts";
import { unquoteName } from "./name.ts";
import { isTime } from "./time.ts";
import type { ExtendedAttribute, NodeType, TreeNode, Uint64 } from "./tree.ts";

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
export class NodeFields {
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #onProblem: (problem: TreeProblem) => void;
  #label: string;

  constructor(value: unknown, index: number, onProblem: (problem: TreeProblem) => void) {
    this.#fields = typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
    this.#onProblem = onProblem;
    this.#label = `#${index}`;
  }

  problem(code: TreeProblemCode, field: string): void {
    this.#onProblem({ code, node: this.#label, field });
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
