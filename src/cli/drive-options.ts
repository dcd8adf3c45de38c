import { resolve } from "node:path";
import { parseRate, sizePattern } from "../config/size.ts";
import type { DriveChoice } from "../engine/engine.ts";
import { HoldfastError } from "../lib/errors.ts";
import { ask, canAsk } from "./ask.ts";
import { type Invocation, type OptionSpec, textOption } from "./command.ts";
import type { Context } from "./context.ts";

/** Who changes the tapes: the same for `export` and `import`. */
export const changerOptions: readonly OptionSpec[] = [{ flags: "--changer <device>" }, { flags: "--slots <slots>" }];

/** A folder, or `tape:DEVICE` with its changer. */
export function driveChoice({ surroundings }: Context, place: string, invocation: Invocation): DriveChoice {
  const isTape = place.startsWith("tape:");
  const size = textOption(invocation, "volumeSize");
  const volumeBytes = size !== undefined && new RegExp(sizePattern).test(size) ? parseRate(size) : undefined;
  if (size !== undefined && volumeBytes === undefined) throw badValue("--volume-size", size, "4.7GB, 100GB");
  const device = textOption(invocation, "changer");
  const slots = textOption(invocation, "slots");
  if ((device === undefined) !== (slots === undefined) || (device !== undefined && !isTape)) {
    throw badValue("--changer", device ?? "", "tape:DEVICE, --changer DEVICE, --slots 1-8");
  }
  return {
    place: isTape ? place : resolve(surroundings.folder, place),
    ...(volumeBytes !== undefined && { volumeBytes }),
    ...(device !== undefined && slots !== undefined && { changer: { device, slots: slotsOf(slots) } }),
  };
}

/** `1-8,10` */
function slotsOf(text: string): readonly number[] {
  return text.split(",").flatMap((part) => {
    const [, first, last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part.trim()) ?? [];
    const [from, to] = [Number(first), Number(last)];
    if (first === undefined || from < 1 || to < from) throw badValue("--slots", text, "1-8, 1,3,5");
    return Array.from({ length: to - from + 1 }, (_, index) => from + index);
  });
}

function badValue(what: string, value: string, expected: string): HoldfastError {
  return new HoldfastError("usage", { problem: "bad-value", what, value, expected });
}

/** Where there is a terminal, whoever sits there is asked for the next medium. */
export function volumeAsker(context: Context): ((volume: string) => Promise<boolean>) | undefined {
  if (!canAsk(context)) return undefined;
  const { words, format } = context;
  return async (volume) => (await ask(context, format.fill(words.volumes.ask, { volume }))).toLowerCase() !== "q";
}
