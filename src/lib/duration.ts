/** How durations look, for the schema that editors use. */
export const durationPattern = String.raw`^\d{1,6}\s*(ms|s|m|min|h|d)?$`;

const unitMs: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** `500ms`, `30s`, `10m`, `2h`, `1d`, or seconds without a unit, in milliseconds; `undefined` when it is none of these. */
export function parseDuration(text: string): number | undefined {
  const [, amount, unit = "s"] = /^(\d{1,6})\s*(ms|s|m|min|h|d)?$/.exec(text.trim()) ?? [];
  const scale = unitMs[unit];
  return amount === undefined || scale === undefined ? undefined : Number(amount) * scale;
}
