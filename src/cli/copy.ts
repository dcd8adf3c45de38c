import { resolve } from "node:path";
import { resolveLocation } from "../config/location.ts";
import type { CopyConfig } from "../config/config.ts";
import type { CopyInput, CopyReport } from "../engine/copy.ts";
import { addAll } from "../lib/add-all.ts";
import { HoldfastError } from "../lib/errors.ts";
import { type Command, hasFlag, type Invocation, textOption } from "./command.ts";
import type { Context } from "./context.ts";
import { waitOption } from "./duration.ts";
import { exitCodes } from "./exit-codes.ts";
import { lockLines } from "./lock-lines.ts";
import { namedPoint } from "./point-argument.ts";
import { warningLines } from "./warnings.ts";

export const copyCommand: Command = {
  name: "copy",
  answers: "stream",
  arguments: [{ form: "[points...]" }],
  options: [
    { flags: "--to <copy>" },
    { flags: "--to-password-file <file>" },
    { flags: "--create" },
    { flags: "--same-key" },
    { flags: "--wait [duration]" },
  ],
  async run(context, invocation) {
    const { globals } = context;
    const waitMs = waitOption(invocation);
    const points = invocation.arguments.map((text) => namedPoint(context, text));
    const from = await context.access();
    const limits = await context.limits();
    const missing = whereMissing(invocation);
    let worst: number = exitCodes.done;
    for (const { name, location, password, keeping, credentials } of await targets(context, invocation)) {
      const report = await context.door.copy(
        {
          from,
          to: {
            location,
            password: await context.password(password),
            cache: await context.cache(),
            keeping,
            reach: await context.reach(credentials),
          },
          name,
          ...(globals.crm === undefined ? {} : { crm: globals.crm }),
          points,
          missing,
          limits,
          waitMs,
        },
        context.run,
      );
      context.output.record(report);
      const exitCode = report.damaged.length + report.warnings.length > 0 ? exitCodes.warnings : exitCodes.done;
      context.output.report(reportLines(context, report), exitCode);
      context.events.takeWarnings(); // the report has them all
      if (exitCode !== exitCodes.done) worst = exitCode;
    }
    return worst;
  },
};

function whereMissing(invocation: Invocation): CopyInput["missing"] {
  const sameKey = hasFlag(invocation, "sameKey");
  if (hasFlag(invocation, "create")) return sameKey ? "create-same-key" : "create";
  if (sameKey) throw new HoldfastError("usage", { problem: "missing-argument", what: "--create" });
  return "fail";
}

/** The copy that `--to` means: one of the configuration, or any place with a password file of its own; else all. */
async function targets(context: Context, invocation: Invocation): Promise<readonly CopyConfig[]> {
  const { folder } = context.surroundings;
  const copies = (await context.config())?.copies ?? [];
  const to = textOption(invocation, "to");
  const file = textOption(invocation, "toPasswordFile");
  const own = file === undefined ? {} : { password: { kind: "file" as const, target: resolve(folder, file) } };
  const known = copies.map(({ name }) => name).join(", ");
  if (to === undefined) {
    if (copies.length === 0) throw new HoldfastError("copy-unknown");
    return copies.map((copy) => ({ ...copy, ...own }));
  }
  const location = resolveLocation(to, folder);
  const configured = copies.find((copy) => copy.name === to) ?? copies.find((copy) => copy.location === location);
  if (configured !== undefined) return [{ ...configured, ...own }];
  if (own.password === undefined) throw new HoldfastError("copy-unknown", { name: to, ...(known && { known }) });
  return [{ name: to, location, password: own.password, keeping: {}, credentials: {} }];
}

function reportLines({ words, format, output }: Context, report: CopyReport): string[] {
  const texts = words.copy;
  const { copied, present, damaged, storedBytes, durationMs: ms, to } = report;
  const lines: string[] = [];
  if (report.created) {
    const created = report.key === "same" ? texts.createdSameKey : texts.created;
    lines.push(format.fill(created, { to, location: report.location }));
  }
  if (output.detail === "verbose") {
    for (const { id, copy, crm, time } of copied) {
      lines.push(format.fill(texts.one, { id: id.slice(0, 8), copy: copy.slice(0, 8), crm, time }));
    }
  }
  const facts = { to, copied: copied.length, present, stored: storedBytes, ms };
  const done = copied.length === 0 && damaged.length === 0 ? texts.nothing : texts.done;
  lines.push(output.paint(damaged.length > 0 ? "yellow" : "green", format.fill(done, facts)));
  for (const { id, crm, time, missing } of damaged) {
    lines.push(`${output.paint("red", "✗")} ${format.fill(texts.damaged, { id: id.slice(0, 8), crm, time, missing })}`);
  }
  if (report.parity !== undefined) lines.push(format.fill(words.verify.parity, { ...report.parity }));
  if (report.lock !== undefined) lines.push(...lockLines(words, format, report.lock));
  addAll(lines, warningLines(report.warnings, output, words, format));
  return lines;
}
