import type { ErrorCode } from "../lib/errors.ts";

/** What a command's end means to a script: the same numbers as restic's where restic has one. */
export const exitCodes = {
  done: 0,
  failed: 1,
  usage: 2,
  warnings: 3,
  nothingMatched: 4,
  noRepository: 10,
  locked: 11,
  wrongPassword: 12,
  restoreIncomplete: 30,
  planOutdated: 31,
  checkFailed: 40,
  cancelled: 130,
} as const;

const special: Partial<Record<ErrorCode, keyof typeof exitCodes>> = {
  usage: "usage",
  "config-missing": "usage",
  "config-invalid": "usage",
  "config-secret": "usage",
  "crm-unknown": "usage",
  "crm-ambiguous": "usage",
  "crm-not-detected": "usage",
  "crm-empty": "usage",
  "crm-configuration-unreadable": "usage",
  "crm-database-ambiguous": "usage",
  "database-unsupported": "usage",
  "moment-invalid": "usage",
  "moment-ambiguous": "usage",
  "snapshot-ambiguous": "usage",
  "purpose-needed": "usage",
  "clone-unsupported": "usage",
  "confirm-needed": "usage",
  "snapshot-unknown": "nothingMatched",
  "snapshot-none": "nothingMatched",
  "moment-too-early": "nothingMatched",
  "nothing-matched": "nothingMatched",
  "plan-unknown": "nothingMatched",
  "undo-none": "nothingMatched",
  "repository-missing": "noRepository",
  "repository-locked": "locked",
  "backup-running": "locked",
  "password-wrong": "wrongPassword",
  "password-empty": "wrongPassword",
  "restore-incomplete": "restoreIncomplete",
  "plan-outdated": "planOutdated",
  "restore-mismatch": "checkFailed",
  "verify-failed": "checkFailed",
  "kit-mismatch": "checkFailed",
  cancelled: "cancelled",
};

export function exitCodeOf(code: ErrorCode): number {
  return exitCodes[special[code] ?? "failed"];
}
