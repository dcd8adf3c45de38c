import { test } from "node:test";
import { campaign } from "./schedule-year.ts";

test(`a slice of the campaign ${campaign.name}`, async () => {
  await campaign.run({ rounds: 1, seed: 7, report: () => {} });
});
