import type { PlannedAction, RestorePlan } from "../engine/restore-plan.ts";
import { sentence } from "../words/words.ts";
import type { Context } from "./context.ts";
import { recordLines } from "./record-lines.ts";
import { renderTable } from "./table.ts";
import { addAll } from "../lib/add-all.ts";
import { printable } from "../words/format.ts";
import { warningLines } from "./warnings.ts";

const shownItems = 20;
const actions: readonly PlannedAction[] = ["create", "update", "replace", "remove", "skip", "conflict"];

/** The preview of a restore. */
export function planLines(context: Context, plan: RestorePlan): string[] {
  const { words, format, output } = context;
  const texts = words.plan;
  const { snapshot, target, counts } = plan;
  const title = { id: plan.id, what: texts[plan.scope.kind], crm: snapshot.crm, snapshot: snapshot.id.slice(0, 8) };
  const present = actions.filter((action) => counts[action] > 0);
  const counted = present
    .map((action) => `${words.actions[action]} ${format.number(counts[action])}`)
    .join(words.label.comma);
  const lines = [output.paint("bold", format.fill(texts.title, { ...title, time: snapshot.time }))];
  if (snapshot.outcome !== "ok") lines.push(output.paint("yellow", `! ${texts.withWarnings}`));
  lines.push(
    target.kind === "in-place"
      ? // Other parts stand with their paths below.
        format.fill(texts.inPlace, { place: plan.records?.target })
      : format.fill(texts.elsewhere, {
          place: [target.folder, target.database].flatMap((one) => one ?? []).join(words.label.comma),
        }),
  );
  if (plan.purpose === "replacement") lines.push(texts.replacement);
  if (plan.purpose === "clone") {
    lines.push(texts.clone, ...plan.neutralised.map((code) => `  - ${sentence(words.neutralised, code) ?? code}`));
  }
  if (plan.anonymised) lines.push(...anonymiseLines(context, plan.anonymised));
  const records = plan.records ? recordLines(context, plan.records) : [];
  if (records.length > 0) lines.push("", ...records);
  else if (plan.parts.length > 0) lines.push("", ...partLines(context, plan), ...leftLines(context, plan));
  if (!plan.records || plan.items.length > 0)
    lines.push("", format.fill(texts.counts, { counts: counted || words.label.none }), ...itemLines(context, plan));
  if (plan.cold !== undefined) lines.push(output.paint("yellow", format.fill(texts.cold, { ...plan.cold })));
  const space = format.fill(texts.space, { needed: plan.neededBytes, free: plan.freeBytes });
  const { neededFiles, freeFiles = Infinity } = plan;
  const tooMany = neededFiles > freeFiles;
  const short = plan.neededBytes > plan.freeBytes || tooMany;
  if (!plan.records || plan.items.length > 0) {
    lines.push(short ? output.paint("red", `${space}. ${texts.spaceShort}`) : space);
    if (tooMany) lines.push(output.paint("red", format.fill(texts.filesShort, { neededFiles, freeFiles })));
  }
  if (plan.parts.some((part) => part.action === "replace")) lines.push(texts.swap);
  if (plan.heldBack) lines.push(format.fill(words.erase.heldBack, { ...plan.heldBack }));
  if (plan.warnings.length > 0) addAll(lines, ["", ...warningLines(plan.warnings, output, words, format)]);
  if (plan.maintenance) {
    lines.push("", texts.before, `  - ${sentence(words.maintenance, plan.maintenance.on) ?? plan.maintenance.on}`);
  }
  if (plan.afterRestore.length > 0) {
    lines.push(
      "",
      texts.after,
      ...plan.afterRestore.map((code) => `  - ${sentence(words.afterRestore, code) ?? code}`),
    );
  }
  if (plan.confirm !== undefined) lines.push("", format.fill(texts.confirm, { name: plan.confirm }));
  return lines;
}

/** Why there is nothing to do; `undefined` where there is something. */
export function idleText({ words }: Context, plan: RestorePlan): string | undefined {
  if (!isIdle(plan)) return undefined;
  return plan.counts.conflict > 0 ? words.plan.onlyConflicts : words.plan.nothing;
}

