import type { ForgetInput, ForgetPolicies, ForgetReport } from "../engine/forget.ts";
import type { ForgetRow, KeepReason } from "../engine/forget-plan.ts";
import { addAll } from "../lib/add-all.ts";
import { HoldfastError } from "../lib/errors.ts";
import { type Command, hasFlag, type Invocation } from "./command.ts";
import type { Context } from "./context.ts";
import { waitOption } from "./duration.ts";
import { exitCodes } from "./exit-codes.ts";
import { nextCommand } from "./next-command.ts";
import { pruneLines, pruneOptions, pruneInput } from "./prune.ts";
import { retentionOptions, typedPolicy } from "./retention-options.ts";
import { renderTable } from "./table.ts";
import { warningLines } from "./warnings.ts";

export const forgetCommand: Command = {
  name: "forget",
  answers: "stream",
  arguments: [{ form: "[ids...]" }],
  options: [
    { flags: "--dry-run" },
    { flags: "--prune" },
    ...retentionOptions,
    ...pruneOptions,
    { flags: "--wait [duration]" },
  ],
  async run(context, invocation) {
    const { door, output, format } = context;
    const dryRun = hasFlag(invocation, "dryRun");
    const repository = await context.access();
    const input: ForgetInput = {
      repository,
      what: await whatToForget(context, invocation),
      zone: format.zone,
      mode: dryRun ? "plan" : "apply",
      waitMs: waitOption(invocation),
    };
    const prune = hasFlag(invocation, "prune") ? await pruneInput(context, invocation, repository) : undefined;
    const report = await door.forget(input, context.run);
    output.record(report);
    const exitCode = report.warnings.length > 0 ? exitCodes.warnings : exitCodes.done;
    if (dryRun) output.lines(forgetLines(context, report));
    else output.report(forgetLines(context, report), exitCode);
    // A plan of a prune knows nothing of snapshots that were not forgotten after all.
    if (prune !== undefined && !dryRun) {
      const pruned = await door.prune(prune, context.run);
      output.record(pruned);
      output.report(["", ...pruneLines(context, pruned)], exitCode);
    } else if (report.remove.length > 0 && prune === undefined && !dryRun) {
      output.report([context.words.forget.next, `  ${nextCommand(context, "prune")}`], exitCode);
    }
    return exitCode;
  },
};

async function whatToForget(context: Context, invocation: Invocation): Promise<ForgetInput["what"]> {
  const typed = typedPolicy(invocation);
  const ids = invocation.arguments;
  if (ids.length > 0) {
    if (typed !== undefined) throw new HoldfastError("usage", { problem: "ids-and-rules" });
    const { crm } = context.globals;
    return { kind: "ids", ids, ...(crm !== undefined && { crm }) };
  }
  const { crm } = context.globals;
  const policies: ForgetPolicies =
    typed === undefined ? await configuredPolicies(context) : { byCrm: {}, others: typed };
  return { kind: "policy", ...(crm !== undefined && { crm }), policies };
}

/** Of the repository that is meant: a copy may have rules of its own. */
async function configuredPolicies(context: Context): Promise<ForgetPolicies> {
  const config = await context.config();
  const { location } = await context.repository();
  const copy = config?.copies.find((one) => one.location === location);
  if (copy?.retention !== undefined) return { byCrm: {}, others: copy.retention };
  const policies = config?.retention;
  if (policies === undefined || (policies.others === undefined && Object.keys(policies.byCrm).length === 0)) {
    throw new HoldfastError("retention-empty", {});
  }
  return policies;
}

function forgetLines(context: Context, report: ForgetReport): string[] {
  const { words, format, output } = context;
  const texts = words.forget;
  const { keep, remove, leftAlone, warnings, mode, zone, durationMs: ms } = report;
  const lines: string[] = [];
  const rows = [...keep, ...remove].toSorted(
    (a, b) => a.crm.localeCompare(b.crm) || Date.parse(b.time) - Date.parse(a.time),
  );
  if (rows.length > 0) {
    const { tables } = words;
    const columns = [
      { heading: tables.id },
      { heading: tables.time },
      { heading: tables.crm },
      { heading: tables.kind },
      { heading: tables.outcome },
      { heading: tables.why },
    ];
    lines.push(
      ...renderTable(
        columns,
        rows.map((row) => cellsOf(context, row)),
      ),
    );
    lines.push(format.fill(words.snapshots.zone, { zone }));
  }
  for (const crm of leftAlone) lines.push(format.fill(texts.leftAlone, { crm }));
  addAll(lines, warningLines(warnings, output, words, format));
  context.events.takeWarnings(); // shown just now
  const counts = { kept: keep.length, removed: remove.length, ms };
  const finished = keep.length === 0 ? texts.doneByIds : texts.done;
  const done = remove.length === 0 ? texts.nothing : mode === "plan" ? texts.planned : finished;
  lines.push(output.paint("bold", format.fill(done, counts)));
  if (report.lockedUntil !== undefined) lines.push(format.fill(texts.locked, { until: report.lockedUntil }));
  return lines;
}

function cellsOf({ words, format }: Context, row: ForgetRow): readonly string[] {
  const { id, time, crm, kind, outcome, reasons } = row;
  const texts = words.forget;
  return [
    id.slice(0, 8),
    format.time(time),
    crm,
    kind ? words.kinds[kind] : words.tables.foreign,
    outcome ? words.outcomes[outcome] : "",
    reasons.length === 0 ? `✗ ${texts.goes}` : reasons.map(why).join(words.label.comma),
  ];

  function why(reason: KeepReason): string {
    if ("oldest" in reason) return format.fill(texts.oldest, { rule: words.keepRules[reason.rule] });
    if (reason.rule === "hold" && reason.detail !== undefined)
      return format.fill(texts.heldUntil, { day: reason.detail });
    const text = words.keepRules[reason.rule];
    return reason.detail === undefined ? text : `${text} ${reason.detail}`;
  }
}
