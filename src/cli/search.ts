import type { SearchAnswer, SearchHit } from "../engine/search.ts";
import { printable } from "../words/format.ts";
import { padEnd, truncate } from "../words/width.ts";
import { type Command, countOption, hasFlag, textOption } from "./command.ts";
import type { Context } from "./context.ts";
import { entityName } from "./entity-name.ts";
import { exitCodes } from "./exit-codes.ts";
import { fieldName } from "./field-lines.ts";
import { namedPoint } from "./point-argument.ts";

export const searchCommand: Command = {
  name: "search",
  answers: "question",
  arguments: [{ form: "<words...>" }],
  options: [
    { flags: "--point <point>" },
    { flags: "--deleted" },
    { flags: "--only <names>" },
    { flags: "--limit <count>" },
  ],
  async run(context, invocation) {
    const point = namedPoint(context, textOption(invocation, "point") ?? "latest");
    const only = textOption(invocation, "only")?.split(",") ?? [];
    const limit = countOption(invocation, "limit") ?? 50;
    const state = hasFlag(invocation, "deleted") ? ("deleted" as const) : ("there" as const);
    const crm = await context.crmName();
    const crms = (await context.config())?.crms ?? [];
    const repository = await context.access();
    const text = invocation.arguments.join(" ");
    const input = { repository, crms, point, text, state, only, ...(crm === undefined ? {} : { crm }) };
    const found = await context.door.search(input, context.run, (answer) => show(context, answer, limit));
    return found > 0 ? exitCodes.done : exitCodes.nothingMatched;
  },
};

/** How many were found. */
async function show(context: Context, { point, hits }: SearchAnswer, limit: number): Promise<number> {
  const { output, words, format } = context;
  output.record({ type: "search", point });
  let shown = 0;
  for await (const hit of hits) {
    if (shown === limit) {
      output.record({ type: "more" });
      output.line(format.fill(words.search.more, { limit }));
      return shown;
    }
    shown++;
    const { type, ...about } = hit;
    output.record({ type: "hit", of: type, ...about });
    output.lines(hitLines(context, hit));
  }
  if (shown === 0) output.line(words.search.nothing);
  return shown;
}

const widestValue = 60;

function hitLines({ words, format }: Context, hit: SearchHit): string[] {
  if (hit.type === "file") return [printable(hit.path)];
  const { title, deleted, deletedSince } = hit;
  const since = deletedSince && format.fill(words.search.since, { time: pointText(deletedSince) });
  const flag = since ?? (deleted ? words.look.deleted : undefined);
  const of = hit.entity === undefined ? "" : `  ${entityName(words, { ...hit })}`;
  const head =
    `${padEnd(printable(hit.handle), 20)}  ${printable(title ?? "")}${title === undefined ? "" : of}`.trimEnd();
  return [
    flag === undefined ? head : `${head} (${flag})`,
    ...hit.fields
      .filter(({ value }) => value !== title)
      .map((field) => `      ${fieldName(field)}: ${truncate(printable(field.value ?? ""), widestValue)}`),
  ];

  function pointText({ time, snapshot }: SearchAnswer["point"]): string {
    return snapshot === undefined ? words.compare.live : `${format.time(time)} ${snapshot.slice(0, 8)}`;
  }
}
