import type { EntryMetadata } from "../../files/write-entry.ts";
import { permissionsOf } from "../../format/mode.ts";
import { parseTime } from "../../format/time.ts";
import type { TreeNode } from "../../format/tree.ts";

/** Whether owners can be set: by root alone. */
export type Owners = "set" | "keep";

export function modifiedNs(node: TreeNode): bigint {
  return parseTime(node.mtime) ?? 0n;
}

/** What is to be set on the thing that a node describes. */
export function metadataOf(node: TreeNode, owners: Owners): EntryMetadata {
  return {
    mode: wantedPermissions(node, owners),
    ...(owners === "set" && { uid: node.uid, gid: node.gid }),
    atimeNs: parseTime(node.atime) ?? modifiedNs(node),
    mtimeNs: modifiedNs(node),
    extendedAttributes: (node.extendedAttributes ?? []).map(({ name, value }) => ({
      name,
      value: Buffer.from(value, "base64"),
    })),
  };
}

/**
 * `st_mode & 0o7777`. A set-user-id or set-group-id bit on a file that does not get its owner back would give the
 * rights of whoever restores it to all: it is left out then.
 */
export function wantedPermissions(node: TreeNode, owners: Owners): number {
  const permissions = permissionsOf(node.mode);
  if (owners === "set" || node.type === "dir") return permissions;
  const owned = node.uid === process.geteuid?.() && node.gid === process.getegid?.();
  return owned ? permissions : permissions & 0o1777;
}
