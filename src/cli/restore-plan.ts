import { resolve } from "node:path";
import type {
  PlannedAction,
  RestorePlan,
  RestorePlanInput,
  RestoreScope,
  RestoreSwitches,
} from "../engine/restore-plan.ts";
import type { UndoCause } from "../engine/undo-cause.ts";
import { HoldfastError } from "../lib/errors.ts";
import { sentence } from "../words/words.ts";
import { type Command, type Invocation, hasFlag, listOption, textOption } from "./command.ts";
import type { Context } from "./context.ts";
import { exitCodes } from "./exit-codes.ts";
import { nextCommand } from "./next-command.ts";
import { namedPoint, pointArgument } from "./point-argument.ts";
import { recordLines } from "./record-lines.ts";
import { recordOptions, recordScope } from "./record-options.ts";
import { renderTable } from "./table.ts";
import { warningLines } from "./warnings.ts";

export const restorePlanCommand: Command = {
  name: "restore plan",
  answers: "question",
  arguments: [{ form: "[point]" }, { form: "[paths...]" }],
  options: [
    { flags: "--database" },
    { flags: "--system" },
    { flags: "--target <folder>" },
    { flags: "--to-database <url>" },
    { flags: "--no-grants" },
    { flags: "--as <purpose>", choices: ["clone", "replacement"] },
    { flags: "--update-changed" },
    { flags: "--remove-newer" },
    { flags: "--only-existing" },
    { flags: "--exact" },
    { flags: "--anonymise" },
    { flags: "--with-files" },
    { flags: "--undo-transaction <transaction>" },
    { flags: "--undo-between <moments...>" },
    { flags: "--undo-by <user>" },
    ...recordOptions,
  ],
  async run(context, invocation) {
    const cause = undoCause(context, invocation);
    if (cause) return planned(context, await planUndo(context, invocation, cause));
    const { point, paths } = pointArgument(context, invocation.arguments);
    const target = textOption(invocation, "target") ?? textOption(invocation, "toFiles");
    const purpose = (["clone", "replacement"] as const).find((one) => one === invocation.options["as"]);
    const targetDatabase = textOption(invocation, "toDatabase");
    if (purpose && target === undefined && targetDatabase === undefined)
      throw new HoldfastError("usage", { problem: "target-and-purpose" });
    if (hasFlag(invocation, "withFiles") && !hasFlag(invocation, "anonymise")) {
      throw new HoldfastError("usage", { problem: "anonymise-where" });
    }
    const crm = await context.crmName();
    const input: RestorePlanInput = {
      repository: await context.access(),
      ...(crm === undefined ? {} : { crm }),
      point,
      scope: (await recordScope(context, invocation, paths)) ?? scopeOf(invocation, paths),
      ...(target === undefined ? {} : { target: resolve(context.surroundings.folder, target) }),
      ...(targetDatabase === undefined ? {} : { targetDatabase }),
      ...(invocation.options["grants"] === false ? { grants: "skip" as const } : {}),
      crms: (await context.config())?.crms ?? [],
      ...(purpose === undefined ? {} : { purpose }),
      switches: switchesOf(invocation),
      ...(hasFlag(invocation, "anonymise") && {
        anonymise: { files: hasFlag(invocation, "withFiles") ? ("kept" as const) : ("left-out" as const) },
      }),
    };
    return planned(context, await context.door.planRestore(input, context.run));
  },
};

function planned(context: Context, plan: RestorePlan): number {
  context.events.takeWarnings(); // the plan has them
  context.output.record(plan);
  context.output.lines(planLines(context, plan));
  return exitCodes.done;
}

