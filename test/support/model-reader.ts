import { hash } from "node:crypto";
import { loadContent, openSnapshot, subtreeAt } from "../../src/contents/open-snapshot.ts";
import { openFor } from "../../src/engine/access.ts";
import type { Engine, RepositoryAccess } from "../../src/engine/engine.ts";
import { openPoint } from "../../src/engine/open-point.ts";
import type { Snapshot } from "../../src/format/snapshot.ts";
import type { Id } from "../../src/format/tree.ts";
import { nameText } from "../../src/lib/byte-name.ts";
import type { Run } from "../../src/lib/run.ts";
import type { StoredSnapshot } from "../../src/repository/repository.ts";

/** What the model's test reads of snapshots, by the engine in this process. */
export interface SnapshotReading {
  readonly engine: Engine;
  readonly repository: RepositoryAccess;
  readonly run: Run;
}

export interface Listed extends Snapshot {
  readonly id: Id;
}

/** A repository as it was when it was opened, for many looks. */
export interface OpenedSide {
  /** SHA-256 of every file below a folder of a snapshot; none where the folder is not there. */
  files(id: Id, folder: string): Promise<ReadonlyMap<string, string>>;
  /** Every row of the model's table, as text. */
  rows(id: Id): Promise<readonly string[]>;
  /** What a mended backup says that it lacks. */
  losses(id: Id): Promise<readonly string[]>;
}

/** Oldest first. */
export async function listSnapshots({ engine, repository: access, run }: SnapshotReading): Promise<readonly Listed[]> {
  await using repository = await openFor(engine, access, run);
  return (await repository.snapshots(run.signal)).map(({ id, snapshot }) => ({ ...snapshot, id }));
}

/** Opened once: that takes longer than to read a snapshot of the model's. */
export async function readSide<T>(
  { engine, repository: access, run }: SnapshotReading,
  use: (side: OpenedSide) => Promise<T>,
): Promise<T> {
  const { signal } = run;
  await using repository = await openFor(engine, access, run);
  const snapshots = await repository.snapshots(signal);
  const reader = await repository.index(signal);
  const stored = (id: Id): StoredSnapshot => {
    const found = snapshots.find((one) => one.id === id);
    if (found === undefined) throw new Error(`there is no snapshot ${id}`);
    return found;
  };
  return await use({
    async files(id, folder) {
      const files = new Map<string, string>();
      const walk = async (tree: Id, path: string): Promise<void> => {
        for (const node of (await reader.loadTree(tree, signal)).nodes) {
          const inner = path + nameText(node.name);
          if (node.subtree !== undefined) await walk(node.subtree, `${inner}/`);
          else files.set(inner, hash("sha256", await loadContent(reader, node, signal), "hex"));
        }
      };
      const top = await subtreeAt(reader, stored(id).snapshot.tree, folder.split("/").slice(1), signal);
      if (top !== undefined) await walk(top, "");
      return files;
    },
    async rows(id) {
      await using point = await openPoint({ engine, reader, snapshots, run }, undefined, { kind: "id", prefix: id });
      const [database] = point.databases;
      const schema = database?.schema.tables.find(({ name }) => name === "contact");
      if (database === undefined || schema === undefined) throw new Error(`there are no rows in ${id}`);
      const rows: string[] = [];
      for await (const { lines, release } of (await database.open(schema)).rows({}, signal)) {
        for (const line of lines.toString("latin1").split("\n").slice(0, -1)) {
          const fields = line.split("\t").map((field, at) => {
            const column = schema.columns[at];
            return String(column && database.engine.readable(field, column));
          });
          rows.push(JSON.stringify(fields));
        }
        release?.();
      }
      return rows;
    },
    async losses(id) {
      const { manifest } = await openSnapshot(reader, stored(id), signal);
      return manifest.warnings.filter(({ code }) => code.startsWith("lost-")).map(({ subject }) => subject);
    },
  });
}
