import { test } from "node:test";
import { campaign, round } from "./flaky-storage.ts";

test(`a slice of the campaign ${campaign.name}`, { timeout: 900_000 }, async () => {
  await round(1, 4, 10_000_000);
});
