import type { NodeType } from "./tree.ts";

/**
 * A node's `mode` holds Go's `FileMode` bits, which differ from `st_mode` in all but the nine permission bits. Values
 * reach 2^31 and more, so they are added, not or-ed: JavaScript's bit operators give signed numbers.
 */
const typeBits: Readonly<Record<NodeType, number>> = {
  file: 0,
  dir: 2 ** 31,
  symlink: 2 ** 27,
  dev: 2 ** 26,
  chardev: 2 ** 26 + 2 ** 21,
  fifo: 2 ** 25,
  socket: 2 ** 24,
};

const setuid = 2 ** 23;
const setgid = 2 ** 22;
const sticky = 2 ** 20;

/** `permissions` are `st_mode & 0o7777`. */
export function goMode(type: NodeType, permissions: number): number {
  let mode = typeBits[type] + (permissions & 0o777);
  if ((permissions & 0o4000) !== 0) mode += setuid;
  if ((permissions & 0o2000) !== 0) mode += setgid;
  if ((permissions & 0o1000) !== 0) mode += sticky;
  return mode;
}

/** The way back: `st_mode & 0o7777` of a node's mode. */
export function permissionsOf(mode: number): number {
  let permissions = mode & 0o777;
  if ((mode & setuid) !== 0) permissions |= 0o4000;
  if ((mode & setgid) !== 0) permissions |= 0o2000;
  if ((mode & sticky) !== 0) permissions |= 0o1000;
  return permissions;
}
