import { test } from "node:test";
import { campaign } from "./damage.ts";

test(`a slice of the campaign ${campaign.name}`, { timeout: 900_000 }, async () => {
  await campaign.run({ rounds: 4, seed: 3, report: () => {} });
});
