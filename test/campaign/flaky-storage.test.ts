import { test } from "node:test";
import { targetNames } from "../support/targets.ts";
import { campaign, round, roundOn } from "./flaky-storage.ts";

test(`a slice of the campaign ${campaign.name}`, { timeout: 900_000 }, async () => {
  await round(1, 4, 10_000_000);
});

for (const name of targetNames) {
  if (name === "local") continue;
  test(`a slice of the campaign ${campaign.name}, on ${name}`, { timeout: 900_000 }, async () => {
    await roundOn(name, 1, 3, 4_000_000);
  });
}
