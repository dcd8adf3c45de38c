import { openFor } from "../../src/engine/access.ts";
import { type OpenedPoint, openPoint } from "../../src/engine/open-point.ts";
import type { PointName } from "../../src/engine/snapshots.ts";
import type { SmallCrm } from "./small-crm.ts";

/** Opens a point of a CRM from its repository as it is now. */
export async function withPoint<T>(
  crm: Pick<SmallCrm, "engine" | "access" | "run" | "description">,
  point: PointName,
  use: (point: OpenedPoint) => Promise<T>,
): Promise<T> {
  const { engine, access, run } = crm;
  await using repository = await openFor(engine, access, run);
  const snapshots = await repository.snapshots(run.signal);
  const reader = await repository.index(run.signal);
  await using opened = await openPoint({ engine, reader, snapshots, run }, crm.description.name, point);
  return await use(opened);
}

/** `@TIME#TRANSACTION` */
export function momentOf({ time, transaction }: { readonly time: string; readonly transaction?: string }): PointName {
  const at = new Date(Date.parse(time));
  return { kind: "moment", time: at, ...(transaction !== undefined && { transaction }) };
}
