import { test } from "node:test";
import { campaign } from "./postgres-moments.ts";

test(`a slice of the campaign ${campaign.name}`, { timeout: 900_000 }, async () => {
  await campaign.run({ rounds: 12, seed: 1, report: () => {} });
});
