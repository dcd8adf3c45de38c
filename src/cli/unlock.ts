import type { UnlockAnswer } from "../engine/unlock.ts";
import { type Command, hasFlag } from "./command.ts";
import type { Context } from "./context.ts";
import { exitCodes } from "./exit-codes.ts";
import { nextCommand } from "./next-command.ts";

type FoundLock = UnlockAnswer["kept"][number];

export const unlockCommand: Command = {
  name: "unlock",
  answers: "question",
  options: [{ flags: "--force" }],
  async run(context, invocation) {
    const what = hasFlag(invocation, "force") ? "all" : "dead";
    const answer = await context.door.unlock({ repository: await context.access(), what }, context.run);
    context.output.record(answer);
    context.output.lines(unlockLines(context, answer));
    return answer.kept.length > 0 ? exitCodes.locked : exitCodes.done;
  },
};

function unlockLines(context: Context, { removed, kept }: UnlockAnswer): string[] {
  const { words, format } = context;
  const texts = words.unlock;
  const line = (template: string, { state, holder }: FoundLock): string => {
    const { hostname, username, pid, time, exclusive } = holder ?? {};
    const mode = exclusive === undefined ? undefined : texts.modes[exclusive ? "exclusive" : "shared"];
    return format.fill(template, { state: texts.states[state], mode, hostname, username, pid, time });
  };
  const lines = [...removed.map((one) => line(texts.removed, one)), ...kept.map((one) => line(texts.kept, one))];
  if (lines.length === 0) return [texts.none];
  if (kept.length > 0) lines.push(texts.force, `  ${nextCommand(context, "unlock", "--force")}`);
  return lines;
}
