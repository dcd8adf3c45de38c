import * as z from "zod";
import {
  countRules,
  parseSpan,
  retentionPresets,
  spanPattern,
  type RetentionPolicy,
  type RetentionPreset,
} from "../lib/retention-policy.ts";

const presets = Object.keys(retentionPresets) as [RetentionPreset, ...RetentionPreset[]];

const count = z.union([z.int().min(0).max(1_000_000), z.literal("all")]).optional();
const span = z
  .string()
  .regex(new RegExp(spanPattern), { error: "span" })
  .refine((text) => parseSpan(text) !== undefined, { params: { problem: "span" } })
  .meta({ examples: ["10d", "1y6m", "48h"] })
  .optional();

/** `retention:` as it is written: the rules of `restic forget`, under its names. */
export const retentionSchema = z
  .strictObject({
    preset: z
      .enum(presets)
      .optional()
      .meta({ description: "Rules of a size: a month, three years or ten years back." }),
    last: count.meta({ description: "The newest so many." }),
    hourly: count.meta({ description: "The newest of each of so many hours." }),
    daily: count,
    weekly: count,
    monthly: count,
    yearly: count,
    within: span.meta({ description: "All that are not older than this, counted from the newest." }),
    "within-hourly": span.meta({ description: "The newest of each hour within this." }),
    "within-daily": span,
    "within-weekly": span,
    "within-monthly": span,
    "within-yearly": span,
    tags: z
      .array(z.string().min(1))
      .min(1)
      .optional()
      .meta({ description: "What has all tags of one entry.", examples: [["year-end", "audit,signed"]] }),
  })
  .meta({
    id: "retention",
    description: "Which recovery points `holdfast forget` keeps; the days are those of `timezone:`.",
  });

type WrittenRetention = z.infer<typeof retentionSchema>;

export function resolveRetention(written: WrittenRetention): RetentionPolicy {
  const policy: { [rule: string]: unknown } =
    written.preset === undefined ? {} : { ...retentionPresets[written.preset] };
  for (const rule of countRules) if (written[rule] !== undefined) policy[rule] = written[rule];
  const spans = {
    within: written.within,
    withinHourly: written["within-hourly"],
    withinDaily: written["within-daily"],
    withinWeekly: written["within-weekly"],
    withinMonthly: written["within-monthly"],
    withinYearly: written["within-yearly"],
  };
  for (const [rule, text] of Object.entries(spans)) if (text !== undefined) policy[rule] = parseSpan(text);
  if (written.tags !== undefined) policy["tags"] = written.tags.map((list) => list.split(","));
  return policy;
}
