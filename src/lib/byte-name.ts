/**
 * A file's name or path as bytes. Names on Linux need not be UTF-8, so inside Holdfast a name is a string with one
 * character (0–255) a byte: what `readdir` gives with encoding `latin1`. Such strings compare with `<` in byte order,
 * which is the order of nodes in a tree, and are far cheaper than Buffers. The brand keeps them apart from text.
 */
export type ByteName = string & { readonly byteName: unique symbol };

export function byteName(bytes: Uint8Array): ByteName {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1") as ByteName;
}

export function nameFromText(text: string): ByteName {
  return (isAscii(text) ? text : Buffer.from(text, "utf8").toString("latin1")) as ByteName;
}

/** The bytes, for `node:fs`, which takes Buffers as paths. */
export function nameBytes(name: ByteName): Buffer {
  return Buffer.from(name, "latin1");
}

/** A path for `node:fs`, which turns strings into UTF-8: as it is where that changes nothing, else the bytes. */
export function nodePath(path: ByteName): string | Buffer {
  return isAscii(path) ? path : nameBytes(path);
}

/** For a person: bytes that are not UTF-8 become U+FFFD. */
export function nameText(name: ByteName): string {
  return isAscii(name) ? name : Buffer.from(name, "latin1").toString("utf8");
}

export function joinName(folder: ByteName, name: ByteName): ByteName {
  return (folder === "/" ? `/${name}` : `${folder}/${name}`) as ByteName;
}

function isAscii(text: string): boolean {
  return /^[\0-\x7f]*$/.test(text);
}
