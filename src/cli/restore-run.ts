import { HoldfastError } from "../lib/errors.ts";
import { ask, canAsk } from "./ask.ts";
import { type Command, hasFlag, type Invocation, textOption } from "./command.ts";
import type { Context } from "./context.ts";
import { exitCodes } from "./exit-codes.ts";
import { makeRestorePlan, restorePlanArguments, restorePlanOptions } from "./make-restore-plan.ts";
import { nextCommand } from "./next-command.ts";
import { applyPlan, restoreApplyOptions } from "./restore-apply.ts";
import { idleText, planLines } from "./restore-plan-lines.ts";

/**
 * `restore plan` and `restore apply` in one: the key is derived and the program loaded once. The plan is shown and kept
 * all the same, so that what was cut off goes on with `restore apply`.
 */
export const restoreRunCommand: Command = {
  name: "restore run",
  answers: "stream",
  arguments: restorePlanArguments,
  options: [...restorePlanOptions, ...restoreApplyOptions, { flags: "--yes" }],
  async run(context, invocation) {
    const { output, words } = context;
    if (!isAgreed(invocation) && !canAsk(context)) throw new HoldfastError("usage", { problem: "not-a-terminal" });
    const plan = await makeRestorePlan(context, invocation);
    context.events.takeWarnings(); // the plan has them
    output.record(plan);
    output.lines([...planLines(context, plan), ""]);
    const idle = idleText(context, plan);
    if (idle !== undefined) {
      output.line(idle);
      return exitCodes.done;
    }
    // Where the CRM's name is asked for, that is the question.
    if (plan.confirm === undefined && !isAgreed(invocation) && !(await agrees(context))) {
      output.lines([
        words.plan.declined,
        `  ${output.paint("bold", nextCommand(context, "restore", "apply", plan.id))}`,
      ]);
      return exitCodes.done;
    }
    return applyPlan(context, invocation, plan);
  },
};

function isAgreed(invocation: Invocation): boolean {
  return hasFlag(invocation, "yes") || textOption(invocation, "confirm") !== undefined;
}

async function agrees(context: Context): Promise<boolean> {
  const answer = (await ask(context, context.words.plan.asksYes)).toLowerCase();
  return answer === "yes" || answer === context.words.plan.yes;
}
