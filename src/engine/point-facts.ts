import type { Id } from "../format/tree.ts";
import type { OpenedPoint } from "./open-point.ts";

/** What an answer says of the point that it is about. */
export interface PointFacts {
  readonly crm: string;
  /** RFC 3339 */
  readonly time: string;
  /** Absent: live. */
  readonly snapshot?: Id;
}

export function pointFacts({ crm, time, snapshot }: OpenedPoint): PointFacts {
  return { crm, time, ...(snapshot && { snapshot: snapshot.stored.id }) };
}
