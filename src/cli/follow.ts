import { defaultFollow } from "../config/default-follow.ts";
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
    const report = await context.door.follow(
      {
        crm: source.crm,
        repository: source.repository,
        limits: { ...limits, workers: 1 },
        rpoMs: config.rpoMsByCrm[source.crm.name] ?? config.rpoMs,
        mostLagBytes: config.logBytes,
        ...(invocation.options["backup"] !== false && {
          backup: (run) => context.door.backup({ ...source, limits, waitMs: 0, inconsistencies: "warn" }, run),
        }),
      },
      context.run,
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
