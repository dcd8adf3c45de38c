import type { Entry, EntryDetails } from "../../files/files.ts";
import { goMode } from "../../format/mode.ts";
import { formatTime } from "../../format/time.ts";
import type { TreeNode, Uint64 } from "../../format/tree.ts";
import { nameText, type ByteName } from "../../lib/byte-name.ts";
import type { Warning } from "../../lib/events.ts";
import type { BlobReader } from "../../repository/repository.ts";

/** An entry's numbers as a node holds them, worked out once for comparing and for writing. */
export interface EntryFields {
  readonly mode: number;
  readonly mtime: string;
  readonly ctime: string;
}

/** What a node says beyond the numbers; a node itself will do. */
export type NodeDetails = Pick<TreeNode, "linkTarget" | "extendedAttributes">;

/** Names of attributes are text in a tree: one that is none is told of by its `path`, and left out. */
export function encodeDetails(
  { linkTarget, extendedAttributes }: EntryDetails,
  path: () => ByteName,
  warn: (warning: Warning) => void,
): NodeDetails {
  if (linkTarget === undefined && extendedAttributes.length === 0) return noDetails;
  const attributes = extendedAttributes.filter(({ name, isUnnameable }) => {
    if (isUnnameable) warn({ code: "metadata-lost", subject: nameText(path()), detail: name });
    return !isUnnameable;
  });
  return {
    ...(linkTarget !== undefined && { linkTarget }),
    ...(attributes.length > 0 && {
      extendedAttributes: attributes.map(({ name, value }) => ({ name, value: value.toString("base64") })),
    }),
  };
}

const noDetails: NodeDetails = {};

export function fieldsOf(entry: Entry): EntryFields {
  const mtime = formatTime(entry.mtimeNs);
  return {
    mode: goMode(entry.type, entry.permissions),
    mtime,
    ctime: entry.ctimeNs === entry.mtimeNs ? mtime : formatTime(entry.ctimeNs),
  };
}

/**
 * A node as restic writes it: access time is modification time, since reading a file must not make a new tree;
 * folders have no size. `content` and `subtree` are added by the caller.
 */
export function nodeOf(entry: Entry, fields: EntryFields, details: NodeDetails): MutableNode {
  const { type } = entry;
  // Field by field: conditions inside a literal would make an object each, for every file of a backup.
  const node: MutableNode = {
    name: entry.name,
    type,
    mode: fields.mode,
    mtime: fields.mtime,
    atime: fields.mtime,
    ctime: fields.ctime,
    uid: entry.uid,
    gid: entry.gid,
    inode: entry.inode,
    deviceId: entry.deviceId,
  };
  if (entry.user !== undefined) node.user = entry.user;
  if (entry.group !== undefined) node.group = entry.group;
  if (type === "file") node.size = entry.size;
  if (hasLinks(type)) node.links = entry.links;
  if (details.linkTarget !== undefined) node.linkTarget = details.linkTarget;
  if (details.extendedAttributes?.length) node.extendedAttributes = details.extendedAttributes;
  if (type === "dev" || type === "chardev") node.device = entry.device;
  return node;
}

type MutableNode = { -readonly [K in keyof TreeNode]: TreeNode[K] };

/**
 * Whether a node of an earlier backup still describes this entry as far as its change time tells: type, modification
 * and change time, inode and, for files, size. Whatever changes contents, attributes, owner or permissions moves the
 * change time, which nobody can set.
 */
export function isUntouched(entry: Entry, fields: EntryFields, old: TreeNode): boolean {
  return (
    old.type === entry.type &&
    old.ctime === fields.ctime &&
    old.mtime === fields.mtime &&
    sameNumber(old.inode, entry.inode) &&
    (entry.type !== "file" || sameNumber(old.size ?? 0, entry.size))
  );
}

/** Whether an untouched entry's node would come out the same to the last field, but for `subtree`. */
export function isSameNode(entry: Entry, fields: EntryFields, old: TreeNode): boolean {
  return (
    old.mode === fields.mode &&
    old.atime === fields.mtime &&
    old.uid === entry.uid &&
    old.gid === entry.gid &&
    old.user === entry.user &&
    old.group === entry.group &&
    sameNumber(old.deviceId, entry.deviceId) &&
    (!hasLinks(entry.type) || sameNumber(old.links, entry.links)) &&
    old.error === undefined
  );
}

/** Whether the repository has every blob of a file, and together they have its size. */
export function hasContent(reader: BlobReader, node: TreeNode): boolean {
  let size = 0;
  for (const id of node.content ?? []) {
    const length = reader.size("data", id);
    if (length === undefined) return false;
    size += length;
  }
  return node.content !== undefined && sameNumber(node.size ?? 0, size);
}

function sameNumber(a: Uint64 | undefined, b: Uint64 | undefined): boolean {
  return a === b || (a !== undefined && b !== undefined && BigInt(a) === BigInt(b));
}

/** restic tells the number of links of these only. */
function hasLinks(type: Entry["type"]): boolean {
  return type === "file" || type === "symlink" || type === "dev" || type === "chardev";
}
