import assert from "node:assert/strict";
import { setTimeout as wait } from "node:timers/promises";
import { listSnapshots } from "../../src/engine/snapshots.ts";
import type { Event } from "../../src/lib/events.ts";
import { isHoldfastError } from "../../src/lib/errors.ts";
import { following, type Following } from "./following.ts";
import { hashOfPoint } from "./live-hash.ts";
import { momentOf, withPoint } from "./open-moment.ts";
import type { Network } from "./network.ts";
import type { SmallCrm } from "./small-crm.ts";
import { until } from "./until.ts";

/** A commit, and how the whole database hashed right after it. */
export interface Commit {
  readonly time: string;
  readonly transaction: string;
  readonly hash: string;
}

/** What was told of gaps; that the journal begins is none. */
export function gapsOf(events: readonly Event[]): readonly string[] {
  return events.flatMap((event) =>
    event.type === "note" && event.code === "follow-gap" && event.facts["reason"] !== "begun"
      ? [String(event.facts["reason"])]
      : [],
  );
}

/** Begins to follow, and waits for that. */
export async function followed(crm: SmallCrm, more: Parameters<typeof following>[1] = {}): Promise<Following> {
  const begun = following(crm, more);
  await begun.event((event) => event.type === "journal" && event.durableTo !== undefined);
  return begun;
}

/** Follows over a network that is cut, and over one that falls silent, with a commit in each; gives the commits once they are durable. */
export async function outlivesNetwork(
  running: Following,
  way: Network,
  port: number,
  [whileCut, whileSilent]: readonly [() => Promise<Commit>, () => Promise<Commit>],
): Promise<readonly Commit[]> {
  const isAgain = (event: Event): boolean => event.type === "note" && event.code === "follow-again";
  way.cut();
  const first = await whileCut();
  await running.event(isAgain);
  way.lead(port);
  await running.durable(first.time);
  way.silence();
  const second = await whileSilent();
  await running.event(
    (event) => isAgain(event) && "facts" in event && String(event.facts["reason"]).startsWith("nothing was heard"),
  );
  way.lead(port);
  await running.durable(second.time);
  return [first, second];
}

export async function isAsItWas(crm: SmallCrm, commits: readonly Commit[]): Promise<void> {
  for (const commit of commits) assert.equal(await withPoint(crm, momentOf(commit), hashOfPoint), commit.hash);
}

/**
 * Follows where changes were lost, which `lost` is one of: that is told and listed at once, a backup closes it, and what `next`
 * commits then is kept; what was lost is refused, and never told wrongly.
 */
export async function closesGap(
  crm: SmallCrm,
  { reason, lost, next }: { readonly reason: string; readonly lost: Commit; next(): Promise<Commit> },
): Promise<void> {
  let isClosed = false;
  const begin = Promise.withResolvers<void>();
  const backup = async (): Promise<void> => {
    // Not before it is seen that the gap is shown without it.
    await begin.promise;
    await crm.backup();
    isClosed = true;
  };
  await using again = following(crm, { backup });
  // Whatever fails, it must be able to end.
  using _let = { [Symbol.dispose]: () => begin.resolve() };
  const isGap = (event: Event): boolean =>
    event.type === "note" && event.code === "follow-gap" && event.facts["reason"] === reason;
  await again.event(isGap);
  // With the next segment it is in the repository, whoever asks that.
  for (const end = performance.now() + 60_000; ; await wait(50)) {
    const { journal } = await listSnapshots(crm.engine, { repository: crm.access }, crm.run);
    if (journal[0]?.spans.at(-1)?.anew === reason) break;
    assert.ok(performance.now() < end, JSON.stringify(journal));
  }
  begin.resolve();
  await until(() => isClosed);
  const commit = await next();
  await again.durable(commit.time);
  await isAsItWas(crm, [commit]);
  await assert.rejects(
    withPoint(crm, momentOf(lost), hashOfPoint),
    (error) =>
      (isHoldfastError(error, "moment-unreachable") && error.facts["problem"] === reason) ||
      isHoldfastError(error, "moment-transaction"),
  );
}
