import { setTimeout as wait } from "node:timers/promises";
import { follow, type FollowInput, type FollowReport } from "../../src/engine/follow.ts";
import { keeperTiming, type KeeperTiming } from "../../src/engine/journal-keeper.ts";
import type { Event } from "../../src/lib/events.ts";
import { limits, type SmallCrm } from "./small-crm.ts";

/** A minute is long for a test. */
const quickTiming: KeeperTiming = {
  ...keeperTiming,
  publishMs: 1500,
  restMs: 200,
  rollUpMs: 3000,
  tellWaitingMs: 1000,
};

/** `holdfast follow` in this process; a scope, which ends it in good order. */
export interface Following extends AsyncDisposable {
  readonly events: readonly Event[];
  /** Waits until everything that was committed up to this time (RFC 3339, the server's clock) is in the repository. */
  durable(time: string): Promise<void>;
  /** Waits for an event. */
  event(matches: (event: Event) => boolean): Promise<Event>;
  end(): Promise<FollowReport>;
}

export function following(
  crm: Pick<SmallCrm, "engine" | "description" | "access" | "run">,
  more: Partial<FollowInput> = {},
  hear: (event: Event) => void = () => {},
): Following {
  const events: Event[] = [];
  const stop = new AbortController();
  const report = (event: Event): void => {
    events.push(event);
    hear(event);
  };
  const run = { signal: stop.signal, now: crm.run.now, report };
  let state: { readonly report?: FollowReport; readonly error?: unknown } | undefined;
  const done = follow(
    crm.engine,
    {
      crm: crm.description,
      repository: crm.access,
      limits: { ...limits, workers: 1 },
      rpoMs: 300,
      mostLagBytes: 2 ** 40,
      timing: quickTiming,
      ...more,
    },
    run,
  ).then(
    (ended) => (state = { report: ended }),
    (error: unknown) => (state = { error }),
  );
  const until = async (isSo: () => boolean, what: string): Promise<void> => {
    const end = performance.now() + 180_000;
    while (!isSo()) {
      if (state?.error !== undefined) throw state.error;
      if (state || performance.now() > end) {
        throw new Error(`${what} did not happen: ${JSON.stringify(events.slice(-5))}`);
      }
      await wait(20);
    }
  };
  const end = async (): Promise<FollowReport> => {
    stop.abort();
    await done;
    if (state?.report) return state.report;
    throw state?.error;
  };
  return {
    events,
    durable: (time) =>
      until(
        () => events.some((event) => event.type === "journal" && (event.durableTo ?? "") >= time),
        `durable ${time}`,
      ),
    async event(matches) {
      await until(() => events.some(matches), "the event");
      const found = events.find(matches);
      if (!found) throw new Error("gone");
      return found;
    },
    end,
    async [Symbol.asyncDispose]() {
      if (state) return;
      await end();
    },
  };
}
