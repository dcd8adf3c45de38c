import { hash } from "node:crypto";
import { loadContent, openSnapshot, subtreeAt } from "../../src/contents/open-snapshot.ts";
import { openFor } from "../../src/engine/access.ts";
import { browse } from "../../src/engine/browse.ts";
import type { Engine, RepositoryAccess } from "../../src/engine/engine.ts";
import type { Snapshot } from "../../src/format/snapshot.ts";
import type { Id } from "../../src/format/tree.ts";
import { nameText } from "../../src/lib/byte-name.ts";
import type { Run } from "../../src/lib/run.ts";
import type { IndexedRepository, StoredSnapshot } from "../../src/repository/repository.ts";

/** What the model's test reads of one snapshot, by the engine in this process. */
export interface SnapshotReading {
  readonly engine: Engine;
  readonly repository: RepositoryAccess;
  readonly run: Run;
}

export interface Listed extends Snapshot {
  readonly id: Id;
}

/** Oldest first. */
export async function listSnapshots({ engine, repository: access, run }: SnapshotReading): Promise<readonly Listed[]> {
  await using repository = await openFor(engine, access, run);
  return (await repository.snapshots(run.signal)).map(({ id, snapshot }) => ({ ...snapshot, id }));
}

/** SHA-256 of every file below a folder of a snapshot; none where the folder is not there. */
export function readFiles(reading: SnapshotReading, id: Id, folder: string): Promise<ReadonlyMap<string, string>> {
  return open(reading, id, async (reader, { snapshot }, signal) => {
    const files = new Map<string, string>();
    const walk = async (tree: Id, path: string): Promise<void> => {
      for (const node of (await reader.loadTree(tree, signal)).nodes) {
        const inner = path + nameText(node.name);
        if (node.subtree !== undefined) await walk(node.subtree, `${inner}/`);
        else files.set(inner, hash("sha256", await loadContent(reader, node, signal), "hex"));
      }
    };
    const top = await subtreeAt(reader, snapshot.tree, folder.split("/").slice(1), signal);
    if (top !== undefined) await walk(top, "");
    return files;
  });
}

/** Every row of the model's table, as text. */
export function readRows({ engine, repository, run }: SnapshotReading, id: Id): Promise<readonly string[]> {
  const input = { repository, point: { kind: "id", prefix: id }, path: "/databases/main/contact" } as const;
  return browse(engine, input, run, async (answer) => {
    if (answer.type !== "rows") throw new Error("no rows");
    return (await Array.fromAsync(answer.rows)).map((row) => JSON.stringify(row.map(String)));
  });
}

/** What a mended backup says that it lacks. */
export function readLosses(reading: SnapshotReading, id: Id): Promise<readonly string[]> {
  return open(reading, id, async (reader, stored, signal) => {
    const { manifest } = await openSnapshot(reader, stored, signal);
    return manifest.warnings.filter(({ code }) => code.startsWith("lost-")).map(({ subject }) => subject);
  });
}

async function open<T>(
  { engine, repository: access, run }: SnapshotReading,
  id: Id,
  use: (reader: IndexedRepository, stored: StoredSnapshot, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  await using repository = await openFor(engine, access, run);
  const stored = (await repository.snapshots(run.signal)).find((one) => one.id === id);
  if (stored === undefined) throw new Error(`there is no snapshot ${id}`);
  return await use(await repository.index(run.signal), stored, run.signal);
}
