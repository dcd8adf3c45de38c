import type { DatabaseCapture } from "../contents/databases.ts";
import { layout } from "../contents/layout.ts";
import { type Manifest, serialiseManifest } from "../contents/manifest.ts";
import { virtualFile, virtualFolder, virtualTree } from "../contents/tables/virtual-nodes.ts";
import type { Id, TreeNode } from "../format/tree.ts";
import { nameFromText } from "../lib/byte-name.ts";
import type { Upload } from "../repository/repository.ts";
import type { CapturedConfig, CapturedFolder } from "./backup-parts.ts";

export interface CapturedParts {
  readonly databases: readonly DatabaseCapture[];
  readonly folders: readonly CapturedFolder[];
  readonly config: readonly CapturedConfig[];
}

/** Stores the folder of the CRM with all its parts, and the root above it; gives the root's tree. */
export async function writeSnapshotTree(
  upload: Upload,
  crm: string,
  manifest: Manifest,
  parts: CapturedParts,
  started: Date,
): Promise<Id> {
  const time = started.toISOString();
  const folder = async (name: string, nodes: readonly TreeNode[]) =>
    virtualFolder(name, await upload.tree(virtualTree(nodes, undefined)), time);
  const text = Buffer.from(serialiseManifest(manifest));
  const size = text.length;
  const nodes = [
    virtualFile(layout.manifest, await upload.bytes(text, "hot"), size, time),
    await folder(
      layout.config,
      parts.config.map(({ node }) => node),
    ),
    await folder(
      layout.databases,
      parts.databases.map(({ manifest: { name }, tree }) => virtualFolder(name, tree, time)),
    ),
    await folder(
      layout.files,
      parts.folders.map(({ node, manifest: { name } }) => ({ ...node, name: nameFromText(name) })),
    ),
  ];
  return await upload.tree({ nodes: [await folder(crm, nodes)] });
}
