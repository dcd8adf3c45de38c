import { test } from "node:test";
import { campaign } from "./retention.ts";

test(`a slice of the campaign ${campaign.name}`, async () => {
  await campaign.run({ rounds: 12, seed: 7, report: () => {} });
});
