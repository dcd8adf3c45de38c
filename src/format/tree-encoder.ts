import type { ByteName } from "../lib/byte-name.ts";
import { goJsonString, isPlain } from "./go-json.ts";
import { quoteName } from "./name.ts";
import type { ExtendedAttribute, Tree, TreeNode } from "./tree.ts";

/**
 * Writes a tree blob node by node: `{"nodes":[…]}` and a newline, byte for byte as restic writes it (order of fields,
 * escapes, what is left out), so that equal folders have equal ids whoever backed them up. One thing differs: a mode of
 * 0 is written, while restic leaves it out, which cannot be told from a mode that got lost.
 *
 * The bytes come in pieces, so that nobody has to hold a folder of a million files at once.
 */
export class TreeEncoder {
  readonly #onPiece: (piece: Buffer) => void;
  #json = '{"nodes":[';
  #separator = "";

  constructor(onPiece: (piece: Buffer) => void) {
    this.#onPiece = onPiece;
  }

  /** Nodes must come in the order of their names. */
  add(node: TreeNode): void {
    this.#json += this.#separator + nodeJson(node);
    this.#separator = ",";
    // A string that grows by megabytes is slower to put together than its pieces are to copy.
    if (this.#json.length > pieceLength) this.#flush();
  }

  finish(): void {
    this.#json += "]}\n";
    this.#flush();
  }

  #flush(): void {
    this.#onPiece(Buffer.from(this.#json, "utf8"));
    this.#json = "";
  }
}

const pieceLength = 64 << 10;

/** The whole blob of a tree that is small enough to be held. */
export function treeBytes(tree: Tree): Buffer {
  const pieces: Buffer[] = [];
  const encoder = new TreeEncoder((piece) => pieces.push(piece));
  for (const node of tree.nodes) encoder.add(node);
  encoder.finish();
  const [first] = pieces;
  return pieces.length === 1 && first !== undefined ? first : Buffer.concat(pieces);
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
