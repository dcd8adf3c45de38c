import { loadContent, nodeNamed, treeOf } from "../contents/open-snapshot.ts";
import { virtualFile, virtualFolder } from "../contents/tables/virtual-nodes.ts";
import { nameFromText } from "../lib/byte-name.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { BlobReader, StoredSnapshot, Upload } from "../repository/repository.ts";
import type { Engine } from "./engine.ts";

/** A snapshot of what Holdfast keeps beside the backups: a few small files in one folder, at hand whatever is cold. */
export interface RecordSnapshot {
  /** `acme.undo`: its one path, without the `/`. */
  readonly folder: string;
  /** RFC 3339 */
  readonly time: string;
  readonly tags: readonly string[];
  readonly files: readonly { readonly name: string; readonly bytes: Buffer }[];
}

export async function saveRecordSnapshot(
  engine: Engine,
  upload: Upload,
  { folder, time, tags, files }: RecordSnapshot,
): Promise<StoredSnapshot> {
  const nodes = [];
  for (const { name, bytes } of files) {
    nodes.push(virtualFile(name, bytes.length === 0 ? [] : await upload.bytes(bytes, "hot"), bytes.length, time));
  }
  const inner = await upload.tree({ nodes });
  const tree = await upload.tree({ nodes: [virtualFolder(folder, inner, time)] });
  return await upload.finish({
    ...{ time, tree, paths: [`/${folder}`], tags },
    ...engine.host,
    programVersion: engine.program,
  });
}

/** Gives a file of it by its name; fails with `repository-damaged` where there is none. */
export async function openRecordSnapshot(
  reader: BlobReader,
  stored: StoredSnapshot,
  signal: AbortSignal,
): Promise<(name: string) => Promise<string>> {
  const [root] = (await reader.loadTree(stored.snapshot.tree, signal)).nodes;
  const inner = root && (await reader.loadTree(treeOf(root), signal));
  return async (name) => {
    const node = inner && nodeNamed(inner, nameFromText(name));
    if (!node) throw new HoldfastError("repository-damaged", { subject: `snapshots/${stored.id}`, detail: name });
    return (await loadContent(reader, node, signal)).toString("utf8");
  };
}
