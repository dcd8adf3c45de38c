/** How a repository's files are kept, beside where: what `holdfast.yaml` says under `repository:`. */
export interface Keeping {
  readonly lock?: RetentionLock;
  /** What the storage calls the class that bulk data goes to (`DEEP_ARCHIVE`, `Archive`, `COLDLINE`). */
  readonly coldClass?: string;
  readonly parity?: ParityShape;
}

/**
 * For how long nobody may destroy what is stored. `compliance`: nobody at all, the owner of the account neither.
 * `governance`: only who has the right to bypass it.
 */
export interface RetentionLock {
  readonly mode: "compliance" | "governance";
  readonly days: number;
}

/** So many further files for each group of so many packs: as many of the group may be lost. */
export interface ParityShape {
  readonly data: number;
  readonly parity: number;
}

/** Of so many files a storage knows itself that it locked them: those of a backup, not those of a year in which it is open. */
export const mostLockedHere = 100_000;

const dayMs = 24 * 3_600_000;

/** At least until then each file must be locked that is needed now. */
export function leastLockedUntil({ days }: RetentionLock, now: Date): Date {
  return new Date(now.getTime() + days * dayMs);
}

/** Locks are set a quarter longer, so that each is extended once in that time, and not by every backup. */
export function lockedUntil(lock: RetentionLock, now: Date): Date {
  return new Date(leastLockedUntil(lock, now).getTime() + Math.max(1, Math.ceil(lock.days / 4)) * dayMs);
}