/** `undefined`: nothing is to be undone by its cause. */
function undoCause(context: Context, invocation: Invocation): UndoCause | undefined {
  const transaction = textOption(invocation, "undoTransaction");
  const between = listOption(invocation, "undoBetween");
  const by = textOption(invocation, "undoBy");
  const momentAt = (text: string): Date => {
    const point = namedPoint(context, text);
    if (point.kind !== "moment") throw new HoldfastError("moment-invalid", { text, problem: "form" });
    return point.time;
  };
  if (transaction !== undefined) {
    const [moment] = invocation.arguments;
    return { kind: "transaction", transaction, ...(moment !== undefined && { around: momentAt(moment) }) };
  }
  const [from, to, more] = between;
  if (from === undefined && by === undefined) return undefined;
  if (from === undefined || to === undefined || more !== undefined) {
    throw new HoldfastError("usage", { problem: "undo-between" });
  }
  return { kind: "between", from: momentAt(from), to: momentAt(to), ...(by !== undefined && { by }) };
}

async function planUndo(context: Context, invocation: Invocation, cause: UndoCause): Promise<RestorePlan> {
  const crm = await context.crmName();
  const targetDatabase = textOption(invocation, "toDatabase");
  return context.door.planUndo(
    {
      repository: await context.access(),
      ...(crm === undefined ? {} : { crm }),
      crms: (await context.config())?.crms ?? [],
      ...(targetDatabase === undefined ? {} : { targetDatabase }),
      cause,
    },
    context.run,
  );
}

/** `--exact` is short for all three: afterwards the target is what the recovery point holds. */
function switchesOf(invocation: Invocation): RestoreSwitches {
  const exact = hasFlag(invocation, "exact");
  const onlyExisting = hasFlag(invocation, "onlyExisting");
  if (exact && onlyExisting) {
    throw new HoldfastError("usage", { problem: "conflict", what: "--exact", other: "--only-existing" });
  }
  return {
    createMissing: !onlyExisting,
    updateChanged: exact || hasFlag(invocation, "updateChanged"),
    removeNewer: exact || hasFlag(invocation, "removeNewer"),
  };
}

function scopeOf(invocation: Invocation, paths: readonly string[]): RestoreScope {
  const database = hasFlag(invocation, "database");
  if (database && hasFlag(invocation, "system")) {
    throw new HoldfastError("usage", { problem: "conflict", what: "--database", other: "--system" });
  }
  if (paths.length > 0 && (database || hasFlag(invocation, "system"))) {
    throw new HoldfastError("usage", { problem: "paths-and-scope" });
  }
  if (paths.length > 0) return { kind: "files", paths };
  return database ? { kind: "database" } : { kind: "system" };
}

const shownItems = 20;
const actions: readonly PlannedAction[] = ["create", "update", "replace", "remove", "skip", "conflict"];

function planLines(context: Context, plan: RestorePlan): string[] {
  const { words, format, output } = context;
  const texts = words.plan;
  const { snapshot, target, counts } = plan;
  const title = { id: plan.id, what: texts[plan.scope.kind], crm: snapshot.crm, snapshot: snapshot.id.slice(0, 8) };
  const present = actions.filter((action) => counts[action] > 0);
  const counted = present
    .map((action) => `${words.actions[action]} ${format.number(counts[action])}`)
    .join(words.label.comma);
  const lines = [output.paint("bold", format.fill(texts.title, { ...title, time: snapshot.time }))];
  if (snapshot.outcome !== "ok") lines.push(output.paint("yellow", `! ${texts.withWarnings}`));
  lines.push(
    target.kind === "in-place"
      ? texts.inPlace
      : format.fill(texts.elsewhere, {
          place: [target.folder, target.database].flatMap((one) => one ?? []).join(words.label.comma),
        }),
  );
  if (plan.purpose === "replacement") lines.push(texts.replacement);
  if (plan.purpose === "clone") {
    lines.push(texts.clone, ...plan.neutralised.map((code) => `  - ${sentence(words.neutralised, code) ?? code}`));
  }
  if (plan.anonymised) lines.push(...anonymiseLines(context, plan.anonymised));
  if (plan.records) lines.push("", ...recordLines(context, plan.records));
  else if (plan.parts.length > 0) lines.push("", ...partLines(context, plan));
  if (!plan.records || plan.items.length > 0)
    lines.push("", format.fill(texts.counts, { counts: counted || words.label.none }), ...itemLines(context, plan));
  if (plan.cold !== undefined) lines.push(output.paint("yellow", format.fill(texts.cold, { ...plan.cold })));
  const space = format.fill(texts.space, { needed: plan.neededBytes, free: plan.freeBytes });
  const short = plan.neededBytes > plan.freeBytes;
  if (!plan.records || plan.items.length > 0) {
    lines.push(short ? output.paint("red", `${space}. ${texts.spaceShort}`) : space);
  }
  if (plan.parts.some((part) => part.action === "replace")) lines.push(texts.swap);
  if (plan.heldBack) lines.push(format.fill(words.erase.heldBack, { ...plan.heldBack }));
  if (plan.warnings.length > 0) lines.push("", ...warningLines(plan.warnings, output, words, format));
  if (plan.maintenance) {
    lines.push("", texts.before, `  - ${sentence(words.maintenance, plan.maintenance.on) ?? plan.maintenance.on}`);
  }
  if (plan.afterRestore.length > 0) {
    lines.push(
      "",
      texts.after,
      ...plan.afterRestore.map((code) => `  - ${sentence(words.afterRestore, code) ?? code}`),
    );
  }
  if (plan.confirm !== undefined) lines.push("", format.fill(texts.confirm, { name: plan.confirm }));
  const rows = plan.records?.groups.some(
    ({ counts: some }) => some.insert + some.update + some.undelete + some.remove > 0,
  );
  const idle = rows !== true && present.every((action) => action === "skip" || action === "conflict");
  lines.push("", idle ? texts.nothing : texts.next);
  if (!idle) lines.push(`  ${output.paint("bold", nextCommand(context, "restore", "apply", plan.id))}`);
  return lines;
}

