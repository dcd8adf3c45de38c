import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { campaign, onPostgres } from "./record-subsets.ts";

const data = process.env["HOLDFAST_TEST_DATA"];
const isHere = data !== undefined && existsSync(join(data, "dolibarr/demo-9.0.0.sql.xz"));
const leftOut = isHere ? "" : " (left out: HOLDFAST_TEST_DATA names no folder with Dolibarr's demo data)";

test(`a slice of the campaign ${campaign.name}${leftOut}`, { timeout: 900_000 }, async () => {
  // On MariaDB the whole campaign alone: what a slice costs is the server and the data, more than its rounds.
  if (isHere) await onPostgres(data, { rounds: 3, seed: 3, report: () => {} });
});
