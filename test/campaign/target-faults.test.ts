import { test } from "node:test";
import { startTarget } from "../support/targets.ts";
import { campaign, faultsOn } from "./target-faults.ts";

// The servers of the others take longer to start, and each command of a round is a process of its own.
test(`a slice of the campaign ${campaign.name}`, { timeout: 900_000 }, async () => {
  await using target = await startTarget.rest();
  await faultsOn(target, { rounds: 1, seed: 3, report: () => {}, commands: ["backup", "forget"] }, {});
});
