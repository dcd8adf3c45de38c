import { test } from "node:test";
import { campaign, history } from "./model.ts";

test(`a slice of the campaign ${campaign.name}`, { timeout: 900_000 }, async () => {
  await history({ rounds: 12, seed: 1, report: () => {} });
});