/** Whether there is nothing to do. */
function isIdle({ records, counts }: RestorePlan): boolean {
  const rows = records?.groups.some(({ counts: some }) => some.insert + some.update + some.undelete + some.remove > 0);
  const present = actions.filter((action) => counts[action] > 0);
  return rows !== true && present.every((action) => action === "skip" || action === "conflict");
}

function anonymiseLines({ words }: Context, { files, rules }: NonNullable<RestorePlan["anonymised"]>): string[] {
  const texts = words.plan.anonymised;
  const tables = Map.groupBy(
    rules.filter(({ kind }) => kind !== "keep"),
    ({ table }) => table,
  );
  return [
    texts.title,
    ...[...tables].map(
      ([table, ofTable]) =>
        `  ${printable(table)}: ${ofTable.map(({ column, kind }) => `${printable(column)} (${kind})`).join(words.label.comma)}`,
    ),
    texts[files],
  ];
}

function partLines({ words, format }: Context, plan: RestorePlan): string[] {
  const { tables } = words;
  const columns = [
    { heading: tables.action },
    { heading: tables.part },
    { heading: tables.name },
    { heading: tables.content },
    { heading: tables.size, align: "right" as const },
    { heading: tables.path },
    { heading: "" },
  ];
  const whyOf = ({ reason, changes }: RestorePlan["parts"][number]) => {
    const why = reason === undefined ? "" : (sentence(words.planReasons, reason) ?? reason);
    if (changes === undefined || reason === "same") return why;
    const { created, updated, removed, missing, differ, newer } = changes;
    const numbers = { created, updated, removed, left: missing + differ + newer };
    const shown = Object.entries(numbers).map(([name, count]) => [name, format.number(count)] as const);
    const counted = format.fill(words.plan.changes, Object.fromEntries(shown));
    return why ? `${why} (${counted})` : counted;
  };
  const rows = plan.parts.map((part) => {
    const holds = [
      ...(part.rows === undefined ? [] : [format.count(part.rows, "row")]),
      ...(part.files === undefined || part.files + part.bytes === 0 ? [] : [format.count(part.files, "file")]),
    ];
    // Of chosen files that are there already, nothing comes.
    const size = part.files === 0 && part.bytes === 0 ? "" : format.bytes(part.bytes);
    return [
      words.actions[part.action],
      words.parts[part.kind],
      part.name,
      holds.join(words.label.comma),
      size,
      part.path,
      whyOf(part),
    ];
  });
  return renderTable(columns, rows);
}

/** What rows stay as they are although they differ, and what would bring them back: whoever plans on a bad day may not know. */
function leftLines({ words, format }: Context, { parts, switches }: RestorePlan): string[] {
  const sum = (name: "differ" | "newer") => parts.reduce((all, { changes }) => all + (changes?.[name] ?? 0), 0);
  const [differ, newer] = [sum("differ"), sum("newer")];
  const lines = [
    ...(differ > 0 && !switches.updateChanged ? [format.fill(words.plan.leftChanged, { differ })] : []),
    ...(newer > 0 && !switches.removeNewer ? [format.fill(words.plan.leftNewer, { newer })] : []),
  ];
  return lines.length > 0 ? ["", ...lines] : [];
}

function itemLines({ words, format, output }: Context, plan: RestorePlan): string[] {
  const total = actions.reduce((sum, action) => sum + plan.counts[action], 0) - plan.parts.length;
  const shown = output.detail === "verbose" ? plan.items : plan.items.slice(0, shownItems);
  const lines = shown.map(({ action, path, reason }) => {
    const why = reason === undefined ? undefined : (sentence(words.planReasons, reason) ?? reason);
    return `  ${format.fill(words.plan.item, { action: words.actions[action], path, why })}`;
  });
  const more = Math.max(total, plan.items.length) - shown.length;
  return more > 0 && shown.length > 0 ? [...lines, `  ${format.fill(words.plan.more, { count: more })}`] : lines;
}
