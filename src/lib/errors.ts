/**
 * The one error class of Holdfast. An error carries a code and facts; the sentence a person reads, and the hint that
 * says what to do, stand in `words/` under the same code, and the exit code in `cli/exit-codes.ts`.
 */
export const errorCodes = [
  // usage and configuration
  "usage",
  "config-missing",
  "config-invalid",
  "config-secret",
  "crm-unknown",
  "point-of-other",
  "crm-ambiguous",
  "crm-not-detected",
  "crm-empty",
  "crm-configuration-unreadable",
  "crm-database-ambiguous",
  // storage: a storage only classifies; `storage-unreachable` alone is what passes by itself and is tried again
  "storage-not-found",
  "storage-exists",
  "storage-full",
  "storage-denied",
  "storage-append-only", // it takes, and lets nothing be deleted
  "storage-unreachable",
  "storage-failed",
  "storage-address", // the location is no place, or its host is not known
  "storage-login",
  "storage-missing", // no such bucket or container
  "storage-region",
  "storage-clock",
  "storage-certificate",
  "storage-host-unknown", // its key is not among the known ones
  "storage-host-changed",
  "storage-program", // the program that speaks to it is not installed
  "storage-lock-unsupported", // it can keep nothing from being deleted
  "cold-unsupported", // it knows no classes
  "parity-unsupported", // it has no place for parity files
  "storage-no-versions", // it cannot be opened as of a moment
  "storage-read-only", // it was opened as of a moment
  "storage-cold", // a file has to be thawed first
  "storage-cold-version", // an old version of one would have to be, and cannot
  "storage-library", // the library that speaks to it is not installed
  // repository
  "repository-missing",
  "repository-exists",
  "repository-incomplete", // a key, but no config
  "repository-unsupported",
  "repository-damaged",
  "repository-locked",
  "lock-lost",
  "password-wrong",
  "password-empty",
  "repair-first",
  "key-unknown",
  "key-ambiguous",
  "key-current",
  "snapshot-unknown",
  "snapshot-ambiguous",
  "snapshot-none",
  "snapshot-held",
  "snapshot-ledger", // it keeps what was erased from coming back
  "retention-empty",
  "moment-invalid",
  "moment-ambiguous",
  "moment-too-early",
  "moment-unreachable", // the journal does not lead there
  "journal-none",
  "moment-transaction", // no such transaction at that moment
  "point-live", // what is live is no recovery point
  "copy-unknown",
  "copy-same-repository",
  "copy-other-key",
  // backup
  "backup-running",
  "source-missing",
  "database-unreadable",
  "database-not-sqlite", // none, or its beginning is damaged
  "temporary-full", // the folder for temporary files
  "database-name-long",
  "database-unsupported",
  "database-unknown", // a CRM has no database of this name
  // a database server
  "database-unreachable",
  "database-login",
  "database-missing",
  "database-rights",
  "database-busy",
  "database-conflict",
  "database-too-old",
  // following a database's changes
  "follow-unsupported",
  "follow-settings", // the server is not set up for it
  "follow-rights",
  "follow-taken", // somebody else reads the log under our name
  "follow-other", // somebody else has gone on with the journal
  "follow-lag", // the server kept too much of its log for us
  // restore
  "nothing-matched",
  "record-unknown",
  "record-ambiguous", // several databases of a CRM have it
  "records-databases", // records of several databases are no one restore
  "rows-refused", // by the database
  "rows-miscounted", // a statement touched another number of rows than it was meant for
  "commit-unknown", // whether a change of rows stayed
  "target-not-empty",
  "target-folder-needed",
  "target-database-needed",
  "target-database-unused",
  "target-unsafe",
  "target-mounted", // a rename cannot take it away
  "target-in-use",
  "target-full",
  "target-unwritten", // the disk did not take it, and tells so late
  "purpose-needed",
  "clone-unsupported",
  "anonymise-column", // a rule names none, or a key
  "anonymise-leak", // something is left of what was to go
  "crm-version-differs", // the program that would use what is restored is of another version
  "confirm-needed",
  "plan-unknown",
  "plan-outdated",
  "restore-incomplete",
  "undo-incomplete",
  "restore-mismatch",
  "undo-none",
  "undo-databases",
  "undo-emptied", // a transaction that emptied a table cannot be taken back row by row
  "restore-lost",
  "undo-lost",
  "restore-half-made",
  "kit-mismatch",
  "state-unwritable",
  // volumes
  "volume-needed", // a medium has to be put in
  "volume-other", // another one is in
  "volume-none",
  "volume-repositories", // volumes of several repositories lie together
  "volume-small", // not even its own catalogue has room
  "volume-damaged",
  "server-program-missing", // to start a server with, for a copy alone
  "server-unsupported",
  "server-not-started",
  "drill-start", // a restored copy does not run
  "drill-failed",
  "volume-unverified", // it does not give back what was written
  "volume-incomplete", // files of the set are on volumes that were not there
  "drive-failed",
  "drive-program", // `mt` or `mtx` is not installed
  "export-base-missing",
  "export-unfinished",
  "export-outdated",
  "export-nothing",
  "import-other-repository",
  // the service
  "service-running",
  "job-unknown",
  "job-ambiguous",
  "listen-failed",
  "alert-failed",
  "alert-none",
  // all
  "verify-failed",
  "prune-unsafe",
  "cancelled",
  "internal",
] as const;

export type ErrorCode = (typeof errorCodes)[number];

/** Facts for the sentence in `words/`: never secrets. */
export type Facts = Readonly<Record<string, string | number | bigint | undefined>>;

export class HoldfastError extends Error {
  readonly code: ErrorCode;
  readonly facts: Facts;

  constructor(code: ErrorCode, facts: Facts = {}, cause?: unknown) {
    const shown = Object.entries(facts).map(([key, value]) => `${key}=${String(value)}`);
    super([code, ...shown].join(" "), cause === undefined ? undefined : { cause });
    this.name = "HoldfastError";
    this.code = code;
    this.facts = facts;
  }
}

export function isHoldfastError(error: unknown, code?: ErrorCode): error is HoldfastError {
  return error instanceof HoldfastError && (code === undefined || error.code === code);
}
