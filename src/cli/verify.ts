import type { VerifyAnswer } from "../engine/verify.ts";
import { HoldfastError } from "../lib/errors.ts";
import { printable } from "../words/format.ts";
import { sentence } from "../words/words.ts";
import { type Command, hasFlag } from "./command.ts";
import type { Context } from "./context.ts";
import { exitCodes } from "./exit-codes.ts";

export const verifyCommand: Command = {
  name: "verify",
  answers: "stream",
  options: [{ flags: "--read-data" }],
  async run(context, invocation) {
    const readData = hasFlag(invocation, "readData");
    const input = { repository: await context.access(), readData, limits: await context.limits() };
    const answer = await context.door.verify(input, context.run);
    context.output.record(answer);
    context.output.lines(verifyLines(context, answer, readData ? "data" : "structure"));
    if (answer.defects.length > 0) throw new HoldfastError("verify-failed", { defects: answer.defects.length });
    return exitCodes.done;
  },
};

function verifyLines({ words, format, output }: Context, answer: VerifyAnswer, depth: "data" | "structure"): string[] {
  const texts = words.verify;
  const lines: string[] = [];
  for (const { code, subject, detail, snapshots } of answer.defects) {
    const what = format.fill(sentence(words.defects, code) ?? code, { subject, detail });
    lines.push(`${output.paint("red", "✗")} ${printable(subject)}: ${what}${detail ? ` (${printable(detail)})` : ""}`);
    const ids = snapshots.map((id) => id.slice(0, 8)).join(", ");
    if (ids) lines.push(`  ${format.fill(texts.touches, { ids })}`);
  }
  const { snapshots, trees, blobs, packs, durationMs: ms } = answer;
  if (answer.defects.length === 0)
    lines.push(output.paint("green", format.fill(texts.sound, { snapshots, trees, blobs, packs, ms })));
  lines.push(depth === "data" ? format.fill(texts.read, { bytes: answer.readBytes }) : texts.shallow);
  if (answer.unusedBlobs + answer.unindexedPacks > 0) {
    lines.push(format.fill(texts.unused, { blobs: answer.unusedBlobs, packs: answer.unindexedPacks }));
  }
  return lines;
}
