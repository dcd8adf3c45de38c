import type { AdviceReport, Forecast, StrategyEstimate } from "../engine/advise.ts";
import type { Context } from "./context.ts";

type Voice = Pick<Context, "words" | "format">;

/**
 * The advice as a picture: for each CRM what a year of each strategy takes, and how the repository grows, with its band. Plain
 * SVG with its own background, so that it reads the same in a browser, in print, and in a dark viewer.
 */
const width = 860;
const left = 280;
const right = 190;
const barHeight = 22;
const rowHeight = 34;
const ink = "#1f2933";
const soft = "#616e7c";
const bar = "#3e7cb1";
const chosen = "#1b7f5c";
const font = 'font-family="system-ui, sans-serif"';

export function advicePicture(context: Voice, report: AdviceReport): string {
  const parts: string[] = [];
  let y = 24;
  for (const { crm, strategies, recommended } of report.crms) {
    if (strategies.length === 0) continue;
    y += 16;
    parts.push(text(24, y, context.format.fill(context.words.advise.pictureTitle, { crm }), 17, ink, "600"));
    y += 14;
    const most = Math.max(1, ...strategies.map(({ storedBytes }) => storedBytes.high));
    for (const one of strategies) {
      parts.push(...strategyRow(context, one, y, most, one.name === recommended?.name));
      y += rowHeight;
    }
    y += 18;
  }
  if (report.forecast) {
    y += 16;
    parts.push(text(24, y, context.words.advise.forecastTitle, 17, ink, "600"));
    parts.push(...forecastChart(context, report.forecast, y + 20));
    y += 280;
  }
  const size = `width="${width}" height="${y + 24}" viewBox="0 0 ${width} ${y + 24}"`;
  const head = `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img">`;
  return `${head}\n<rect width="100%" height="100%" fill="#ffffff"/>\n${parts.join("\n")}\n</svg>\n`;
}

function strategyRow(
  { words, format }: Voice,
  one: StrategyEstimate,
  y: number,
  most: number,
  isChosen: boolean,
): readonly string[] {
  const scale = (bytes: number) => (bytes / most) * (width - left - right);
  const { low, middle, high } = one.storedBytes;
  const name = `${isChosen ? "✓ " : ""}${words.advise.names[one.name]}`;
  const colour = isChosen ? chosen : bar;
  const centre = y + barHeight / 2;
  return [
    text(24, centre + 5, name, 14, isChosen ? chosen : ink, isChosen ? "600" : "400"),
    `<rect x="${left}" y="${y}" width="${round(scale(middle))}" height="${barHeight}" rx="3" fill="${colour}"/>`,
    // The band: from the tenth to the ninetieth percentile of what was seen.
    `<path d="M${round(left + scale(low))} ${centre}H${round(left + scale(high))}M${round(left + scale(high))} ${centre - 5}v10" stroke="${ink}" stroke-width="1.5" fill="none"/>`,
    text(width - right + 12, centre + 5, `${format.bytes(middle)} · RPO ${format.duration(one.rpoMs)}`, 13, soft),
  ];
}

function forecastChart({ format, words }: Voice, forecast: Forecast, y: number): readonly string[] {
  const height = 200;
  const chartLeft = 96;
  const chartWidth = width - chartLeft - 120;
  const { points, capacityBytes } = forecast;
  const highest = Math.max(1, ...points.map(({ bytes }) => bytes.high));
  // A store that is far from full is not drawn: the curve would be a line at the bottom.
  const capacity = capacityBytes !== undefined && capacityBytes <= highest * 3 ? capacityBytes : undefined;
  const top = Math.max(highest, capacity ?? 0) * 1.05;
  const x = (days: number) => round(chartLeft + (days / 365) * chartWidth);
  const at = (bytes: number) => round(y + height - (bytes / top) * height);
  const line = (side: "low" | "middle" | "high") => points.map(({ days, bytes }) => `${x(days)},${at(bytes[side])}`);
  const parts = [
    `<path d="M${chartLeft} ${y}V${y + height}H${chartLeft + chartWidth}" stroke="${soft}" fill="none"/>`,
    `<polygon points="${[...line("high"), ...line("low").toReversed()].join(" ")}" fill="${bar}" opacity="0.22"/>`,
    `<polyline points="${line("middle").join(" ")}" fill="none" stroke="${bar}" stroke-width="2.5"/>`,
    ...[0, 0.5, 1].map((share) =>
      text(chartLeft - 10, at(top * share) + 4, format.bytes(top * share), 12, soft, "400", "end"),
    ),
    ...points.map(({ days }) => text(x(days), y + height + 18, format.count(days, "day"), 12, soft, "400", "middle")),
  ];
  const end = points.at(-1);
  if (end) parts.push(text(x(end.days) + 8, at(end.bytes.middle) + 4, format.bytes(end.bytes.middle), 13, bar, "600"));
  if (capacity !== undefined) {
    parts.push(
      `<path d="M${chartLeft} ${at(capacity)}H${chartLeft + chartWidth}" stroke="#b3261e" stroke-width="1.5" stroke-dasharray="6 4"/>`,
      text(chartLeft + 8, at(capacity) - 7, `${words.advise.capacity} ${format.bytes(capacity)}`, 12, "#b3261e"),
    );
  }
  return parts;
}

function text(
  x: number,
  y: number,
  content: string,
  size: number,
  fill: string,
  weight = "400",
  anchor = "start",
): string {
  const style = `font-size="${size}" font-weight="${weight}" fill="${fill}" text-anchor="${anchor}"`;
  return `<text x="${x}" y="${y}" ${font} ${style}>${escaped(content)}</text>`;
}

function escaped(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
