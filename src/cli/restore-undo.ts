import type { UndoableRestore } from "../engine/undo.ts";
import { HoldfastError } from "../lib/errors.ts";
import { printable } from "../words/format.ts";
import { type Command, hasFlag } from "./command.ts";
import type { Context } from "./context.ts";
import { waitOption } from "./duration.ts";
import { exitCodes } from "./exit-codes.ts";
import { reasonText } from "./record-lines.ts";
import { renderTable } from "./table.ts";

export const restoreUndoCommand: Command = {
  name: "restore undo",
  answers: "stream",
  arguments: [{ form: "[id]" }],
  options: [{ flags: "--list" }, { flags: "--wait [duration]" }],
  async run(context, invocation) {
    const { door, output, words, format } = context;
    if (hasFlag(invocation, "list")) {
      const found = await door.undoable();
      output.record({ type: "undoable", restores: found });
      output.lines(listLines(context, found));
      return exitCodes.done;
    }
    const [id] = invocation.arguments;
    const crms = (await context.config())?.crms ?? [];
    const wanted = (await door.undoable()).find((one) => one.id.startsWith(id ?? ""));
    // Rows that were changed one by one are kept in the repository, and only there.
    const password = wanted?.needs === "repository" ? (await context.access(wanted.location)).password : undefined;
    const input = {
      crms,
      waitMs: waitOption(invocation),
      ...(id === undefined ? {} : { id }),
      ...(password === undefined ? {} : { password }),
    };
    const report = await door.undoRestore(input, context.run);
    output.record(report);
    const whole = report.failed.length === 0 && report.rows === 0;
    output.line(
      whole
        ? format.fill(words.undo.done, { crm: report.crm, id: report.id })
        : format.fill(words.undo.rows, { crm: report.crm, id: report.id, rows: report.rows }),
    );
    output.lines(report.restored.map((path) => `  ${printable(path)}`));
    if (report.failed.length > 0) {
      output.line(output.paint("red", words.undo.left));
      output.lines(report.failed.map(({ path, reason }) => `  ✗ ${printable(path)} (${reasonText(context, reason)})`));
      throw new HoldfastError("undo-incomplete", { failed: report.failed.length });
    }
    return exitCodes.done;
  },
};

function listLines({ words, format }: Context, found: readonly UndoableRestore[]): string[] {
  const { tables, undo } = words;
  if (found.length === 0) return [undo.none];
  const columns = [tables.id, tables.time, tables.crm, tables.state, tables.path].map((heading) => ({ heading }));
  const rows = found.map((one) => [
    one.id,
    format.time(one.time),
    one.crm,
    undo.states[one.state],
    one.paths.join(", "),
  ]);
  return renderTable(columns, rows);
}
