import type { ErrorCode } from "../lib/errors.ts";
import type { NoteCode, Phase, WarningCode } from "../lib/events.ts";

/**
 * Every sentence that a person reads, in English. `zh-cn.ts` has the same keys and the same placeholders.
 *
 * A placeholder is `{name}`, or `{name:form}` where the form is `bytes`, `time`, `duration` or a unit of `units`
 * (`{files:file}` gives "1 file", "3 files"). What stands in `[[…]]` is left out when a placeholder in it has no value.
 */
interface ErrorWords {
  readonly text: string;
  /** What the operator can do about it. */
  readonly hint: string;
}

export const en = {
  units: {
    row: { one: "{n} row", other: "{n} rows" },
    table: { one: "{n} table", other: "{n} tables" },
    file: { one: "{n} file", other: "{n} files" },
    warning: { one: "{n} warning", other: "{n} warnings" },
    problem: { one: "{n} problem", other: "{n} problems" },
    defect: { one: "{n} defect", other: "{n} defects" },
    snapshot: { one: "{n} snapshot", other: "{n} snapshots" },
    item: { one: "{n} item", other: "{n} items" },
    crm: { one: "{n} CRM", other: "{n} CRMs" },
    blob: { one: "{n} blob", other: "{n} blobs" },
    pack: { one: "{n} pack", other: "{n} packs" },
    tree: { one: "{n} tree", other: "{n} trees" },
  },
  label: { error: "Error", hint: "Hint", warning: "Warning", colon: ": ", comma: ", ", none: "none" },

  errors: {
    usage: { text: "{problem}", hint: "`holdfast {command} --help` lists what can be given." },
    "config-missing": {
      text: "Cannot read the configuration {file}[[ ({reason})]].",
      hint: "Run `holdfast init` in the CRM's folder, name the file with --config, or give --repository and --password-file.",
    },
    "config-invalid": {
      text: "{file}:{line}:{column}: {problem}",
      hint: "`holdfast config validate` lists every problem of the file.",
    },
    "config-secret": {
      text: "[[{problem}]][[The password cannot be used: {reason}.]]",
      hint: "A password is given by reference: file:PATH, env:NAME, cmd:COMMAND or systemd:NAME.",
    },
    "crm-unknown": {
      text: "There is no CRM or platform named {name} here[[; there is: {known}]].",
      hint: "Check the name given with --crm, and `platform:` in holdfast.yaml.",
    },
    "crm-ambiguous": { text: "There are several CRMs here: {known}.", hint: "Choose one with --crm NAME." },
    "crm-not-detected": {
      text: "No CRM was recognised[[ in {folder}]].",
      hint: "Give the folder that holds the CRM's configuration or its SQLite database, or write holdfast.yaml by hand: README.md shows one.",
    },
    "crm-empty": {
      text: "The CRM {crm} has neither a database nor files, so there is nothing to back up.",
      hint: "Give `database:` or `files:` in holdfast.yaml.",
    },
    "crm-configuration-unreadable": {
      text: "The configuration[[ of {crm}]] cannot be read: {path}[[, line {line}]].",
      hint: "Name the CRM's own configuration file under `configuration:` in holdfast.yaml, readable for this user.",
    },
    "crm-database-ambiguous": {
      text: "There are several databases in {path}: {found}.",
      hint: "Name one for {crm} in holdfast.yaml: `database: sqlite:{path}/NAME.sqlite`.",
    },
    "storage-not-found": {
      text: "A file of the repository is not there[[: {path}]].",
      hint: "Check that the repository's folder is complete; `holdfast verify` lists what is missing.",
    },
    "storage-exists": {
      text: "A file is already there[[: {path}]].",
      hint: "Nothing was overwritten. Choose another place, or move the file away.",
    },
    "storage-full": {
      text: "The disk of the repository is full[[ ({path})]].",
      hint: "Free some space there and run the command again: what was stored already is used.",
    },
    "storage-denied": {
      text: "No permission for {path}[[ ({reason})]].",
      hint: "Run as the user that owns the repository, or give this user the right to read and write there.",
    },
    "storage-unreachable": {
      text: "The storage of the repository cannot be reached[[ ({path})]][[: {reason}]].",
      hint: "Check that it is mounted or online, and try again.",
    },
    "storage-failed": {
      text: "Reading or writing the repository failed[[ at {path}]][[: {reason}]].",
      hint: "Check the disk, then run `holdfast verify`.",
    },
    "repository-missing": {
      text: "There is no repository[[ at {location}]].",
      hint: "Check the location, or make one with `holdfast init` (for a copy: `holdfast copy --create`).",
    },
    "repository-exists": {
      text: "There is a repository already[[ at {location}]].",
      hint: "Use it as it is with `holdfast backup`, or choose another location.",
    },
    "repository-unsupported": {
      text: "This repository is of a kind that this version cannot use[[: version {version}]][[: {reason}]].",
      hint: "restic's repository format 2 is needed; `restic migrate upgrade_repo_v2` raises an older one.",
    },
    "repository-damaged": {
      text: "The repository is damaged[[ at {subject}]][[: {reason}]][[: {detail}]].",
      hint: "Run `holdfast verify --read-data` to see what it touches. Do not delete anything yet.",
    },
    "repository-locked": {
      text: "The repository is locked[[ by {username}]][[ on {hostname}]][[, process {pid}]][[, since {time:time}]].",
      hint: "Wait until that is done, or let the command wait: --wait 10m.",
    },
    "lock-lost": {
      text: "The lock on the repository was lost, so writing was stopped.",
      hint: "Was the machine asleep, or the storage away? Run the command again: what was stored already is used.",
    },
    "password-wrong": {
      text: "The password does not open this repository[[ ({location})]].",
      hint: "Check which password file is used; the recovery kit has the right password.",
    },
    "repository-incomplete": {
      text: "There is a key but no config[[ at {location}]]: an `init` was cut off there, or the file was lost.",
      hint: "`holdfast init` goes on with the same password. If there were backups, run `holdfast repair plan index`. A key that nobody needs is removed by hand[[: {key}]].",
    },
    "key-unknown": { text: "There is no password {id}.", hint: "`holdfast key list` shows the ids." },
    "key-ambiguous": {
      text: "The ids of {count} passwords begin with {id}.",
      hint: "Give more digits of the id; `holdfast key list` shows them.",
    },
    "key-current": {
      text: "This is the password in use, so it was not removed.",
      hint: "`holdfast key passwd` changes it. To remove it, open the repository with another one: --password-file.",
    },
    "password-empty": {
      text: "The password is empty.",
      hint: "Put a password into the file that `password:` or --password-file names.",
    },
    "snapshot-unknown": { text: "There is no snapshot {id}.", hint: "`holdfast snapshots` lists what there is." },
    "snapshot-ambiguous": {
      text: "{count:snapshot} begin with {id}.",
      hint: "Give more digits of the id; `holdfast snapshots` lists them.",
    },
    "snapshot-none": {
      text: "There is no recovery point yet[[ of {crm}]][[ that ended without warnings; {withWarnings} ended with some]].",
      hint: "Make one with `holdfast backup`; one that ended with warnings is taken by its id.",
    },
    "moment-invalid": {
      text: "{text} is not a moment[[: {problem}]].",
      hint: 'Write latest, a snapshot\'s id, @2026-03-12T14:00+08:00, @"yesterday 14:30" or @"2h ago".',
    },
    "moment-ambiguous": {
      text: "{text} happened twice in {zone}, because the clock went back.",
      hint: "Say which one by its offset: {first} or {second}.",
    },
    "moment-too-early": {
      text: "There is no recovery point[[ of {crm}]] at or before that moment.",
      hint: "The earliest moment that works is {earliest:time}: give @{earliest}.",
    },
    "copy-unknown": {
      text: "There is no copy[[ named {name}]] in holdfast.yaml[[; there is: {known}]].",
      hint: "List it under `copies:` with a name, a location and a password, or give --to LOCATION and --to-password-file.",
    },
    "copy-same-repository": {
      text: "The repository to copy to is the one to copy from[[: {location}]].",
      hint: "A copy is a repository of its own, on another disk or at another place: check `copies:` and --to.",
    },
    "backup-running": {
      text: "Another run is busy with {crm}[[: process {pid}]][[ of {user}]][[, {job}]][[, since {since:time}]].",
      hint: "Wait until it is done, or let this command wait: --wait 10m.",
    },
    "source-missing": {
      text: "A part of the CRM is not there[[: {path}]][[ ({reason})]].",
      hint: "Check the paths in holdfast.yaml; `holdfast doctor` looks at each of them.",
    },
    "database-unreadable": {
      text: "The database cannot be read[[: {path}]][[ {table}]][[ ({reason})]][[ {detail}]].",
      hint: "Without the database there is no snapshot. Check that this user can read it; `holdfast doctor` says more.",
    },
    "database-unsupported": {
      text: "No database engine for {url}[[ ({reason})]].",
      hint: "Give `database: sqlite:./crm.db`, postgresql://user@host/name or mysql://user@host/name.",
    },
    "database-unreachable": {
      text: "The database server cannot be reached[[: {path}]][[ ({reason})]].",
      hint: "Check that it runs, its address and port, and TLS. What was stored already is used by the next run.",
    },
    "database-login": {
      text: "The database server refuses the login[[ of {user}]][[: {path}]][[ ({reason})]].",
      hint: "Name where the password is under `databasePassword:` in holdfast.yaml, or put it where the server's own client looks.",
    },
    "database-missing": {
      text: "There is no such database[[: {path}]].",
      hint: "Check the name at the end of the database's URL in holdfast.yaml.",
    },
    "database-rights": {
      text: "The database user[[ {user}]] may not do this[[: {path}]][[, {subject}]][[ ({reason})]].",
      hint: "`holdfast doctor` says what is missing, and prints the SQL that grants it.",
    },
    "database-too-old": {
      text: "The database server is version {version}; {needed} or later is needed[[: {path}]].",
      hint: "Update the server, or use its own tools to back it up.",
    },
    "database-busy": {
      text: "Somebody else holds a lock in the database[[: {path}]][[, {subject}]][[ ({reason})]].",
      hint: "Wait until the other session is done, then run this again. Nothing was changed.",
    },
    "nothing-matched": {
      text: "Nothing in the snapshot matches[[ {path}]].",
      hint: "`holdfast browse` shows what it holds; paths begin with /files, /databases or /config.",
    },
    "target-not-empty": {
      text: "The target is not empty[[: {path}]].",
      hint: "Give an empty or a new folder with --target; nothing was changed.",
    },
    "target-folder-needed": {
      text: "This recovery point also holds what is no database on a server[[: {path}]].",
      hint: "Give --target FOLDER for it too, or restore the database alone with --database.",
    },
    "target-database-needed": {
      text: "The database of this recovery point was on a server[[: {path}]], and nothing says where it should go.",
      hint: "Name a database that is not there yet: --to-database postgresql://user@host/new_name.",
    },
    "target-database-unused": {
      text: "--to-database is for databases on a server; this recovery point has none.",
      hint: "Leave it out, and give --target FOLDER.",
    },
    "target-unsafe": {
      text: "This would write outside the target, so it was refused[[: {path}]][[ ({reason})]].",
      hint: "Something in the target, a link perhaps, leads elsewhere. Move it away, or choose another target.",
    },
    "target-in-use": {
      text: "The database is still open[[: {path}]][[, by process {pid}]][[ ({command})]][[ ({holders})]].",
      hint: "Stop the CRM, then apply the same plan again.",
    },
    "target-full": {
      text: "Not enough space[[ at {path}]][[: {needed:bytes} needed]][[, {free:bytes} free]].",
      hint: "Free some space, or restore to another disk with --target.",
    },
    "purpose-needed": {
      text: "A restore to another place must say what it is for.",
      hint: "--as clone (made harmless, for looking and testing) or --as replacement (takes the place of the CRM).",
    },
    "clone-unsupported": {
      text: "A clone[[ of {crm}]] cannot be made harmless, so it is refused[[: {reason}]].",
      hint: "Name the statements that make it harmless under `neutralise:` in holdfast.yaml, or use --as replacement.",
    },
    "confirm-needed": {
      text: "This replaces a live CRM, so its name must be given[[: {name}]].",
      hint: "Type the name when asked, or give --confirm NAME.",
    },
    "plan-unknown": {
      text: "There is no saved plan {id}.",
      hint: "Make one with `holdfast restore plan`; it prints the command that applies it.",
    },
    "plan-outdated": {
      text: "The target changed after it was planned[[: {path}]][[ ({reason})]], so nothing was done.",
      hint: "Plan again with `holdfast restore plan`, and look at what is different now.",
    },
    "restore-incomplete": {
      text: "The restore is done, but {failed:item} failed.",
      hint: "The list above says which and why. Applying the same plan again tries them once more.",
    },
    "restore-mismatch": {
      text: "What was restored is not equal to the snapshot[[: {path}]][[ {table}]][[ ({detail})]][[ ({reason})]].",
      hint: "Nothing was swapped in. Run `holdfast verify --read-data`, or choose another recovery point.",
    },
    "restore-half-made": {
      text: "A restore of {crm} was cut off while it was swapping: the CRM is partly old and partly new.",
      hint: "Finish it with `holdfast restore apply {plan}`, or take it back with `holdfast restore undo {id}`.",
    },
    "undo-lost": {
      text: "The restore {id} cannot be undone: what it replaced is no longer there[[: {path}]].",
      hint: "Somebody moved or removed it. A backup from before that restore still has it: `holdfast snapshots`.",
    },
    "undo-none": {
      text: "There is no restore to undo[[ with the id {id}]].",
      hint: "`holdfast restore undo --list` shows those that can be undone.",
    },
    "kit-mismatch": {
      text: "This checksum belongs to another repository, location or password.",
      hint: "Print the kit again with `holdfast kit`, and throw the old one away.",
    },
    "state-unwritable": {
      text: "The state folder cannot be written[[: {path}]].",
      hint: "Give this user the right to write there, or set HOLDFAST_STATE to another folder.",
    },
    "verify-failed": {
      text: "[[The repository has {defects:defect}.]][[What was to be stored does not read back ({reason}): memory or disk may be faulty.]]",
      hint: "Recovery points that are not named above are whole. Keep the repository as it is, and make a new backup elsewhere.",
    },
    "prune-unsafe": {
      text: "Nothing was deleted, for the repository is not whole: {problem}[[ ({subject})]][[, and {count} in all]].",
      hint: "Run `holdfast verify` to see what it touches, and `holdfast repair` to save what can be saved; then prune.",
    },
    cancelled: { text: "Cancelled.", hint: "Nothing is half done; run the same command again to go on." },
    internal: {
      text: "Something unexpected happened[[: {detail}]][[ ({reason})]].",
      hint: "Run again with HOLDFAST_DEBUG=1 and report what it prints.",
    },
  } satisfies Record<ErrorCode, ErrorWords>,

  usageProblems: {
    "unknown-option": "There is no option {what}[[; did you mean {suggestion}?]]",
    "unknown-command": "There is no command {what}[[; did you mean {suggestion}?]]",
    "missing-command": "A command is missing.",
    "missing-argument": "{what} is missing.",
    "extra-argument": "More was given than this command takes.",
    "missing-value": "{what} needs a value.",
    "bad-value": "{what} cannot be {value}[[; it can be {expected}]][[; did you mean {suggestion}?]]",
    "bad-duration": "{value} is no length of time; write 30s, 10m or 2h.",
    "paths-and-scope": "Paths and --database or --system cannot be given together.",
    "target-and-purpose": "--as is only for a restore to another place; give --target or --to-database as well.",
    conflict: "{what} and {other} cannot be given together.",
    "not-a-terminal": "There is no terminal to ask on; use --yes.",
  },

  configProblems: {
    "unknown-key": "there is no key {key}[[; did you mean {suggestion}?]]",
    missing: "{key} is missing here.",
    type: "this is not what {path} can be[[; expected: {expected}]].",
    value: "this cannot be the value of {path}[[; did you mean {suggestion}?]][[ It can be: {expected}.]]",
    empty: "{path} must not be empty.",
    "too-small": "{path} must be at least {expected}.",
    "too-big": "{path} must be at most {expected}.",
    yaml: "this is not YAML[[: {detail}]].",
    "yaml-duplicate": "this key stands here twice.",
    size: "this is not a size; write 2GB or 500MiB.",
    rate: "this is not a rate; write 50MB/s or 20MiB/s.",
    timezone: "this is not a time zone[[; did you mean {suggestion}?]]",
    "plain-secret":
      "a password must not stand in this file; write where it is: file:PATH, env:NAME, cmd:COMMAND or systemd:NAME.",
    name: "a name is up to 64 letters, digits, `.`, `_` and `-`, begins with a letter or digit, and does not end in .journal, .undo, .reports or .ledger.",
    "name-twice": "two of these are named {key}.",
    "folder-twice": "two folders are named {key}; give them names: `files: {name: path}`.",
    "folder-unnamed": "this folder has no name of its own; give it one: `files: {name: path}`.",
    "folder-unknown":
      "{key} is none of the folders under files:[[; did you mean {suggestion}?]][[ There are: {expected}.]]",
    "crm-and-crms": "give either `crm:` or `crms:`, not both.",
  },

  secretProblems: {
    plain: "A password was given in place of where it is.",
    none: "Where the password is was not said.",
    "none-new": "Where the new password is was not said: give --new-password-file, or use a terminal.",
    "file-missing": "The password file is not there: {target}",
    "file-denied": "The password file cannot be read: {target}",
    "file-large": "This is too large to be a password file: {target}",
    env: "The environment has no variable {target}.",
    cmd: "The command that gives the password failed[[ (status {status})]].",
    systemd: "systemd has given no credential {target}: is LoadCredential= set?",
  },

  momentProblems: {
    form: "it is not written as one",
    "does-not-exist": "the clock in {zone} skipped it",
    future: "it has not come yet",
  },

  warnings: {
    "file-unreadable": "Cannot read {subject}[[ ({detail})]].",
    "file-vanished": "{subject} vanished while it was read.",
    "file-changed": "{subject} changed while it was read: its copy may be mixed.",
    "file-missing": "The file of a record is not there: {subject}[[ ({detail})]]",
    "file-orphan": "No record owns this file: {subject}",
    "part-missing": "A part of the CRM is not there: {subject}[[ ({detail})]]",
    "not-covered": "Not covered: {subject}[[ ({detail})]]",
    "metadata-lost": "Not kept in full: {subject}[[ ({detail})]]",
    "password-file-open": "Others can read the password file {subject}: `chmod 600` it.",
    "no-root": "Not running as root: what only root may read or set was left out[[: {subject}]][[, in all {detail}]].",
    "kit-unused": "The recovery kit of this repository was never used: `holdfast kit`.",
    "kit-same-disk": "{subject} lies on the CRM's own disk only.",
    "lock-stale-removed": "A lock left behind by a run of ours was removed: {subject}",
    "newer-with-warnings": "A newer recovery point ended with warnings and was not taken: {subject}[[ ({detail})]]",
    "grant-refused": "An owner or a right could not be given[[ ({detail})]]: {subject}",
    "table-unkeyed": "Table {subject} has no usable key, so it is stored whole each time[[ ({detail})]].",
    "source-unknown-type": "{subject} is no file, folder, link or device, and was left out.",
  } satisfies Record<WarningCode, string>,

  /** The same kinds of warning, counted where there are many. */
  moreWarnings: "… and {count} more of this kind; --verbose shows them all",

  notes: {
    "first-backup-is-full": "The first backup is a full one.",
    "full-instead-no-parent": "A full backup, since there is no earlier one to start from.",
    "full-instead-schema": "[[{table}: ]]stored in full, since its columns changed.",
    resumed: "Going on where an interrupted run stopped[[ ({subject})]].",
    "waiting-for-lock":
      "Waiting for another run[[: process {pid}]][[ of {user}]][[ of {username}]][[ on {hostname}]][[, since {since:time}]][[, since {time:time}]].",
    "table-folded": "[[{table}: ]]its changes were folded into a new base.",
    "table-method": "[[{table}: ]]read by {method}.",
    "stage-kept":
      "A restore was cut off before it changed anything: `holdfast restore apply {plan}` begins it again, `holdfast restore undo {id}` drops what it left.",
  } satisfies Record<NoteCode, string>,

  phases: {
    open: "Opening the repository",
    scan: "Looking through folders",
    database: "Reading the database",
    files: "Reading files",
    upload: "Storing",
    snapshot: "Writing the snapshot",
    plan: "Planning",
    restore: "Restoring",
    verify: "Verifying",
    copy: "Copying",
    swap: "Swapping in",
    undo: "Undoing",
  } satisfies Record<Phase, string>,
  progress: {
    of: "{phase}: {done:bytes} of {total:bytes} ({percent} %)",
    so: "{phase}: {done:bytes}",
  },

  outcomes: { ok: "ok", warning: "warning", failed: "failed", missed: "missed" },
  kinds: { full: "full", incremental: "incremental", differential: "differential" },
  actions: {
    create: "create",
    update: "update",
    remove: "remove",
    skip: "skip",
    replace: "replace",
    conflict: "conflict",
  },
  parts: { database: "database", folder: "folder", config: "configuration" },
  entryTypes: { folder: "folder", file: "file", link: "link", table: "table", other: "other" },

  planReasons: {
    same: "equal already",
    exists: "exists and differs; --update-changed replaces it",
    newer: "not in the recovery point; --remove-newer removes it",
    missing: "not there; --only-existing leaves it so",
    type: "something of another type stands there",
    link: "a link stands in the way",
    unsupported: "cannot be made here",
    "needs-root": "needs root",
    damaged: "the recovery point does not hold it whole",
    left: "differs; --update-changed, --remove-newer say what may change",
    columns: "its columns are different now",
    unkeyed: "it has no key to compare rows by",
  },
  neutralised: {
    mail: "Outgoing mail is switched off.",
    "scheduled-jobs": "Scheduled jobs are switched off.",
    webhooks: "Calls to other systems are switched off.",
    "queued-tasks": "Tasks that waited to be done are removed.",
    sessions: "Everybody is signed out, and keys for other programs are removed.",
    hostname: "The host name that the CRM answers to is removed.",
    "custom-statements": "The statements under `neutralise:` in holdfast.yaml are run.",
  },
  afterRestore: {
    "start-crm": "Start the CRM and look at a few records.",
    "tryton-start": "Start trytond with the restored trytond.conf and look at a few records.",
    "tryton-update": "If this machine has a newer Tryton, run `trytond-admin -c trytond.conf -d DATABASE --all` first.",
    "check-config": "Check the CRM's configuration: host names, paths and passwords of this machine.",
  },
  uncovered: {
    "mysql-engine":
      "its storage engine knows no transactions: its rows are as of when they were read, a little later than the rest",
    "mysql-elsewhere": "its rows are kept outside of this database, and are not stored; the table itself is",
    "mysql-history": "the history that a system-versioned table keeps of its rows is not stored; its present rows are",
    "mysql-directory": "it lies in a folder of its own, and is restored into the server's",
    "mysql-no-right":
      "the database user may not see it, so it is not stored: `holdfast doctor` says which right is missing",
    "sqlite-module":
      "a virtual table of a module that SQLite itself does not have: what the module keeps outside of the database is not stored",
    "sqlite-samples": "samples for the query planner; `ANALYZE` makes them again",
  },
  defects: {
    "config-damaged": "without a sound `config` the repository does not open",
    "key-damaged": "damaged key file; restic may refuse to open the repository because of it",
    "snapshot-unreadable": "this snapshot cannot be read",
    "index-unreadable": "this index cannot be read",
    "index-conflict": "two indexes say different things of this pack",
    "pack-missing": "this pack is missing",
    "pack-size": "this pack has the wrong size",
    "pack-layout": "the index says that the blobs of this pack overlap or leave gaps",
    "pack-unreadable": "the storage cannot give this pack",
    "pack-hash": "the contents of this pack were changed",
    "pack-header": "this pack lists other blobs than the index",
    "blob-damaged": "a blob in this pack is damaged",
    "blob-length": "the index gives a blob the wrong length",
    "tree-missing": "this folder's list of entries is missing",
    "tree-damaged": "this folder's list of entries is damaged",
    "tree-unreadable": "this folder's list of entries makes no sense",
    "node-invalid": "a property is invalid",
    "node-name-invalid": "a name that no file can have",
    "node-order": "stands in the wrong place of its folder's list, so it may not be found",
    "node-duplicate": "stands twice in its folder",
    "node-mode-missing": "has no permissions noted and would come back unreadable",
    "file-content-missing": "the file's contents are not listed",
    "dir-subtree-missing": "the folder's list of entries is not named",
    "blob-missing": "parts of the file are not in the repository",
    "file-damaged": "parts of the file are damaged",
    "file-size": "the noted size is not that of the contents",
    "hard-link-conflict": "would come back as one file with another, though their contents differ",
    "too-many": "more defects than are listed",
  },
  doctor: {
    "config-read": { text: "Configuration {file}", hint: "" },
    "password-unreadable": {
      text: "The password cannot be read: {problem}",
      hint: "Check `password:` in holdfast.yaml, or --password-file.",
    },
    "repository-opened": { text: "Repository {location} opens; {snapshots:snapshot} in it", hint: "" },
    "repository-failed": { text: "Repository {location} does not open: {problem}", hint: "{solution}" },
    "password-file-private": { text: "Only you can read the password file {file}", hint: "" },
    "password-file-open": { text: "Others can read the password file {file}", hint: "chmod 600 {file}" },
    "kit-used": { text: "The recovery kit was used and works", hint: "" },
    "kit-unused": {
      text: "The recovery kit was never used: nobody knows yet whether it works",
      hint: "Print it with `holdfast kit`, keep it elsewhere, and use it once with `holdfast kit --check CHECKSUM`.",
    },
    "repository-same-disk": {
      text: "The repository {location} lies on the CRM's own disk only",
      hint: "When that disk breaks, both are gone. Keep the repository, or a copy of it, on another disk or machine.",
    },
    "password-same-disk": {
      text: "The password {file} lies on the CRM's own disk only",
      hint: "Without it no backup can be read. Keep the recovery kit elsewhere: `holdfast kit`.",
    },
    "crm-failed": {
      text: "The CRM cannot be understood: {problem}",
      hint: "{solution}",
    },
    "crm-recognised": { text: "Platform {platform}[[ {version}]]", hint: "" },
    "database-read": { text: "Database {location} can be read: {tables:table}", hint: "" },
    "rights-enough": { text: "The database user {user} has every right that a backup needs", hint: "" },
    "rights-missing": {
      text: "The database user {user} lacks {count} of the rights that a backup needs, such as {right} on {subject}",
      hint: "An administrator runs:\n{script}",
    },
    "database-failed": {
      text: "Database {url} cannot be read: {problem}",
      hint: "Without the database there is no snapshot. Check the path and this user's rights.",
    },
    "table-unkeyed": { text: "Table {table} is stored whole each time: {why}", hint: "" },
    "not-covered": { text: "Not covered: {subject}[[ ({why})]]", hint: "Back this up by other means." },
    "folder-read": { text: "Folder {path}: {files:file}, {bytes:bytes}", hint: "" },
    "folder-missing": { text: "Folder {path} is not there", hint: "Check `files:` in holdfast.yaml." },
    "files-unreadable": {
      text: "This user cannot read {count:file}, such as {example}",
      hint: "Run as root or as the CRM's user.",
    },
    "config-file-missing": {
      text: "Configuration file {path} is not there",
      hint: "Check `configuration:` in holdfast.yaml.",
    },
    "config-file-unreadable": {
      text: "This user cannot read the configuration file {path}",
      hint: "Run as root or as the CRM's user.",
    },
    "owners-not-restorable": {
      text: "In {path} files belong to users {owners}: this user cannot restore owners",
      hint: "Restore as root, or set the owner afterwards.",
    },
    "clone-possible": { text: "A clone can be made harmless", hint: "" },
    "clone-impossible": {
      text: "A clone cannot be made harmless, so --as clone is refused",
      hint: "Name the statements that switch off mail and jobs under `neutralise:` in holdfast.yaml.",
    },
    "backup-none": { text: "There is no backup yet", hint: "holdfast backup" },
    "backup-newest": { text: "Newest backup {id}, {time:time}, ok", hint: "" },
    "backup-newest-warning": {
      text: "Newest backup {id}, {time:time}, ended with warnings",
      hint: "`holdfast backup --verbose` names them all.",
    },
    "restore-half-made": {
      text: "A restore of {crm} was cut off half-way",
      hint: "Go on with `holdfast restore apply {plan}`, or go back with `holdfast restore undo {id}`.",
    },
  },
  unkeyed: {
    "no-key": "it has no primary key",
    "nullable-key": "its key may be NULL",
    "real-key": "its key is a floating-point number",
    "utf16-key": "its key is text in a UTF-16 database",
  },

  program: {
    summary: "Backup and recovery for self-hosted CRM platforms.",
    usage: "Usage:",
    options: "Options:",
    globalOptions: "Global options:",
    commands: "Commands:",
    arguments: "Arguments:",
    help: "show this help",
    version: "show the version",
    after: "First time? `holdfast init` in the CRM's folder, then `holdfast backup`.",
  },
  options: {
    config: "configuration file (default: holdfast.yaml here)",
    repository: "repository, in place of the configuration's (HOLDFAST_REPOSITORY)",
    passwordFile: "file with the repository's password (HOLDFAST_PASSWORD_FILE)",
    crm: "which CRM, where there are several",
    json: "answers and events as JSON lines",
    lang: "language of messages: en or zh-CN",
    noCache: "read everything from the repository itself, and keep nothing of it on this machine",
    verbose: "say more",
    quiet: "say only what matters",
  },
  commands: {
    init: {
      summary: "recognise the CRM in a folder, write holdfast.yaml, make the repository",
      options: { yes: "do not ask; take what was recognised" },
      arguments: { folder: "the CRM's folder (default: here)" },
    },
    doctor: { summary: "check everything that a backup and a recovery need", options: {}, arguments: {} },
    backup: {
      summary: "back up a CRM: database, files and configuration as one recovery point",
      options: {
        dryRun: "only predict rows, files, bytes and minutes",
        wait: "wait for another run of this CRM to end (default: without limit)",
        acceptInconsistencies:
          "records without their file and files without a record, as they are now, make no warning any more",
      },
      arguments: { kind: "full, incremental or differential (default: incremental; the first is full)" },
    },
    snapshots: { summary: "list recovery points", options: {}, arguments: {} },
    browse: {
      summary: "look into a recovery point: folders, files, tables, rows",
      options: {},
      arguments: {
        point: "latest, a snapshot's id or @moment (default: latest)",
        path: "where to look, such as /files or /databases/main/contacts (default: /)",
      },
    },
    restore: { summary: "plan, apply and undo a recovery", options: {}, arguments: {} },
    "restore plan": {
      summary: "show what a recovery would do, and save it as a plan; changes nothing",
      options: {
        database: "only the database",
        system: "everything: database, files and configuration (default without paths)",
        target: "another folder; absent: where it was backed up",
        toDatabase: "URL of a database that is not there yet, for a database on a server",
        grants: "leave owners and rights inside the database to the user who restores",
        as: "what a copy in another place is for: clone (made harmless) or replacement",
        updateChanged: "also put back what is there but differs",
        removeNewer: "also remove what the recovery point does not hold",
        onlyExisting: "leave out what is not there any more",
        exact: "exactly as the recovery point: --update-changed and --remove-newer together",
      },
      arguments: {
        point: "latest, a snapshot's id or @moment (default: latest)",
        paths: "files or folders as `browse` shows them",
      },
    },
    "restore apply": {
      summary: "do what a plan says",
      options: {
        confirm: "the CRM's name, in place of typing it",
        wait: "wait for another run of this CRM to end (default: without limit)",
      },
      arguments: { plan: "the plan's id, as `restore plan` printed it" },
    },
    "restore undo": {
      summary: "put back what a restore replaced",
      options: {
        list: "list what can be undone",
        wait: "wait for another run of this CRM to end (default: without limit)",
      },
      arguments: { id: "which restore (default: the newest)" },
    },
    copy: {
      summary: "copy recovery points to another repository; what is there already is not stored again",
      options: {
        to: "one copy of holdfast.yaml by its name, or any location (default: every copy)",
        toPasswordFile: "password of the repository that is copied to",
        create: "make the repository where there is none",
        wait: "wait for another copy or somebody's lock to end (default: without limit)",
      },
      arguments: { points: "latest, snapshots' ids or @moments (default: everything that is not there yet)" },
    },
    verify: {
      summary: "walk through the whole repository and name every defect",
      options: { readData: "read every byte as well" },
      arguments: {},
    },
    key: { summary: "the repository's passwords", options: {}, arguments: {} },
    "key list": {
      summary: "list the repository's passwords: when each was made, and by whom",
      options: {},
      arguments: {},
    },
    "key add": {
      summary: "add a password that opens the repository as well",
      options: { newPasswordFile: "file with the new password (HOLDFAST_NEW_PASSWORD_FILE); absent: asked for" },
      arguments: {},
    },
    "key passwd": {
      summary: "change the password in use; the new one is proved before the old one goes",
      options: { newPasswordFile: "file with the new password (HOLDFAST_NEW_PASSWORD_FILE); absent: asked for" },
      arguments: {},
    },
    "key remove": {
      summary: "remove a password; never the one in use",
      options: {},
      arguments: { id: "its id, as `key list` shows it" },
    },
    unlock: {
      summary: "remove locks that nobody holds any more",
      options: { force: "remove every lock, of runs that may be alive too" },
      arguments: {},
    },
    kit: {
      summary: "print the recovery kit: location, password, commands, checksum",
      options: { output: "write it to a file that only you can read", check: "use a printed kit once: its checksum" },
      arguments: {},
    },
    config: { summary: "the configuration file", options: {}, arguments: {} },
    "config validate": { summary: "check holdfast.yaml and list every problem", options: {}, arguments: {} },
    "config schema": { summary: "print the JSON Schema for editors", options: {}, arguments: {} },
    completion: {
      summary: "print a completion script",
      options: {},
      arguments: { shell: "bash, zsh or fish" },
    },
  },

  tables: {
    id: "ID",
    time: "Time",
    crm: "CRM",
    kind: "Kind",
    outcome: "Outcome",
    size: "Size",
    added: "Added",
    name: "Name",
    type: "Type",
    rows: "Rows",
    modified: "Modified",
    action: "Action",
    part: "Part",
    path: "Path",
    content: "Holds",
    state: "State",
    read: "Read",
    changed: "Changed",
    stored: "Stored",
    predicted: "Predicted",
    result: "Result",
    files: "Files",
    duration: "Time taken",
    latest: "latest",
    user: "User",
    host: "Host",
    foreign: "not by Holdfast",
  },

  backup: {
    done: "Backup of {crm}, {kind}: {outcome}",
    snapshot: "Recovery point {id}, {time:time}, in {ms:duration}",
    rows: "{rows:row} in {tables:table}, {changed} changed",
    files: "{files:file}: {new} new, {changed} changed, {removed} removed",
    since: "Changed since the previous backup: {previous:bytes}; since the last full: {full:bytes}.",
    stored: "The repository grew by {stored:bytes}.",
    known: "Known since the last backup that was ok: {count:warning}",
    knownShown: "Known since the last backup that was ok:",
    prediction: "Backup of {crm}, {kind}: what it would do",
    predictionNote: "Nothing was written. Bytes stored and the time are estimates.",
  },
  password: {
    ask: "Password of the repository: ",
    askNew: "New password: ",
    askAgain: "Once more: ",
    differ: "The two are not the same.",
  },
  key: {
    added: "The new password opens the repository (id {id}).",
    changed: "The password was changed (id {id}); the old one opens nothing any more.",
    file: "Write the new one into {file} before the next backup, and print the recovery kit again: holdfast kit",
    elsewhere: "Keep it where the next backup finds it, and print the recovery kit again: holdfast kit",
    removed: "The password {id} opens nothing any more. Whoever had it may have kept a copy of the master key.",
    current: "← in use",
    damaged: "damaged",
  },
  unlock: {
    none: "There is no lock.",
    removed:
      "Removed: {state}[[, {mode}]][[, by {username}]][[ on {hostname}]][[, process {pid}]][[, since {time:time}]].",
    kept: "Kept: {state}[[, {mode}]][[, by {username}]][[ on {hostname}]][[, process {pid}]][[, since {time:time}]].",
    force:
      "Make sure that these runs have ended. A run whose lock is removed stops and writes no recovery point. Then:",
    states: {
      dead: "left behind",
      stale: "not renewed for 30 minutes",
      held: "may be in use",
      unreadable: "unreadable",
    },
    modes: { shared: "shared", exclusive: "exclusive" },
  },
  snapshots: {
    empty: "There are no recovery points yet. Make one: holdfast backup",
    zone: "Times are in {zone}.",
  },
  browse: { empty: "Nothing here." },
  moment: { echo: "Taking the newest recovery point at or before {time:time} ({zone})." },
  copy: {
    created: "A new repository was made for {to} at {location}.",
    one: "{id} → {copy}  {time:time}  {crm}",
    done: "{copied:snapshot} copied to {to}, {present:snapshot} there already; {stored:bytes} stored in {ms:duration}.",
    nothing: "{to} has everything already: {present:snapshot}.",
    damaged:
      "{id} of {time:time}[[ ({crm})]] was not copied: {missing:blob} missing or damaged here. `holdfast verify --read-data` names the files.",
  },
  verify: {
    sound:
      "The repository is sound: {snapshots:snapshot}, {trees:tree}, {blobs:blob}, {packs:pack} checked in {ms:duration}.",
    read: "{bytes:bytes} read.",
    shallow: "Contents were not read; --read-data reads every byte.",
    unused:
      "{blobs:blob} and {packs:pack} belong to no recovery point: an interrupted backup leaves such things, and they do no harm.",
    touches: "touches {ids}",
  },
  doctorReport: {
    sound: "All is well.",
    summary: "{failed:problem}, {warnings:warning}.",
  },
  plan: {
    title: "Plan {id}: {what} of {crm} from recovery point {snapshot}, {time:time}",
    system: "the whole system",
    database: "the database",
    files: "chosen files",
    inPlace: "Where: in place",
    elsewhere: "Where: {place}",
    clone: "As a clone, made harmless before anything can start:",
    replacement: "As a replacement: nothing in it is switched off.",
    swap: "Built beside, verified, then swapped in; what is there now is moved aside and can be brought back with `undo`.",
    counts: "Files and parts: {counts}",
    space: "Space: {needed:bytes} needed, {free:bytes} free",
    spaceShort: "There is not enough space.",
    withWarnings: "This recovery point ended with warnings.",
    after: "Afterwards:",
    changes: "{created} to create, {updated} to update, {removed} to remove, {left} left as they are",
    confirm: "This replaces a live CRM: its name, {name}, must be typed.",
    nothing: "There is nothing to do.",
    next: "Nothing has been changed. To do it:",
    more: "… and {count:item} more",
    item: "{action}  {path}[[ ({why})]]",
    asksName: "To replace the live CRM, type its name ({name}): ",
  },
  restore: {
    done: "Restored {crm}: {files:file}, {rows:row}, {bytes:bytes}, in {ms:duration}",
    failed: "Not restored:",
    kept: "What was replaced is kept:",
    undo: "To go back:",
    after: "Now:",
  },
  undo: {
    done: "Undone: {crm} is as it was before the restore {id}.",
    none: "There is nothing to undo.",
    states: { done: "done", "half-made": "half-made: apply the plan again to go on, or undo it" },
  },
  init: {
    found: "Recognised: {platform}[[ {version}]] in {folder}",
    choose: "Several were recognised; taking the surest. The others: {others}",
    config: "Configuration: {file}",
    existing: "Configuration: {file} (already there, used as it is)",
    password: "Password: {file} (new, random; only you can read it)",
    passwordExisting: "Password: {file} (already there)",
    repository: "Repository: {location} (new, id {id})",
    repositoryExisting: "Repository: {location} (already there, the password opens it)",
    askName: "Name of this CRM",
    askRepository: "Where shall backups be kept",
    askKit: "Print the recovery kit now? Without password and location no backup can be read. [Y/n] ",
    kitLater: "Print the recovery kit and keep it away from this machine:",
    next: "Next:",
  },
  configFile: {
    head: "What Holdfast backs up, and where to. Paths are relative to this file.",
    crm: "The CRM.",
    database: "Its database: read while the CRM runs, row by row.",
    files: "Folders with attachments and custom code.",
    repository: "Where backups are kept: best on another disk or machine.",
    password: "Where the password is, never the password: file:, env:, cmd: or systemd:.",
    more: "More that can be said here, with the defaults:\nlimits: { priority: low }      # also read: 50MB/s, write: 50MB/s, workers: 2\nlanguage: en                   # or zh-CN\ntimezone: Europe/Berlin        # default: the machine's",
    valid: "{file} is valid: {crms:crm}, repository {location}.",
  },
  kit: {
    title: "RECOVERY KIT",
    intro:
      "With this page and the repository everything can be recovered, on any machine. Keep it where the CRM is not: on paper, in a safe, in a password manager.",
    location: "Repository",
    id: "Repository id",
    password: "Password",
    crms: "CRMs",
    created: "Printed",
    checksum: "Checksum",
    withHoldfast: "With Holdfast",
    withRestic: "Without Holdfast, with restic 0.14 or newer",
    writePassword: "Write the password to a file that only you can read:",
    proof: "A kit is proven only when it was used once. On another machine:",
    saved: "The recovery kit was written to {file} (only you can read it). Move it away from this machine.",
    used: "The kit works: location, password and checksum belong together. `doctor` will not ask again.",
  },
} as const;
