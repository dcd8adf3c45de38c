import { test } from "node:test";
import { campaign, slice } from "./prune-faults.ts";

test(`a slice of the campaign ${campaign.name}`, { timeout: 900_000 }, async () => {
  await slice(1, 5);
});
