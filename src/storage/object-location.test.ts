import assert from "node:assert/strict";
import { test } from "node:test";
import { isHoldfastError } from "../lib/errors.ts";
import { parseObjectLocation } from "./object-location.ts";

test("locations as restic writes them", () => {
  for (const [location, kind, place] of [
    ["azure:backups:/", "azure", { bucket: "backups", prefix: "" }],
    ["azure:crm-backups:/acme/one", "azure", { bucket: "crm-backups", prefix: "acme/one/" }],
    ["gs:backups:/", "gs", { bucket: "backups", prefix: "" }],
    ["gs:backups", "gs", { bucket: "backups", prefix: "" }],
    ["gs:crm.example.com:a b/", "gs", { bucket: "crm.example.com", prefix: "a b/" }],
  ] as const) {
    assert.deepEqual(parseObjectLocation(location, kind), place);
  }
});

test("what is no place is refused, and a login in it not repeated", () => {
  for (const [location, kind] of [
    ["azure:", "azure"],
    ["azure:Backups:/", "azure"],
    ["azure:a--b:/", "azure"],
    ["azure:ab:/", "azure"],
    ["azure:https://account.blob.core.windows.net/backups?sig=SECRET", "azure"],
    ["azure:account:SECRET@backups:/", "azure"],
    ["gs:backups:/../x", "gs"],
    ["gs:backups:/a#SECRET", "gs"],
    ["gs://backups/", "gs"],
    ["gs:-backups:/", "gs"],
  ] as const) {
    assert.throws(
      () => parseObjectLocation(location, kind),
      (error) => isHoldfastError(error, "storage-address") && !JSON.stringify(error.facts).includes("SECRET"),
      location,
    );
  }
});
