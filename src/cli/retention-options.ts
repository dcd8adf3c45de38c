import { HoldfastError } from "../lib/errors.ts";
import {
  countRules,
  parseSpan,
  retentionPresets,
  spanRules,
  type KeepCount,
  type RetentionPolicy,
  type RetentionPreset,
} from "../lib/retention-policy.ts";
import { type Invocation, type OptionSpec, textOption } from "./command.ts";

const presets = Object.keys(retentionPresets) as readonly RetentionPreset[];
const flagOf = (rule: string): string => `--keep-${rule.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
const optionOf = (rule: string): string => `keep${rule.charAt(0).toUpperCase()}${rule.slice(1)}`;

/** The rules of `retention:` as options, called as restic calls them. */
export const retentionOptions: readonly OptionSpec[] = [
  { flags: "--keep <preset>", choices: presets },
  ...countRules.map((rule) => ({ flags: `${flagOf(rule)} <n>` })),
  ...spanRules.map((rule) => ({ flags: `${flagOf(rule)} <span>` })),
  { flags: "--keep-tag <tags...>" },
];

/** The policy that was typed; `undefined` when none was, and the configuration's counts. */
export function typedPolicy(invocation: Invocation): RetentionPolicy | undefined {
  const preset = presets.find((one) => one === invocation.options["keep"]);
  const policy: { [rule: string]: unknown } = preset === undefined ? {} : { ...retentionPresets[preset] };
  for (const rule of countRules) {
    const text = textOption(invocation, optionOf(rule));
    if (text !== undefined) policy[rule] = countOf(text, flagOf(rule));
  }
  for (const rule of spanRules) {
    const text = textOption(invocation, optionOf(rule));
    if (text === undefined) continue;
    const span = parseSpan(text);
    if (span === undefined) throw badValue(flagOf(rule), text, "10d, 6m, 1y2m3d4h");
    policy[rule] = span;
  }
  const tags = invocation.options["keepTag"];
  if (Array.isArray(tags)) policy["tags"] = (tags as readonly string[]).map((list) => list.split(","));
  return Object.keys(policy).length === 0 ? undefined : policy;
}

function countOf(text: string, flag: string): KeepCount {
  if (text === "all" || text === "unlimited") return "all";
  if (!/^\d{1,6}$/.test(text)) throw badValue(flag, text, "0, 1, 2, …, all");
  return Number(text);
}

function badValue(what: string, value: string, expected: string): HoldfastError {
  return new HoldfastError("usage", { problem: "bad-value", what, value, expected });
}
