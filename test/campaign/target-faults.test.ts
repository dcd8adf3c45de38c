import { test } from "node:test";
import { startTarget } from "../support/targets.ts";
import { campaign, faultsOn } from "./target-faults.ts";

// Of the others each round costs a server that takes long to start; SFTP and REST differ most from one another.
for (const name of ["sftp", "rest"] as const) {
  test(`a slice of the campaign ${campaign.name}: ${name}`, { timeout: 300_000 }, async () => {
    await using target = await startTarget[name]();
    await faultsOn(target, { rounds: 1, seed: 3, report: () => {} }, {});
  });
}
