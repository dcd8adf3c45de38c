import { test } from "node:test";
import { postgresLacks } from "../support/postgres-server.ts";
import { campaign } from "./postgres-wal.ts";

const lacks = postgresLacks(18);

test(`a slice of the campaign ${campaign.name}`, { timeout: 900_000, ...(lacks && { skip: lacks }) }, async () => {
  await campaign.run({ rounds: 3, seed: 4, report: () => {} });
});
