import { test } from "node:test";
import { postgresLacks } from "../support/postgres-server.ts";
import { campaign } from "./kill-9-servers.ts";

const lacks = postgresLacks(18);

test(`a slice of the campaign ${campaign.name}`, { timeout: 900_000, ...(lacks && { skip: lacks }) }, async () => {
  await campaign.run({ rounds: 1, seed: 3, report: () => {} });
});
