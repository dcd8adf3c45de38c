import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { earlierFacts } from "../jobs/by-hand.ts";
import type { JobWorld } from "../jobs/job-kinds.ts";
import { newRun } from "../jobs/new-run.ts";
import { serve, type ServiceLog } from "../jobs/service.ts";
import { JobStore } from "../jobs/store.ts";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import type { NoteCode } from "../lib/events.ts";
import type { Command } from "./command.ts";
import type { Context } from "./context.ts";
import { exitCodes } from "./exit-codes.ts";
import { reasonInWords } from "./gap-words.ts";
import { alertingFor, jobWorld, neededConfig, pingFor, servicePlace } from "./job-world.ts";
import { asHoldfastError, describeError } from "./report-error.ts";
import { errorText, jobText } from "./job-words.ts";

/** What of a job is worth a line of the log. */
const toldNotes: ReadonlySet<NoteCode> = new Set([
  "waiting-for-storage",
  "follow-gap",
  "follow-files-gap",
  "follow-files-seen",
  "follow-files-sweep",
  "follow-anomaly",
  "follow-again",
  "follow-waiting",
  "follow-backup",
]);

export const serveCommand: Command = {
  name: "serve",
  answers: "stream",
  async run(context) {
    const { surroundings, words, format, version } = context;
    const { signal, now } = surroundings;
    const config = await neededConfig(context);
    const base = await jobWorld(context, config);
    await base.access(config.repository); // a password that cannot be read is told before anything begins
    const place = await servicePlace(context, config);
    await using _held = await place.hold(context.run).catch((error: unknown) => {
      if (!isHoldfastError(error, "backup-running")) throw error;
      throw new HoldfastError("service-running", error.facts);
    });
    using store = new JobStore(place.file);
    const world: JobWorld = {
      ...base,
      earlier: (job, subject) => earlierFacts(store, job, subject, now().getTime()),
      request: (job, subject) => {
        const nowMs = now().getTime();
        const alike = store.open().filter((run) => run.job === job && run.subject === subject);
        if (alike.some(({ schedule, readyMs }) => schedule === undefined || readyMs <= nowMs)) return;
        store.add(newRun({ id: randomUUID(), item: `${job}/${subject}`, job, subject }, nowMs));
      },
    };
    const ping = pingFor(context, config.alerts);
    const alive = (time = now().toISOString()): void => {
      try {
        store.setFact("alive", time);
      } catch (error) {
        // The service tells of it, and goes on.
        if (!isHoldfastError(error, "state-unwritable")) throw error;
      }
    };
    const heart = setInterval(() => alive(), 60_000);
    try {
      await serve({
        world,
        store,
        host: hostname(),
        alerting: alertingFor(context, config.alerts, store),
        ...(ping && { ping }),
        signal,
        now,
        newId: randomUUID,
        log: (entry) => tell(context, entry),
        onReady: async (status) => {
          alive();
          const { listen, schedules } = config.service;
          // Here and not above: `node:http` takes long to load, and every command loads this file.
          const { openStatusServer } = await import("../jobs/status-server.ts");
          const server = listen && (await openStatusServer({ ...listen, version, status }));
          const address = server && listen && `${listen.host}:${server.port}`;
          context.output.record({ type: "serving", ...(address && { address }), schedules: schedules.length });
          context.output.line(
            format.fill(words.serve.ready, { schedules: schedules.length, zone: format.zone, address }),
          );
          return server;
        },
      });
    } finally {
      clearInterval(heart);
      alive("");
    }
    return exitCodes.done;
  },
};

function tell(context: Context, entry: ServiceLog): void {
  const { output, words, format, surroundings } = context;
  const at = format.time(surroundings.now());
  switch (entry.type) {
    case "job": {
      const { id, item, job, subject, schedule, state, outcome, attempts, error, readyMs } = entry.run;
      const retry = state === "queued" ? { again: new Date(readyMs).toISOString() } : {};
      output.record({ type: "job", id, item, job, subject, schedule, state, outcome, attempts, error, ...retry });
      output.line(`${at}  ${jobText(context, entry.run)}`);
      return;
    }
    case "job-event": {
      const { event, run } = entry;
      output.record({ type: "job-event", id: run.id, event });
      if (event.type === "note" && toldNotes.has(event.code)) {
        const facts = { ...event.facts, ...reasonInWords(event.facts, words) };
        output.line(`${at}  ${run.item}: ${format.fill(words.notes[event.code], facts)}`);
      }
      return;
    }
    case "trouble": {
      const failure = asHoldfastError(entry.error, surroundings.signal);
      output.record({ ...describeError(failure, words, format, "serve"), type: "trouble", doing: entry.doing });
      output.line(`${at}  ${words.serve.trouble[entry.doing]} ${errorText(context, failure.code, failure.facts)}`);
    }
  }
}
