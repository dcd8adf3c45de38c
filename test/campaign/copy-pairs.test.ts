import { test } from "node:test";
import { startTarget } from "../support/targets.ts";
import { campaign, copyPair } from "./copy-pairs.ts";

test(`a slice of the campaign ${campaign.name}`, { timeout: 900_000 }, async () => {
  await using local = await startTarget.local();
  await using gs = await startTarget.gs();
  await using rest = await startTarget.rest();
  await copyPair(rest, gs, "own key");
  await copyPair(local, rest, "same key");
});