function anonymiseLines({ words }: Context, { files, rules }: NonNullable<RestorePlan["anonymised"]>): string[] {
  const texts = words.plan.anonymised;
  const tables = Map.groupBy(
    rules.filter(({ kind }) => kind !== "keep"),
    ({ table }) => table,
  );
  return [
    texts.title,
    ...[...tables].map(
      ([table, ofTable]) =>
        `  ${table}: ${ofTable.map(({ column, kind }) => `${column} (${kind})`).join(words.label.comma)}`,
    ),
    texts[files],
  ];
}

function partLines({ words, format }: Context, plan: RestorePlan): string[] {
  const { tables } = words;
  const columns = [
    { heading: tables.action },
    { heading: tables.part },
    { heading: tables.name },
    { heading: tables.content },
    { heading: tables.size, align: "right" as const },
    { heading: tables.path },
    { heading: "" },
  ];
  const whyOf = ({ reason, changes }: RestorePlan["parts"][number]) => {
    const why = reason === undefined ? "" : (sentence(words.planReasons, reason) ?? reason);
    if (changes === undefined || reason === "same") return why;
    const { created, updated, removed, missing, differ, newer } = changes;
    const counted = format.fill(words.plan.changes, { created, updated, removed, left: missing + differ + newer });
    return why ? `${why} (${counted})` : counted;
  };
  const rows = plan.parts.map((part) => {
    const holds = [
      ...(part.rows === undefined ? [] : [format.count(part.rows, "row")]),
      ...(part.files === undefined ? [] : [format.count(part.files, "file")]),
    ];
    const size = format.bytes(part.bytes);
    return [
      words.actions[part.action],
      words.parts[part.kind],
      part.name,
      holds.join(words.label.comma),
      size,
      part.path,
      whyOf(part),
    ];
  });
  return renderTable(columns, rows);
}

function itemLines({ words, format, output }: Context, plan: RestorePlan): string[] {
  const total = actions.reduce((sum, action) => sum + plan.counts[action], 0) - plan.parts.length;
  const shown = output.detail === "verbose" ? plan.items : plan.items.slice(0, shownItems);
  const lines = shown.map(({ action, path, reason }) => {
    const why = reason === undefined ? undefined : (sentence(words.planReasons, reason) ?? reason);
    return `  ${format.fill(words.plan.item, { action: words.actions[action], path, why })}`;
  });
  const more = Math.max(total, plan.items.length) - shown.length;
  return more > 0 && shown.length > 0 ? [...lines, `  ${format.fill(words.plan.more, { count: more })}`] : lines;
}
