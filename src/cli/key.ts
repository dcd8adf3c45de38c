import { resolve } from "node:path";
import type { KeyRow } from "../engine/keys.ts";
import { HoldfastError } from "../lib/errors.ts";
import { canAsk } from "./ask.ts";
import { askNewPassword } from "./ask-password.ts";
import { type Command, type Invocation, textOption } from "./command.ts";
import type { Context } from "./context.ts";
import { exitCodes } from "./exit-codes.ts";
import { renderTable } from "./table.ts";

const newPasswordFile = { flags: "--new-password-file <file>" };

export const keyListCommand: Command = {
  name: "key list",
  answers: "question",
  async run(context) {
    const report = await context.door.listKeys({ repository: await context.access() }, context.run);
    context.output.record(report);
    context.output.lines(keyLines(context, report.keys));
    return exitCodes.done;
  },
};

export const keyAddCommand: Command = {
  name: "key add",
  answers: "question",
  options: [newPasswordFile],
  async run(context, invocation) {
    const repository = await context.access();
    const report = await context.door.addKey(
      { repository, newPassword: await newPassword(context, invocation) },
      context.run,
    );
    const { words, format, output } = context;
    output.record(report);
    output.line(format.fill(words.key.added, { id: report.id.slice(0, 8) }));
    return exitCodes.done;
  },
};

export const keyPasswdCommand: Command = {
  name: "key passwd",
  answers: "question",
  options: [newPasswordFile],
  async run(context, invocation) {
    const repository = await context.access();
    const { password: source } = await context.repository();
    const report = await context.door.changePassword(
      { repository, newPassword: await newPassword(context, invocation) },
      context.run,
    );
    const { words, format, output } = context;
    output.record(report);
    output.line(format.fill(words.key.changed, { id: report.id.slice(0, 8) }));
    output.line(source.kind === "file" ? format.fill(words.key.file, { file: source.target }) : words.key.elsewhere);
    return exitCodes.done;
  },
};

export const keyRemoveCommand: Command = {
  name: "key remove",
  answers: "question",
  arguments: [{ form: "<id>" }],
  async run(context, invocation) {
    const input = { repository: await context.access(), id: invocation.arguments[0] ?? "" };
    const report = await context.door.removeKey(input, context.run);
    const { words, format, output } = context;
    output.record(report);
    output.line(format.fill(words.key.removed, { id: report.id.slice(0, 8) }));
    return exitCodes.done;
  },
};

/** From `--new-password-file`, `HOLDFAST_NEW_PASSWORD_FILE` or the terminal, where it is asked for twice. */
async function newPassword(context: Context, invocation: Invocation): Promise<string> {
  const { folder, environment } = context.surroundings;
  const file = textOption(invocation, "newPasswordFile") ?? environment["HOLDFAST_NEW_PASSWORD_FILE"];
  if (file) return await context.password({ kind: "file", target: resolve(folder, file) });
  if (!canAsk(context)) throw new HoldfastError("config-secret", { problem: "none-new" });
  return await askNewPassword(context);
}

function keyLines({ words, format }: Context, keys: readonly KeyRow[]): string[] {
  const { tables } = words;
  const columns = [tables.id, tables.time, tables.user, tables.host, ""].map((heading) => ({ heading }));
  const rows = keys.map(({ id, created, username, hostname, current, damaged }) => [
    id.slice(0, 8),
    Number.isNaN(Date.parse(created)) ? created : format.time(created),
    username,
    hostname,
    damaged ? words.key.damaged : current ? words.key.current : "",
  ]);
  return renderTable(columns, rows);
}
