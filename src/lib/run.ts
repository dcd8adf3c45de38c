import type { Event } from "./events.ts";

/**
 * What one run of a use case is given from outside: how it is cancelled, what time it is, and where it tells of its
 * work. Layers below `engine/` take the parts they need, most often `signal` alone.
 */
export interface Run {
  readonly signal: AbortSignal;
  /** The wall clock. The engine has none of its own. */
  readonly now: () => Date;
  readonly report: (event: Event) => void;
}
