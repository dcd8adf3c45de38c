import { test } from "node:test";
import { campaign } from "./kill-9.ts";

test(`a slice of the campaign ${campaign.name}`, { timeout: 900_000 }, async () => {
  await campaign.run({ rounds: 1, seed: 1, report: () => {} });
});
