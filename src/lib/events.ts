/**
 * What the engine tells of its work: one stream of plain values, read by the terminal, by `--json` and later by the
 * console. No sentences here: `code` names one in `words/`.
 */
export type Phase =
  | "open"
  | "scan"
  | "database"
  | "files"
  | "upload"
  | "snapshot"
  | "plan"
  | "restore"
  | "verify"
  | "copy"
  | "swap"
  | "undo"
  | "forget"
  | "prune"
  | "repair"
  | "protect"
  | "parity"
  | "thaw"
  | "drill"
  | "export"
  | "import";

export const warningCodes = [
  "file-unreadable",
  "file-vanished",
  "file-changed",
  "file-missing", // a row's file is not there
  "file-orphan", // no row owns the file
  "part-missing", // a folder or configuration file of the CRM is not there
  "not-covered", // something that this backup cannot hold, by design; the platform says why
  "key-missing", // a key of the CRM is not there: what it stored with it could not be read after a restore
  "metadata-lost", // owner, attribute or time that could not be read or set
  "password-file-open", // others can read the password file
  "no-root", // said once: what needs root and was left out
  "kit-unused",
  "lock-stale-removed",
  "outside-journal", // a table that is as of the backup before the moment
  "database-unfollowed", // one that is as of the backup before the moment, which was made at `detail`
  "files-unseen", // nobody looked at the files from `subject` to `detail`, in which the moment lies
  "files-behind", // nobody looked at the files after `subject`
  "newer-with-warnings", // a newer snapshot exists, ended with warnings, and was not taken for `latest`
  "point-ahead", // it bears a time that has not come yet, and is taken for the newest until then
  "table-unkeyed",
  "personal-key", // of a copy that is anonymised: keys stay
  "grant-refused", // a statement that gives an owner or a right, for a role that is not there say, or makes a view of what is not there
  "old-restore-kept", // what it replaced is over, and could not be removed
  "place-moved", // a part goes back to `subject`, where it was backed up, and the CRM has it at `detail` by now
  "link-replaced", // a database's file is a link that others may have made: it is not followed, and a file takes its place
  "undo-without", // it is in the live database, and would not come back with an undo: a view of what is not there
  "forget-last", // by its id, a CRM's last recovery point goes
  "forget-last-ok", // by its id, a CRM's last one that ended ok goes
  // what a mended recovery point lacks
  "lost-file",
  "lost-part", // of a file; what is left has another name
  "lost-folder",
  "lost-rows",
  "lost-changes", // rows that are older than the recovery point
  "lost-deletions", // rows that were deleted and may be there again
  "lost-schema", // of a database: its rows are there as files only
  "lost-manifest", // what the recovery point said of itself
  "mended", // something was made anew, and nothing of it is lost
  "lock-ineffective", // a file that should be locked could be deleted; it was put back
  "lock-unproved", // whether a lock holds could not be tried: the login may not ask for it to be taken off
  "snapshot-unreadable", // its file is damaged
  "packs-lost", // an index names packs that are not there
  "lock-failed", // files could not be locked for longer
  "lock-replaced", // a locked file was hidden, or something else was put over it
] as const;
export type WarningCode = (typeof warningCodes)[number];

export interface Warning {
  readonly code: WarningCode;
  /** Path, table or other subject, ready to show (invalid UTF-8 already replaced). */
  readonly subject: string;
  readonly detail?: string;
  /** Of a recovery point that ended with warnings: how many, and the first of them. */
  readonly about?: { readonly count: number; readonly first: Warning };
}

export type Event =
  | { readonly type: "phase"; readonly phase: Phase; readonly subject?: string }
  | {
      readonly type: "progress";
      readonly phase: Phase;
      /** Bytes of source data read or written so far, and expected in all when known. */
      readonly doneBytes: number;
      readonly totalBytes?: number;
      readonly doneItems: number;
      readonly totalItems?: number;
      readonly subject?: string;
    }
  | { readonly type: "warning"; readonly warning: Warning }
  /** How far the journal of a database is; about once a second. */
  | {
      readonly type: "journal";
      readonly subject: string;
      /** RFC 3339, by the server's clock: everything that was committed up to here is in the repository. */
      readonly durableTo?: string;
      readonly position?: string;
      readonly transactions: number;
      readonly rows: number;
      /** Read from the log, and not yet in the repository. */
      readonly waitingBytes: number;
    }
  /** Something worth a line that is no warning: `code` is a key of `words` under `note`. */
  | { readonly type: "note"; readonly code: NoteCode; readonly facts: Readonly<Record<string, string | number>> };

export const noteCodes = [
  "first-backup-is-full",
  "full-instead-schema",
  "resumed",
  "waiting-for-lock",
  "waiting-for-storage",
  "table-folded",
  "table-method",
  "follow-gap",
  "follow-files",
  "follow-files-gap",
  "follow-files-seen",
  "follow-files-sweep",
  "follow-anomaly",
  "follow-waiting",
  "follow-again",
  "follow-backup",
  "follow-backup-failed",
  "yielding-to-others",
  "waiting-for-table",
  "stage-kept",
  "rows-without-parent",
  "waiting-for-thaw",
  "report-not-stored",
  "service-not-told",
  "gap-not-stored",
] as const;
export type NoteCode = (typeof noteCodes)[number];
