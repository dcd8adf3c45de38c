/**
 * A hold keeps a recovery point from being forgotten, for ever or up to a day. It stands in the snapshot's tags, `hold` or
 * `hold-until-2027-01-31`, where stock restic sees it too.
 */
export interface Hold {
  /** The last day on which it holds, in the time zone of the configuration; absent: until it is released. */
  readonly until?: string;
}

const holdForm = /^hold(?:-until-(\d{4}-\d{2}-\d{2}))?$/;

export function isHoldTag(tag: string): boolean {
  return holdForm.test(tag);
}

/** Whether somebody has put a hold there, in force by now or not. */
export function hasHold(tags: readonly string[] = []): boolean {
  return tags.some(isHoldTag);
}

export function holdTag({ until }: Hold): string {
  return until === undefined ? "hold" : `hold-until-${until}`;
}

/** The hold that is in force now, if any; of several, the one that lasts longest. */
export function holdOf(tags: readonly string[], now: Date, zone: string): Hold | undefined {
  if (tags.includes("hold")) return {};
  const today = Temporal.Instant.fromEpochMilliseconds(now.getTime()).toZonedDateTimeISO(zone).toPlainDate().toString();
  const days = tags.flatMap((tag) => holdForm.exec(tag)?.[1] ?? []).filter((day) => day >= today);
  const until = days.toSorted().at(-1);
  return until === undefined ? undefined : { until };
}
