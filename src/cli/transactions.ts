import type { TransactionRow } from "../engine/transactions.ts";
import { HoldfastError } from "../lib/errors.ts";
import { parseDuration } from "../lib/duration.ts";
import type { Command } from "./command.ts";
import { textOption } from "./command.ts";
import type { Context } from "./context.ts";
import { exitCodes } from "./exit-codes.ts";
import { pointArgument } from "./point-argument.ts";
import { renderTable } from "./table.ts";

const defaultWithin = "1m";
const mostShown = 100;

export const transactionsCommand: Command = {
  name: "transactions",
  answers: "question",
  arguments: [{ form: "[moment]" }],
  options: [{ flags: "--within <duration>" }],
  async run(context, invocation) {
    const text = invocation.arguments[0];
    const point = text === undefined ? undefined : pointArgument(context, [text]).point;
    if (point !== undefined && point.kind !== "moment") {
      throw new HoldfastError("moment-invalid", { text: text ?? "", problem: "form" });
    }
    const within = textOption(invocation, "within") ?? defaultWithin;
    const withinMs = parseDuration(within);
    if (withinMs === undefined) throw new HoldfastError("usage", { problem: "bad-duration", value: within });
    const crm = await context.crmName();
    const report = await context.door.transactions(
      {
        repository: await context.access(),
        ...(crm !== undefined && { crm }),
        ...(point && { around: point.time }),
        withinMs,
        most: mostShown,
      },
      context.run,
    );
    context.output.record(report);
    if (!context.output.json) context.output.lines(lines(context, report.transactions, report.more));
    return report.transactions.length > 0 ? exitCodes.done : exitCodes.nothingMatched;
  },
};

function lines({ words, format }: Context, rows: readonly TransactionRow[], more: number): string[] {
  if (rows.length === 0) return [words.transactions.none];
  const { tables } = words;
  const columns = [
    { heading: tables.time },
    { heading: tables.transaction },
    { heading: tables.rows, align: "right" as const },
    { heading: tables.tables },
    { heading: tables.users },
  ];
  const cells = rows.map((row) => [
    // All digits: two of one second differ by them.
    row.time,
    row.transaction,
    format.number(row.rows),
    row.tables.map(({ name }) => name).join(", "),
    row.users.join(", "),
  ]);
  const rest = more > 0 ? [format.fill(words.transactions.more, { count: format.number(more) })] : [];
  return [...renderTable(columns, cells), ...rest];
}
