import type { ErasePlan, ErasureFacts } from "../engine/erase.ts";
import { HoldfastError } from "../lib/errors.ts";
import { printable } from "../words/format.ts";
import { ask, canAsk } from "./ask.ts";
import { type Command, listOption, textOption } from "./command.ts";
import type { Context } from "./context.ts";
import { waitOption } from "./duration.ts";
import { entityName } from "./entity-name.ts";
import { exitCodes } from "./exit-codes.ts";
import { nextCommand } from "./next-command.ts";
import { namedPoint } from "./point-argument.ts";
import { renderTable } from "./table.ts";

export const erasePlanCommand: Command = {
  name: "erase plan",
  answers: "question",
  arguments: [{ form: "[records...]" }],
  options: [
    { flags: "--reason <text>" },
    { flags: "--search <words>" },
    { flags: "--in <names...>" },
    { flags: "--point <point>" },
  ],
  async run(context, invocation) {
    const reason = textOption(invocation, "reason") ?? "";
    const search = textOption(invocation, "search");
    const handles = invocation.arguments;
    if (reason.trim() === "") throw new HoldfastError("usage", { problem: "missing-argument", what: "--reason" });
    if (handles.length === 0 && search === undefined) {
      throw new HoldfastError("usage", { problem: "missing-argument", what: "records" });
    }
    const crm = await context.crmName();
    const input = {
      repository: await context.access(),
      ...(crm === undefined ? {} : { crm }),
      crms: (await context.config())?.crms ?? [],
      point: namedPoint(context, textOption(invocation, "point") ?? "latest"),
      handles,
      ...(search === undefined ? {} : { search }),
      in: listOption(invocation, "in"),
      reason,
    };
    const plan = await context.door.planErase(input, context.run);
    context.output.record(plan);
    context.output.lines(planLines(context, plan));
    return exitCodes.done;
  },
};

export const eraseApplyCommand: Command = {
  name: "erase apply",
  answers: "stream",
  arguments: [{ form: "<plan>" }],
  options: [{ flags: "--confirm <name>" }, { flags: "--by <name>" }, { flags: "--wait [duration]" }],
  async run(context, invocation) {
    const { door, words, format, output } = context;
    const plan = await door.readErasePlan(invocation.arguments[0] ?? "");
    const { location: _, ...access } = await context.access(plan.repository.location);
    const confirm = textOption(invocation, "confirm") ?? (await askName(context, plan.crm));
    const by = textOption(invocation, "by");
    const input = {
      ...{ plan: plan.id, ...access, confirm, limits: await context.limits(), waitMs: waitOption(invocation) },
      ...(by === undefined ? {} : { by }),
    };
    const report = await door.applyErase(input, context.run);
    output.record(report);
    const { crm, rows, files } = report;
    output.line(output.paint("bold", format.fill(words.erase.done, { crm, rows, files })));
    output.line(words.erase.remains);
    return exitCodes.done;
  },
};

export const eraseListCommand: Command = {
  name: "erase list",
  answers: "question",
  async run(context) {
    const crm = await context.crmName();
    const input = { repository: await context.access(), ...(crm === undefined ? {} : { crm }) };
    const report = await context.door.listErasures(input, context.run);
    context.output.record(report);
    context.output.lines(listLines(context, report.erasures));
    return exitCodes.done;
  },
};

const shownRecords = 20;

async function askName(context: Context, name: string): Promise<string> {
  if (!canAsk(context)) throw new HoldfastError("confirm-needed", { name });
  return ask(context, context.format.fill(context.words.erase.asksName, { name }));
}

function planLines(context: Context, plan: ErasePlan): string[] {
  const { words, format, output } = context;
  const texts = words.erase;
  const records = output.detail === "verbose" ? plan.records : plan.records.slice(0, shownRecords);
  const total = plan.groups.reduce((sum, { count }) => sum + count, 0);
  const more = total - records.length;
  return [
    output.paint("bold", format.fill(texts.title, { id: plan.id, crm: plan.crm, points: plan.points })),
    ...renderTable(
      [{ heading: words.tables.name }, { heading: texts.heading, align: "right" }],
      plan.groups.map(({ name, label, count }) => [
        entityName(words, { entity: name, table: name, ...(label !== undefined && { label }) }),
        format.number(count),
      ]),
    ),
    "",
    ...records.map(
      ({ record, title }) => `  ${printable(record)}${title === undefined ? "" : `  ${printable(title)}`}`,
    ),
    ...(more > 0 ? [`  ${format.fill(words.plan.more, { count: more })}`] : []),
    ...plan.files.map((path) => `  ${printable(path)}`),
    "",
    ...(plan.stillThere > 0 ? [`! ${format.fill(texts.stillThere, { rows: plan.stillThere })}`] : []),
    texts.next,
    `  ${output.paint("bold", nextCommand(context, "erase", "apply", plan.id))}`,
  ];
}

function listLines({ words, format }: Context, erasures: readonly ErasureFacts[]): string[] {
  const { erase, tables } = words;
  if (erasures.length === 0) return [erase.none];
  const columns = [tables.id, tables.time, erase.by, erase.what, erase.reason].map((heading) => ({ heading }));
  return renderTable(
    columns,
    erasures.map(({ id, time, by, records, rows, files, reason }) => [
      id,
      format.time(time),
      printable(by),
      `${records.map(printable).join(words.label.comma)} (${format.count(rows, "row")}${words.label.comma}${format.count(files, "file")})`,
      printable(reason),
    ]),
  );
}
