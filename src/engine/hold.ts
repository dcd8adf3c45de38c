import type { Id } from "../format/tree.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { Run } from "../lib/run.ts";
import { openFor } from "./access.ts";
import type { Engine, RepositoryAccess } from "./engine.ts";
import { holdOf, holdTag, isHoldTag, type Hold } from "./holds.ts";
import { lockOptions } from "./lock-options.ts";
import { choosePoint, crmOf } from "./points.ts";
import type { PointName } from "./snapshots.ts";

export interface HoldInput {
  readonly repository: RepositoryAccess;
  readonly crm?: string;
  readonly point: PointName;
  /** Absent: whatever holds it is released. */
  readonly hold?: Hold;
  /** IANA name: whose day a hold ends with. */
  readonly zone: string;
  readonly waitMs: number;
}

export interface HoldReport {
  readonly type: "hold";
  /** As it is called from now on. A snapshot file never changes: with other tags it has another id. */
  readonly id: Id;
  /** As it was called before; the same when nothing had to change. */
  readonly before: Id;
  readonly crm: string;
  readonly time: string;
  /** Absent: it is not held. */
  readonly hold?: Hold;
}

/** Holds a recovery point, or releases it. */
export async function hold(engine: Engine, input: HoldInput, run: Run): Promise<HoldReport> {
  const { hold: wanted, zone } = input;
  const today = Temporal.Instant.fromEpochMilliseconds(run.now().getTime()).toZonedDateTimeISO(zone).toPlainDate();
  if (wanted?.until !== undefined && wanted.until < today.toString()) {
    throw new HoldfastError("usage", { problem: "hold-past", value: wanted.until });
  }
  await using repository = await openFor(engine, input.repository, run);
  await using lock = await repository.lock("exclusive", lockOptions(input, run));
  const { chosen } = choosePoint(await repository.snapshots(run.signal), input.crm, input.point);
  const tags = chosen.snapshot.tags ?? [];
  const wantedTags = [...tags.filter((tag) => !isHoldTag(tag)), ...(wanted === undefined ? [] : [holdTag(wanted)])];
  const same = tags.length === wantedTags.length && tags.every((tag) => wantedTags.includes(tag));
  const now = same ? chosen : await repository.retagSnapshot(chosen, wantedTags, { signal: run.signal, lock });
  const held = holdOf(now.snapshot.tags ?? [], run.now(), zone);
  const { time } = now.snapshot;
  return { type: "hold", id: now.id, before: chosen.id, crm: crmOf(now), time, ...(held && { hold: held }) };
}
