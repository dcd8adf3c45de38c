import { randomUUID } from "node:crypto";
import { defaultFollow } from "../config/default-follow.ts";
import { GapWriter } from "../jobs/gap-writer.ts";
import { isHoldfastError } from "../lib/errors.ts";
import type { Command } from "./command.ts";
import { backupSource } from "./backup-source.ts";
import { exitCodes } from "./exit-codes.ts";

export const followCommand: Command = {
  name: "follow",
  answers: "stream",
  options: [{ flags: "--no-backup" }],
  async run(context, invocation) {
    const { words, format, output } = context;
    const source = await backupSource(context);
    const limits = await context.limits();
    const config = (await context.config())?.follow ?? defaultFollow;
    const { door, run } = context;
    await using gaps = new GapWriter({
      door,
      repository: source.repository,
      crm: source.crm.name,
      limits,
      now: run.now,
      newId: randomUUID,
      onFailure: (error) => {
        const reason = isHoldfastError(error) ? error.code : String(error);
        run.report({ type: "note", code: "gap-not-stored", facts: { reason } });
      },
    });
    const report = await door.follow(
      {
        crm: source.crm,
        repository: source.repository,
        limits: { ...limits, workers: 1 },
        rpoMs: config.rpoMsByCrm[source.crm.name] ?? config.rpoMs,
        mostLagBytes: config.logBytes,
        ...(invocation.options["backup"] !== false && {
          backup: (inner) => door.backup({ ...source, limits, waitMs: 0, inconsistencies: "warn" }, inner),
        }),
      },
      {
        ...run,
        report: (event) => {
          run.report(event);
          gaps.note(event);
        },
      },
    );
    output.record(report);
    if (!output.json) {
      const { transactions, rows, files, durationMs: ms, crm } = report;
      output.lines([
        format.fill(words.follow.done, { crm, transactions: format.number(transactions), rows, files, ms }),
      ]);
    }
    return exitCodes.done;
  },
};
