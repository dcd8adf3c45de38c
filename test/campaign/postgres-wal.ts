import type { Campaign } from "../support/campaign.ts";
import { postgresRounds } from "./postgres-changes.ts";

export const campaign: Campaign = {
  name: "postgres-wal",
  about:
    "The random writers of postgres-changes on PostgreSQL 18 with summaries of its log: what changed is found by them where no " +
    "transaction was open, and each incremental backup holds exactly what a full read of the same moment gives.",
  rounds: 300,
  run: (options) => postgresRounds({ version: 18, settings: ["summarize_wal=on"] }, options),
};
