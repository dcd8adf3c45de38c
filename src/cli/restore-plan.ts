import type { Command } from "./command.ts";
import { exitCodes } from "./exit-codes.ts";
import { makeRestorePlan, restorePlanArguments, restorePlanOptions } from "./make-restore-plan.ts";
import { nextCommand } from "./next-command.ts";
import { idleText, planLines } from "./restore-plan-lines.ts";

export const restorePlanCommand: Command = {
  name: "restore plan",
  answers: "question",
  arguments: restorePlanArguments,
  options: restorePlanOptions,
  async run(context, invocation) {
    const { output, words } = context;
    const plan = await makeRestorePlan(context, invocation);
    context.events.takeWarnings(); // the plan has them
    output.record(plan);
    const idle = idleText(context, plan);
    output.lines([...planLines(context, plan), "", idle ?? words.plan.next]);
    if (idle === undefined) output.line(`  ${output.paint("bold", nextCommand(context, "restore", "apply", plan.id))}`);
    return exitCodes.done;
  },
};
