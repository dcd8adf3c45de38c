import type { ErrorCode } from "../../lib/errors.ts";
import { databaseErrors } from "./errors-database.ts";
import { restoreErrors } from "./errors-restore.ts";
import { storageErrors } from "./errors-storage.ts";

interface ErrorWords {
  readonly text: string;
  /** What the operator can do about it. */
  readonly hint: string;
}

/**
 * What went wrong, by the codes of `src/lib/errors.ts`, and what to do about it. Storages, databases and restores have files of their own;
 * here is all else: configuration, repository and keys, recovery points, jobs.
 */
export const errors = {
  errors: {
    usage: { text: "{problem}", hint: "`holdfast[[ {command}]] --help` lists what can be given." },
    "config-missing": {
      text: "Cannot read the configuration {file}[[ ({reason})]][[; it is not at {other} either]].",
      hint: "Run `holdfast init` in the CRM's folder, or name the file with --config. If it is lost, give --repository and --password-file: it is in every recovery point.",
    },
    "config-invalid": {
      text: "{file}:{line}:{column}: {problem}",
      hint: "`holdfast config validate` lists every problem of the file.",
    },
    "config-secret": {
      text: "[[{problem}]][[The password cannot be used: {reason}.]]",
      hint: "The repository's: give --password-file FILE or HOLDFAST_PASSWORD_FILE, or write `password:` in holdfast.yaml. Every secret there is file:PATH, env:NAME, cmd:COMMAND or systemd:NAME.",
    },
    "crm-unknown": {
      text: "There is no CRM or platform named {name} here[[; there is: {known}]].",
      hint: "Check the name given with --crm, and `platform:` in holdfast.yaml.",
    },
    "point-of-other": {
      text: "{id} is no recovery point of {name}[[, but of {crm}]].",
      hint: "`holdfast snapshots` lists what there is, with the CRM of each; --crm names the CRM that is meant.",
    },
    "crm-ambiguous": { text: "There are several CRMs here: {known}.", hint: "Choose one with --crm NAME." },
    "crm-not-detected": {
      text: "No CRM was recognised[[ in {folder}]][[: there is no folder {missing}]].",
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
    "repository-missing": {
      text: "There is no repository[[ at {location}]].",
      hint: "[[The folder {empty} is there and empty, as that of a share or a disk is which is not mounted: if there should be one, mount it, and make no new repository. Else: ]]Check the location, or make one with `holdfast init` (for a copy: `holdfast copy --create`).",
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
      hint: "Run `holdfast verify --read-data` to see what it touches, and do not delete anything yet: `docs/damage.md` says what can be saved, and how.",
    },
    "repository-locked": {
      text: "The repository is locked[[ by {username}]][[ on {hostname}]][[, process {pid}]][[, since {time:time}]].",
      hint: "Wait until that is done, or let the command wait: --wait 10m. Whoever holds a lock renews it every five minutes: one from more than half an hour ago was left behind, and `holdfast unlock` removes it.",
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
      hint: "`holdfast init` goes on with the same password. If there were backups, run `holdfast repair index`. A key that nobody needs is removed by hand[[: {key}]].",
    },
    "repair-first": {
      text: "Something else of the repository must be repaired first: the {what}.",
      hint: "Run `holdfast repair {what}`: what cannot be found now may be there.",
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
    "snapshot-held": {
      text: "Recovery point {id} is held[[ until {until}]], so it was not removed.",
      hint: "Release it first: holdfast release {id}",
    },
    "snapshot-ledger": {
      text: "Snapshot {id} keeps what was erased from coming back, so it was not removed.",
      hint: "`holdfast erase list` shows what was erased. Whoever must give it back all the same removes the snapshot with restic.",
    },
    "retention-empty": {
      text: "No rule says what to keep[[ of {crm}]], so nothing was removed.",
      hint: "Write `retention: { preset: standard }` into holdfast.yaml, or give rules such as --keep standard or --keep-daily 7.",
    },
    "moment-invalid": {
      text: "{text} is not a moment[[: {problem}]].",
      hint: 'Write latest, a snapshot\'s id, @2026-03-12T14:00+08:00, @"yesterday 14:30" or @"2h ago".',
    },
    "point-live": {
      text: "live is the CRM as it is now, not a recovery point.",
      hint: "Write latest, a snapshot's id, or a moment such as @2026-03-12T14:00+08:00.",
    },
    "moment-ambiguous": {
      text: "{text} happened twice in {zone}, because the clock went back.",
      hint: "Say which one by its offset: {first} or {second}.",
    },
    "moment-too-early": {
      text: "There is no recovery point[[ of {crm}]] at or before that moment.",
      hint: "The earliest moment that works is {earliest:time}: give @{earliest}.",
    },
    "moment-unreachable": {
      text: "{time:time} cannot be reached[[: {problem}]][[ ({tables})]].",
      hint: "[[The nearest moment before it is {before:time}: give @{before}. ]][[The nearest after it is {after:time}: give @{after}. ]][[While it is followed, what is later than {reached:time} is known within a minute or so on the machine that follows, and elsewhere within the hour: try again then.]][[A gap in the journal ({problem}) ends with the next backup.]]",
    },
    "journal-none": {
      text: "There is no journal[[ of {crm}]] in this repository.",
      hint: "`holdfast follow` keeps one.",
    },
    "moment-transaction": {
      text: "There is no transaction {text} at that moment.",
      hint: "`holdfast transactions @MOMENT` lists those that there are.",
    },
    "copy-unknown": {
      text: "There is no copy[[ named {name}]] in holdfast.yaml[[; there is: {known}]].",
      hint: "List it under `copies:` with a name, a location and a password, or give --to LOCATION and --to-password-file.",
    },
    "copy-same-repository": {
      text: "The repository to copy to is the one to copy from[[: {location}]].",
      hint: "A copy is a repository of its own, on another disk or at another place: check `copies:` and --to.",
    },
    "copy-other-key": {
      text: "The repository to copy to has another key[[: {location}]].",
      hint: "A repository keeps its key for ever. Leave out --same-key, or make a new copy at another place.",
    },
    "backup-running": {
      text: "Another run is busy with {crm}[[: process {pid}]][[ of {user}]][[, {job}]][[, since {since:time}]].",
      hint: "Wait until it is done, or let this command wait: --wait 10m.",
    },
    "kit-mismatch": {
      text: "This checksum belongs to another repository, location or password.",
      hint: "Look first whether it is typed as it stands on the paper. If it is, print the kit again with `holdfast kit`, and throw the old one away.",
    },
    "state-unwritable": {
      text: "The state folder cannot be written[[: {path}]].",
      hint: "Give this user the right to write there, or set HOLDFAST_STATE to another folder.",
    },
    "drill-start": {
      text: "The restored copy could not be started[[ ({program})]][[: {reason}]].",
      hint: "The reason is the program's own last word; try it by hand on a copy made with `holdfast restore plan --system --as clone`.",
    },
    "drill-failed": {
      text: "The restore drill of {crm} failed: {problems:problem}.",
      hint: "What is marked above would have failed in an emergency too. `holdfast verify --read-data` tells whether the repository is sound.",
    },
    "service-running": {
      text: "`holdfast serve` runs already with this configuration[[: process {pid}]][[, since {since:time}]].",
      hint: "One is enough. `holdfast status` shows what it does.",
    },
    "job-unknown": {
      text: "There is no job {id}.",
      hint: "`holdfast jobs list` lists what runs, waits and has ended.",
    },
    "job-ambiguous": {
      text: "Several jobs begin with {id}.",
      hint: "Give more of it: `holdfast jobs list` lists them.",
    },
    "listen-failed": {
      text: "Cannot listen at {address}[[ ({reason})]].",
      hint: "Choose another address under `service: listen:` in holdfast.yaml, or `off`.",
    },
    "alert-failed": {
      text: "An alert could not be delivered[[: {reason}]].",
      hint: "Check the route under `alerts:` in holdfast.yaml, then run `holdfast alert test`.",
    },
    "alert-none": {
      text: "There is no alert route[[ {name}]][[; there is: {known}]].",
      hint: "Write one under `alerts: routes:` in holdfast.yaml: docs/service.md shows how.",
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
    ...storageErrors,
    ...databaseErrors,
    ...restoreErrors,
  } satisfies Record<ErrorCode, ErrorWords>,
} as const;
