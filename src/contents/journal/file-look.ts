import type { Id } from "../../format/tree.ts";
import { type ByteName, nameFromText } from "../../lib/byte-name.ts";
import type { BlobReader, Upload } from "../../repository/repository.ts";
import type { TreeNode } from "../../format/tree.ts";
import { type Check, damaged, list, object, oneOf, parseChecked, text, utcTime } from "../checked.ts";
import { layout } from "../layout.ts";
import { loadContent, nodeNamed } from "../open-snapshot.ts";
import { virtualFile, virtualFolder } from "../tables/virtual-nodes.ts";

/**
 * A look at the CRM's files that found something, as a folder of the journal:
 *
 * ```
 * look.json          when it was, and what was gone
 * files/<folder>/…   what was new or changed, as a backup has it, with the folders on the way to it and nothing else
 * ```
 */
export interface FileLook extends LookFacts {
  /** Tree of `files`; absent: things were gone, and nothing else. */
  readonly files?: Id;
}

export interface LookFacts {
  /** RFC 3339: whatever changed before that was seen. */
  readonly began: string;
  /** Whatever it holds was read before that. */
  readonly ended: string;
  readonly gone: readonly GonePath[];
}

export interface GonePath {
  /** The name of a part. */
  readonly folder: string;
  /** Relative to it; in the file, each byte is a character. With a folder goes all that was in it. */
  readonly path: ByteName;
}

const lookFileName = "look.json";

/** A few million names; no text of a program may be longer than twice that. */
const mostLookBytes = 256 << 20;
/** Deeper than the system takes a path, and no deeper than trees can be put together. */
const mostNames = 4096;

const path: Check<ByteName> = (value, at) => {
  const found = text(value, at);
  const names = found.split("/");
  // oxlint-disable-next-line no-control-regex -- each character is a byte, and NUL ends a name
  const isBytes = /^[\x01-\xff]*$/.test(found);
  const isBad = names.some((name) => name === "" || name === "." || name === "..");
  if (isBad || !isBytes || names.length > mostNames) throw damaged(at, "path");
  return found as ByteName;
};

const file = object({
  format: oneOf([1]),
  began: utcTime,
  ended: utcTime,
  gone: list(object({ folder: text, path })),
});

/** Stores a look; `folders`: those in which something changed, each with a tree that holds just that. Gives its tree. */
export async function storeLook(facts: LookFacts, folders: readonly TreeNode[], upload: Upload): Promise<Id> {
  const { began, ended, gone } = facts;
  const json = Buffer.from(`${JSON.stringify({ format: 1, began, ended, gone }, undefined, 1)}\n`);
  const size = json.length;
  const sorted = folders.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const nodes = [virtualFile(lookFileName, await upload.bytes(json, "hot"), size, ended)];
  if (sorted.length > 0) nodes.unshift(virtualFolder(layout.files, await upload.tree({ nodes: sorted }), ended));
  return await upload.tree({ nodes });
}

export async function openLook(reader: BlobReader, tree: Id, signal: AbortSignal): Promise<FileLook> {
  const root = await reader.loadTree(tree, signal);
  const node = nodeNamed(root, nameFromText(lookFileName));
  if (!node) throw damaged("journal", lookFileName);
  const { began, ended, gone } = parseChecked(
    (await loadContent(reader, node, signal, mostLookBytes)).toString("utf8"),
    file,
    lookFileName,
  );
  const files = nodeNamed(root, nameFromText(layout.files))?.subtree;
  return { began, ended, gone, ...(files !== undefined && { files }) };
}
