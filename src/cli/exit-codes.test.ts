import assert from "node:assert/strict";
import { test } from "node:test";
import { errorCodes } from "../lib/errors.ts";
import { exitCodeOf } from "./exit-codes.ts";

test("every error code ends with the exit code that scripts rely on", () => {
  const expected: Record<number, readonly string[]> = {
    2: [
      "usage",
      "config-missing",
      "config-invalid",
      "config-secret",
      "crm-unknown",
      "crm-ambiguous",
      "crm-not-detected",
      "crm-empty",
      "crm-configuration-unreadable",
      "crm-database-ambiguous",
      "snapshot-ambiguous",
      "moment-invalid",
      "moment-ambiguous",
      "point-live",
      "database-unsupported",
      "purpose-needed",
      "target-folder-needed",
      "target-database-needed",
      "target-database-unused",
      "clone-unsupported",
      "confirm-needed",
      "copy-unknown",
      "copy-same-repository",
      "repair-first",
      "key-ambiguous",
      "key-current",
      "retention-empty",
      "storage-address",
      "storage-lock-unsupported",
      "storage-no-versions",
      "storage-read-only",
      "export-base-missing",
      "export-unfinished",
      "import-other-repository",
    ],
    4: [
      "snapshot-unknown",
      "snapshot-none",
      "moment-too-early",
      "moment-unreachable",
      "moment-transaction",
      "journal-none",
      "nothing-matched",
      "plan-unknown",
      "undo-none",
      "export-nothing",
      "volume-none",
      "key-unknown",
    ],
    10: ["repository-missing", "repository-incomplete"],
    11: ["repository-locked", "backup-running", "follow-taken"],
    12: ["password-wrong", "password-empty"],
    30: ["restore-incomplete"],
    31: ["plan-outdated", "export-outdated"],
    40: ["restore-mismatch", "restore-lost", "verify-failed", "prune-unsafe", "kit-mismatch", "volume-unverified"],
    130: ["cancelled"],
  };
  const named = new Map(Object.entries(expected).flatMap(([exit, codes]) => codes.map((code) => [code, Number(exit)])));
  for (const code of errorCodes) assert.equal(exitCodeOf(code), named.get(code) ?? 1, code);
});
