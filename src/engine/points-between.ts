import { sameTable } from "../contents/records/relations.ts";
import type { TableSchema } from "../database/database.ts";
import type { Id } from "../format/tree.ts";
import type { StoredSnapshot } from "../repository/repository.ts";
import { type OpenedPoint, openStored, type PointSource } from "./open-point.ts";
import { backupsOf } from "./points.ts";

/**
 * Trees of a table in each backup after `from` up to `to`, oldest first, each the parent of the next. `undefined`: one of
 * them is gone, was mended, or never was compared with the one before.
 */
export async function treesBetween(
  source: PointSource,
  from: OpenedPoint,
  to: OpenedPoint,
  table: TableSchema,
): Promise<readonly Id[] | undefined> {
  const known = backupsOf(source.snapshots, to.crm);
  const trees: Id[] = [];
  let point = to;
  for (let left = known.length; left > 0; left--) {
    if (!point.snapshot || isMended(point.snapshot.stored)) return undefined;
    if (point.snapshot.stored.id === from.snapshot?.stored.id) return trees.toReversed();
    const tree = treeOf(point, table);
    if (tree === undefined) return undefined;
    trees.push(tree);
    const { parent } = point.snapshot.manifest;
    const before = parent === undefined ? undefined : known.find((stored) => isCalled(stored, parent));
    if (!before) return undefined;
    point = await openStored(source, before);
  }
  return undefined;
}

function treeOf({ databases }: OpenedPoint, table: TableSchema): Id | undefined {
  for (const { schema, treeOf: of } of databases) {
    const found = schema.tables.find((one) => sameTable(one, table));
    if (found) return of?.(found);
  }
  return undefined;
}

/** One whose tags were changed has another id, and is still known by the one it was made with. */
function isCalled({ id, snapshot }: StoredSnapshot, name: Id): boolean {
  return id === name || snapshot.original === name;
}

function isMended({ snapshot }: StoredSnapshot): boolean {
  return snapshot.tags?.includes("mended") === true;
}
