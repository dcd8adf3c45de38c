import type { Hold } from "../engine/holds.ts";
import { HoldfastError } from "../lib/errors.ts";
import { type Command, type Invocation, textOption } from "./command.ts";
import type { Context } from "./context.ts";
import { waitOption } from "./duration.ts";
import { exitCodes } from "./exit-codes.ts";
import { namedPoint } from "./point-argument.ts";

export const holdCommand: Command = {
  name: "hold",
  answers: "question",
  arguments: [{ form: "<point>" }],
  options: [{ flags: "--until <day>" }, { flags: "--wait [duration]" }],
  run: (context, invocation) => {
    const until = textOption(invocation, "until");
    return change(context, invocation, until === undefined ? {} : { until: dayOf(until) });
  },
};

export const releaseCommand: Command = {
  name: "release",
  answers: "question",
  arguments: [{ form: "<point>" }],
  options: [{ flags: "--wait [duration]" }],
  run: (context, invocation) => change(context, invocation, undefined),
};

async function change(context: Context, invocation: Invocation, hold: Hold | undefined): Promise<number> {
  const { format, output, words } = context;
  const crm = await context.crmName();
  const report = await context.door.hold(
    {
      repository: await context.access(),
      ...(crm !== undefined && { crm }),
      point: namedPoint(context, invocation.arguments[0] ?? ""),
      ...(hold !== undefined && { hold }),
      zone: format.zone,
      waitMs: waitOption(invocation),
    },
    context.run,
  );
  output.record(report);
  const texts = words.hold;
  const { id, before, crm: name, time, hold: now } = report;
  const text = now === undefined ? texts.released : now.until === undefined ? texts.held : texts.heldUntil;
  output.line(format.fill(text, { id: before.slice(0, 8), crm: name, time, day: now?.until }));
  if (id !== before) output.line(format.fill(texts.newId, { id: id.slice(0, 8) }));
  return exitCodes.done;
}

function dayOf(text: string): string {
  try {
    return Temporal.PlainDate.from(text).toString();
  } catch (error) {
    throw new HoldfastError(
      "usage",
      { problem: "bad-value", what: "--until", value: text, expected: "2027-01-31" },
      error,
    );
  }
}
