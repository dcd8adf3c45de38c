import { type Alert, type AlertingOptions, deliver } from "./alerting.ts";
import type { JobStore } from "./store.ts";

/**
 * Alerts that are not through yet, on disk: whoever has to tell may be killed, and the way may be shut for hours. The same is not told
 * again before something else was, so what were lost here nobody would ever hear of.
 */
interface WaitingAlert {
  /** The same for each try, so that who gets it twice can tell. */
  readonly id: string;
  readonly alert: Alert;
  readonly sinceMs: number;
  /** Absent: nobody has tried yet. */
  readonly tried?: Tried;
}

/** Names of the routes that lack it since. */
interface Tried {
  readonly atMs: number;
  readonly routes: readonly string[];
}

const name = "alerts";
/** From one try to the next. */
const pauseMs = 5 * 60_000;
/** Later it is no news any more, and `status` says how it is. */
const longestMs = 3 * 86_400_000;
const most = 100;

export function keepAlert(store: JobStore, id: string, alert: Alert, nowMs: number): void {
  write(store, [...read(store), { id, alert, sinceMs: nowMs }].slice(-most));
}

/**
 * Tells what waits, the oldest first; what does not get through is told a few minutes later, and so is what comes after it of the same:
 * whoever heard that something failed after that it is well again would believe it.
 */
export async function tellWaiting(options: AlertingOptions, store: JobStore, signal: AbortSignal): Promise<void> {
  /** By what alerts are about: routes that lack any of those so far. */
  const behind = new Map<string, Tried>();
  const lack = ({ subject }: Alert, { atMs, routes }: Tried): void => {
    behind.set(subject, { atMs, routes: [...new Set([...(behind.get(subject)?.routes ?? []), ...routes])] });
  };
  for (const waiting of read(store)) {
    const { id, alert, tried, sinceMs } = waiting;
    const nowMs = options.now().getTime();
    if (tried && Math.abs(nowMs - tried.atMs) < pauseMs) {
      lack(alert, tried);
      continue;
    }
    const before = behind.get(alert.subject);
    const lacking = await deliver(options, alert, signal, {
      id,
      ...(tried && { again: tried.routes }),
      ...(before && { behind: before.routes }),
    });
    const isOver = lacking.length === 0 || Math.abs(nowMs - sinceMs) > longestMs;
    const waits = before !== undefined && lacking.every((route) => before.routes.includes(route));
    const atMs = waits ? before.atMs : options.now().getTime();
    const again = { atMs, routes: lacking };
    if (!isOver) lack(alert, again);
    const left = isOver ? [] : [{ ...waiting, tried: again }];
    write(
      store,
      read(store).flatMap((one) => (one.id === id ? left : [one])),
    );
  }
}

function read(store: JobStore): readonly WaitingAlert[] {
  return JSON.parse(store.fact(name) ?? "[]") as readonly WaitingAlert[];
}

function write(store: JobStore, waiting: readonly WaitingAlert[]): void {
  store.setFact(name, JSON.stringify(waiting));
}
