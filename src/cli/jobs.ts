import { randomUUID } from "node:crypto";
import { jobKindNamed, jobKinds } from "../jobs/job-kinds.ts";
import { repositorySubject } from "../jobs/job-item.ts";
import { newRun } from "../jobs/new-run.ts";
import { type JobRun, JobStore } from "../jobs/store.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { Warning } from "../lib/events.ts";
import { type Command, type Invocation, textOption } from "./command.ts";
import type { Context } from "./context.ts";
import { exitCodes } from "./exit-codes.ts";
import { isServing, neededConfig, openBooks, servicePlace } from "./job-world.ts";
import { errorText, jobName } from "./job-words.ts";
import { renderTable } from "./table.ts";
import { aboutText } from "./warnings.ts";

const listed = 20;
const startable = Object.entries(jobKinds).flatMap(([name, { beside }]) => (beside === "everything" ? [] : [name]));

export const jobsListCommand: Command = {
  name: "jobs list",
  answers: "question",
  async run(context) {
    using store = await openBooks(context, await neededConfig(context));
    const runs = store ? [...store.open(), ...store.ended(listed)] : [];
    const deliveries = store?.deliveries(listed) ?? [];
    context.output.record({ type: "jobs", jobs: runs.map(recordOf), deliveries });
    context.output.lines(runs.length === 0 ? [context.words.jobs.none] : runLines(context, runs));
    return exitCodes.done;
  },
};

export const jobsStartCommand: Command = {
  name: "jobs start",
  answers: "question",
  arguments: [{ form: "<job>", choices: startable }, { form: "[subject]" }],
  options: [
    { flags: "--kind <kind>", choices: ["full", "incremental", "differential"] },
    { flags: "--plan <plan>" },
    { flags: "--confirm <name>" },
  ],
  async run(context, invocation) {
    const { surroundings, output, format, words } = context;
    const config = await neededConfig(context);
    const [job = "", named] = invocation.arguments;
    const nowMs = surroundings.now().getTime();
    const input = await inputOf(context, job, invocation);
    const subjects = await subjectsOf(context, job, named, textOption(invocation, "plan") ?? "");
    using store = new JobStore((await servicePlace(context, config)).file);
    for (const subject of subjects) {
      const run = newRun({ id: randomUUID(), item: `${job}/${subject}`, job, subject, input }, nowMs);
      store.add(run);
      output.record({ type: "job", ...recordOf(run) });
      const facts = { name: jobName(context, run), id: run.id.slice(0, 8) };
      output.line(format.fill(isServing(store, nowMs) ? words.jobs.queued : words.jobs.queuedForLater, facts));
    }
    return exitCodes.done;
  },
};

export const jobsCancelCommand: Command = {
  name: "jobs cancel",
  answers: "question",
  arguments: [{ form: "<id>" }],
  async run(context, invocation) {
    const { output, format, words, surroundings } = context;
    const [prefix = ""] = invocation.arguments;
    using store = await openBooks(context, await neededConfig(context));
    const [run, other] = store?.find(prefix) ?? [];
    if (run === undefined || prefix === "") throw new HoldfastError("job-unknown", { id: prefix });
    if (other !== undefined) throw new HoldfastError("job-ambiguous", { id: prefix });
    const asked = store?.askToCancel(run.id) === true;
    output.record({ type: "job-cancel", id: run.id, asked });
    const facts = { name: jobName(context, run), id: run.id.slice(0, 8) };
    const ending = isServing(store, surroundings.now().getTime()) ? "cancelling" : "cancellingLater";
    output.line(format.fill(words.jobs[asked ? ending : "endedBefore"], facts));
    return asked ? exitCodes.done : exitCodes.nothingMatched;
  },
};

async function inputOf(
  { door }: Context,
  job: string,
  invocation: Invocation,
): Promise<Readonly<Record<string, unknown>>> {
  const [kind, plan, confirm] = ["kind", "plan", "confirm"].map((name) => textOption(invocation, name));
  const given = { "--kind": kind, "--plan": plan, "--confirm": confirm };
  const taken = job === "restore" ? ["--plan", "--confirm"] : job === "backup" ? ["--kind"] : [];
  const wrong = Object.entries(given).find(([flag, value]) => value !== undefined && !taken.includes(flag))?.[0];
  if (wrong !== undefined) throw new HoldfastError("usage", { problem: "conflict", what: wrong, other: job });
  if (job !== "restore") return { ...(kind !== undefined && { kind }) };
  if (plan === undefined) throw new HoldfastError("usage", { problem: "missing-value", what: "--plan" });
  const { id, confirm: asked } = await door.readPlan(plan);
  if (asked !== undefined && confirm !== asked) throw new HoldfastError("confirm-needed", { name: asked });
  return { plan: id, ...(confirm !== undefined && { confirm }) };
}

/** The one that is named, else all that there are. */
async function subjectsOf(
  context: Context,
  job: string,
  named: string | undefined,
  plan: string,
): Promise<readonly string[]> {
  const config = await neededConfig(context);
  const scope = jobKindNamed(job)?.scope;
  if (job === "restore") return [(await context.door.readPlan(plan)).snapshot.crm];
  if (scope === "repository") return [repositorySubject];
  const known = (scope === "copy" ? config.copies : config.crms).map(({ name }) => name);
  const wanted = named ?? context.globals.crm;
  if (wanted !== undefined && !known.includes(wanted)) {
    throw new HoldfastError(scope === "copy" ? "copy-unknown" : "crm-unknown", {
      name: wanted,
      known: known.join(", "),
    });
  }
  return wanted === undefined ? known : [wanted];
}

function runLines(context: Context, runs: readonly JobRun[]): string[] {
  const { words, format } = context;
  const { tables } = words;
  const columns = [
    { heading: tables.id },
    { heading: tables.job },
    { heading: tables.state },
    { heading: tables.time },
    { heading: tables.duration, align: "right" as const },
  ];
  const rows = runs.map((run) => {
    const { id, state, outcome, startedMs, endedMs, readyMs, cancelling } = run;
    return [
      id.slice(0, 8),
      jobName(context, run),
      outcome === undefined ? words.jobStates[cancelling ? "cancelling" : state] : words.runOutcomes[outcome],
      format.time(new Date(startedMs ?? readyMs)),
      startedMs !== undefined && endedMs !== undefined ? format.duration(endedMs - startedMs) : "",
    ];
  });
  const why = runs.flatMap((run) => {
    const reason = reasonOf(context, run);
    return reason === undefined ? [] : [`${run.id.slice(0, 8)}${words.label.colon}${reason}`];
  });
  const zone = format.fill(words.snapshots.zone, { zone: format.zone });
  return [...renderTable(columns, rows), ...(why.length > 0 ? ["", ...why, ""] : []), zone];
}

/** Why it did not end well, or waits to be tried again. */
function reasonOf(context: Context, { error, facts }: JobRun): string | undefined {
  if (error) return errorText(context, error.code, error.facts);
  const [first] = Array.isArray(facts?.["warnings"]) ? (facts["warnings"] as readonly Warning[]) : [];
  const count = facts?.["warningCount"];
  return first && typeof count === "number" ? aboutText({ count, first }, context.words, context.format) : undefined;
}

function recordOf(run: JobRun): Readonly<Record<string, unknown>> {
  const { reported: _, dueMs, readyMs, startedMs, endedMs, ...kept } = run;
  const time = (ms: number | undefined) => (ms === undefined ? undefined : new Date(ms).toISOString());
  return { ...kept, due: time(dueMs), ready: time(readyMs), started: time(startedMs), ended: time(endedMs) };
}
