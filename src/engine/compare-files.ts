import { planFolder, type FolderAction } from "../contents/folders/plan-folder.ts";
import { type FileChange, fileChanges } from "../contents/compare/file-changes.ts";
import { layout } from "../contents/layout.ts";
import { type OpenedSnapshot, subtreeAt } from "../contents/open-snapshot.ts";
import type { CrmParts } from "../crm/platform.ts";
import { nameFromText, nameText } from "../lib/byte-name.ts";
import type { BlobReader } from "../repository/repository.ts";
import type { OpenedPoint, PointSource } from "./open-point.ts";

/** Files in which two points differ, one of which may be live. */
export async function* changedFiles(
  { reader, run: { signal } }: PointSource,
  from: OpenedPoint,
  to: OpenedPoint,
): AsyncGenerator<FileChange, void> {
  const [before, now] = [from.snapshot, to.snapshot];
  if (before && now) {
    for (const name of [layout.files, layout.config]) {
      const was = await subtreeAt(from.reader ?? reader, before.tree, [name], signal);
      const is = await subtreeAt(to.reader ?? reader, now.tree, [name], signal);
      yield* fileChanges(reader, was, is, nameFromText(`/${name}`), signal);
    }
  }
  if (before && to.live) yield* sinceSnapshot(from.reader ?? reader, before, to.live, signal);
  if (now && from.live)
    for await (const change of sinceSnapshot(to.reader ?? reader, now, from.live, signal)) yield reversed(change);
}

const everything = { createMissing: true, updateChanged: true, removeNewer: true };
/** What putting a folder back as it was would do, and what happened to it since. */
const actions: Partial<Record<FolderAction, FileChange["action"]>> = {
  create: "deleted",
  update: "changed",
  remove: "created",
};

async function* sinceSnapshot(
  reader: BlobReader,
  { manifest, tree }: OpenedSnapshot,
  live: CrmParts,
  signal: AbortSignal,
): AsyncGenerator<FileChange, void> {
  for (const { name, path, excludes } of manifest.folders) {
    const stored = await subtreeAt(reader, tree, [layout.files, name], signal);
    if (stored === undefined) continue;
    const target = nameFromText(live.folders.find((folder) => folder.name === name)?.path ?? path);
    const input = { reader, tree: stored, target, switches: everything, keep: excludes, signal };
    const { items } = await planFolder(input, Number.POSITIVE_INFINITY);
    for (const { action, inside, type, bytes } of items) {
      const happened = actions[action];
      if (happened === undefined || type === "dir") continue;
      const shown = `/${layout.files}/${name}/${nameText(inside)}`;
      const what = bytes > 0 || type !== "file" ? ("content" as const) : ("metadata" as const);
      yield {
        action: happened,
        path: shown,
        ...(happened !== "created" && type === "file" && bytes > 0 && { before: bytes }),
        ...(happened === "changed" && { what }),
      };
    }
  }
}

function reversed({ action, before, after, ...change }: FileChange): FileChange {
  const opposite = { created: "deleted", deleted: "created", changed: "changed" } as const;
  return {
    ...change,
    action: opposite[action],
    ...(after !== undefined && { before: after }),
    ...(before !== undefined && { after: before }),
  };
}
