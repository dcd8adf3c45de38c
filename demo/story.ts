import { createFormat, type Facts, type Format } from "../src/words/format.ts";
import { loadWords, type Language } from "../src/words/words.ts";
import { type Answer, runHoldfast } from "./holdfast.ts";
import { type DemoWords, en, zhCn } from "./words.ts";

/** Tells the story: chapters, sentences, and commands with what they answered. */
export interface Story {
  readonly words: DemoWords;
  readonly format: Format;
  chapter(title: string): void;
  say(sentence: string, facts?: Facts): void;
  /** A thing that was compared and found right. */
  proved(sentence: string, facts?: Facts): void;
  lines(lines: readonly string[]): void;
  /** Shows the command and runs it; gives its last answer of this type, and how long it took. */
  run(type: string, args: readonly string[]): Promise<{ readonly answer: Answer; readonly durationMs: number }>;
}

export interface StoryOptions {
  readonly language: Language;
  readonly write: (text: string) => void;
  readonly paint: boolean;
  /** Where commands run: changes when the story goes elsewhere. */
  readonly folder: () => string;
}

/** 3: done with warnings, which the story shows by its comparisons to be none that matter. */
const goodCodes: readonly (number | null)[] = [0, 3];

export async function createStory({ language, write, paint, folder }: StoryOptions): Promise<Story> {
  const words = language === "en" ? en : zhCn;
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const format = createFormat(await loadWords(language), language, zone);
  const styled = (code: number, text: string) => (paint ? `\u001B[${code}m${text}\u001B[0m` : text);
  return {
    words,
    format,
    chapter: (title) => write(`\n${styled(1, title)}\n`),
    say: (sentence, facts = {}) => write(`  ${format.fill(sentence, facts)}\n`),
    proved: (sentence, facts = {}) => write(`  ${styled(32, "✓")} ${format.fill(sentence, facts)}\n`),
    lines: (lines) => write(lines.map((line) => `  ${line}\n`).join("")),
    async run(type, args) {
      const shown = ["holdfast", ...args.map(quoted)].join(" ");
      write(`  ${styled(36, `$ ${shown}`)}\n`);
      const ended = await runHoldfast(args, folder());
      const answer = ended.answers.findLast((one) => one.type === type);
      if (!goodCodes.includes(ended.code) || !answer) {
        const text = ended.errors.trim() || JSON.stringify(ended.answers.at(-1));
        throw new Error(format.fill(words.problems.command, { command: shown, code: String(ended.code), text }));
      }
      return { answer, durationMs: ended.durationMs };
    },
  };
}

/** As a shell takes it. */
function quoted(argument: string): string {
  return /^[\p{L}\p{N}_./:@=-]+$/u.test(argument) ? argument : `'${argument.replaceAll("'", String.raw`'\''`)}'`;
}
