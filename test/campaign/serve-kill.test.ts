import { test } from "node:test";
import { campaign } from "./serve-kill.ts";

test(`a slice of the campaign ${campaign.name}`, async () => {
  await campaign.run({ rounds: 1, seed: 3, report: () => {} });
});
