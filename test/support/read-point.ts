import { type OpenedPoint, openPoint } from "../../src/engine/open-point.ts";
import { openFor } from "../../src/engine/access.ts";
import type { PointName } from "../../src/engine/snapshots.ts";
import type { SmallCrm } from "./small-crm.ts";

/** Opens a point of the CRM's repository for the time of `use`. */
export async function readPoint<T>(
  { engine, access, description, run }: SmallCrm,
  name: PointName,
  use: (point: OpenedPoint) => Promise<T>,
  configured: "configured" | "unconfigured" = "configured",
): Promise<T> {
  await using repository = await openFor(engine, access, run);
  const snapshots = await repository.snapshots(run.signal);
  const reader = await repository.index(run.signal);
  const crms = configured === "configured" ? [description] : [];
  await using point = await openPoint({ engine, reader, snapshots, crms, run }, undefined, name);
  return await use(point);
}
