import type { ErrorCode } from "../../lib/errors.ts";

interface ErrorWords {
  readonly text: string;
  /** What the operator can do about it. */
  readonly hint: string;
}

/** What went wrong, by the codes of `src/lib/errors.ts`, and what to do about it. */
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
    "storage-not-found": {
      text: "A file of the repository is not there[[: {path}]].",
      hint: "Check that the repository's folder is complete; `holdfast verify` lists what is missing.",
    },
    "storage-exists": {
      text: "A file is already there[[: {path}]].",
      hint: "Nothing was overwritten. Choose another place, or move the file away.",
    },
    "storage-full": {
      text: "The storage of the repository is full[[ ({path})]].",
      hint: 'Free some space there and run the command again: what was stored already is used. `docs/retention.md` says how, under "When the disk is full".',
    },
    "storage-denied": {
      text: "No permission for {path}[[ ({reason})]].",
      hint: "Run as the user that owns the repository, or give this user the right to read and write there.",
    },
    "storage-append-only": {
      text: "{location} does not let this login delete anything[[ ({reason})]].",
      hint: "That protects the backups. Run `holdfast forget` and `holdfast prune` with a login that may delete, or on the server.",
    },
    "storage-unreachable": {
      text: "The storage of the repository cannot be reached[[ ({path})]][[: {reason}]].",
      hint: "Check that it is mounted or online, and try again.",
    },
    "storage-failed": {
      text: "Reading or writing the repository failed[[ at {path}]][[: {reason}]].",
      hint: "Check the disk, then run `holdfast verify`.",
    },
    "storage-address": {
      text: "{location} is no place that backups can be kept in[[ ({reason})]].",
      hint: "Write a path or, for example, s3:https://HOST/BUCKET/PREFIX without a password in it, and check the host's name.",
    },
    "storage-login": {
      text: "The storage does not accept the login[[ at {location}]][[ ({reason})]].",
      hint: "Check the user and the password, or the key and its secret or passphrase: they may be mistyped, expired or not set at all.",
    },
    "storage-missing": {
      text: "There is no bucket {bucket}[[ at {location}]].",
      hint: "Check its name; `holdfast init` makes it, if the access key may.",
    },
    "storage-region": {
      text: "Bucket {bucket} is not in the region that was asked for[[, but in {region}]].",
      hint: "Set AWS_REGION to the bucket's region, or for a new bucket to one that the server has.",
    },
    "storage-clock": {
      text: "The clock of this machine and that of the storage are too far apart[[ ({reason})]].",
      hint: "Set this machine's clock, best by NTP, and run the command again.",
    },
    "storage-certificate": {
      text: "The certificate of {location} is not trusted[[ ({reason})]].",
      hint: "If the authority is your own, name its certificate's file in the environment variable NODE_EXTRA_CA_CERTS. Otherwise somebody may be in between.",
    },
    "storage-host-unknown": {
      text: "The host {host} is not known[[: it shows a key with the fingerprint {fingerprint}]].",
      hint: "Compare it on the server: `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`. If it is the same, add this line to {file}: {line}",
    },
    "storage-host-changed": {
      text: "The host {host} shows another key than the known one[[, with the fingerprint {fingerprint}]]. Somebody may be in between.",
      hint: "If you know why it changed: `ssh-keygen -R '{host}' -f {file}`, and add this line to that file: {line}",
    },
    "storage-program": {
      text: "Storage of the kind `{kind}:` needs the program {program}, which is not installed.",
      hint: "Install OpenSSH's client: `apt-get install openssh-client`.",
    },
    "storage-lock-unsupported": {
      text: "{location} cannot keep backups from being deleted[[ (bucket {bucket})]].",
      hint: "Object Lock (Google: retention of objects, with versions) is turned on when a bucket is made: choose a new one, which `holdfast init` makes with it. On Azure, turn on version-level immutability of the container. Or take `lock:` out of holdfast.yaml.",
    },
    "cold-unsupported": {
      text: "{location} cannot keep files in a cold class.",
      hint: "Only S3, Azure and Google Cloud Storage can: take `cold:` out of holdfast.yaml.",
    },
    "parity-unsupported": {
      text: "{location} has no place for parity.",
      hint: "restic's REST protocol knows no such files: take `parity:` out of holdfast.yaml, or keep the repository elsewhere.",
    },
    "storage-no-versions": {
      text: "{location} keeps no old versions, so it cannot be read as of a moment.",
      hint: "--as-of needs a bucket with versions (Object Lock turns them on).",
    },
    "storage-read-only": {
      text: "A repository as of a moment is only for reading[[: {path}]].",
      hint: "Leave out --as-of to change the repository, or copy from it: `holdfast copy --as-of MOMENT`.",
    },
    "storage-cold": {
      text: "A part of the repository is in a cold class and has to be thawed first[[: {path}]][[: {packs:pack}, {bytes:bytes}]].",
      hint: "`holdfast restore apply PLAN --thaw` asks for what a restore needs, waits for it and goes on.",
    },
    "storage-cold-version": {
      text: "What was there then is an old version in Azure's Archive, and of old versions Azure thaws none[[: {path}]].",
      hint: "Copy the versions of that moment into a container of their own (`az storage blob copy start` with `--tier Hot`), and restore from that one.",
    },
    "storage-library": {
      text: "Storage of the kind `{kind}:` needs a library that is not installed: {library}[[ ({reason})]].",
      hint: "Install it beside Holdfast: `npm install --global {library}@{version}` (without --global where Holdfast was installed so).",
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
    "source-missing": {
      text: "A part of the CRM is not there[[: {path}]][[ ({reason})]].",
      hint: "Check the paths in holdfast.yaml; `holdfast doctor` looks at each of them.",
    },
    "database-unreadable": {
      text: "The database cannot be read[[: {path}]][[ {table}]][[ ({reason})]][[ {detail}]].",
      hint: "Without the database there is no snapshot. Check that this user can read it; `holdfast doctor` says more.",
    },
    "database-not-sqlite": {
      text: "This is no SQLite database, or a damaged one: {path}.",
      hint: "Check `database:` in holdfast.yaml. If the path is right, `holdfast restore plan latest --database --exact` puts a whole one there.",
    },
    "database-unsupported": {
      text: "No database engine for {url}[[ ({reason})]].",
      hint: "Give `database: sqlite:./crm.db`, postgresql://user@host/name or mysql://user@host/name.",
    },
    "database-unknown": {
      text: "The CRM has no database named {name}[[; there is: {known}]].",
      hint: "Give one of these names, as `holdfast browse latest /databases` lists them.",
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
    "follow-unsupported": {
      text: "Changes of this database cannot be followed: {path}",
      hint: "Make backups more often instead: the interval is then the most that can be lost.",
    },
    "follow-settings": {
      text: "The database server is not set up to be followed: it needs {setting}[[, and has {value}]][[ ({path})]].",
      hint: "Let an administrator set it; `docs/continuous.md` says how. Until then, backups go on as before.",
    },
    "follow-rights": {
      text: "The database user[[ {user}]] may not follow changes: {publication}[[ ({path})]].",
      hint: "`docs/continuous.md` has the SQL that gives the rights.",
    },
    "follow-other": {
      text: "Another `holdfast follow` has gone on with the journal of {crm}.",
      hint: "Only one may follow a CRM into a repository. End the other one, or let it go on alone; started again, this one goes on where the journal ends.",
    },
    "follow-taken": {
      text: "Somebody else reads the log under our name: {subject}[[, {reason}]][[ ({path})]].",
      hint: "Only one `holdfast follow` may follow a CRM into a repository. End the other one.",
    },
    "follow-lag": {
      text: "The server kept {bytes:bytes} of log for us, which is too much; it was given up[[ ({path})]].",
      hint: "There is a gap in the journal now, which ends with the next backup. See why nothing could be stored.",
    },
    "database-busy": {
      text: "Somebody else holds a lock in the database[[: {path}]][[, {subject}]][[ ({reason})]].",
      hint: "Wait until the other session is done, then run this again. Nothing was changed.",
    },
    "database-conflict": {
      text: "The standby ended this session, since its primary removed rows that it still read[[: {path}]][[, {subject}]][[ ({reason})]].",
      hint: "Set hot_standby_feedback = on for the standby, or raise its max_standby_streaming_delay, and run this again. Nothing was changed.",
    },
    "nothing-matched": {
      text: "Nothing in the snapshot matches[[ {path}]].",
      hint: "`holdfast browse` shows what it holds; paths begin with /files, /databases or /config, records are written as party/12.",
    },
    "record-ambiguous": {
      text: "Several databases of the CRM have {record}: {names}.",
      hint: "Say which: the name of the database and a colon before it, as it is written here.",
    },
    "records-databases": {
      text: "These records are in several databases of the CRM: {names}.",
      hint: "Restore them one after the other, each as a restore of its own. With --search, --deleted, --changed or --created, `--in NAME` takes only that database's.",
    },
    "record-unknown": {
      text: "The recovery point holds no {record}.",
      hint: "A record is named by its entity or table and its key: party/12. `holdfast browse` shows what there is.",
    },
    "rows-refused": {
      text: "The database does not take these rows[[: {reason}]].",
      hint: "Nothing was changed. Choose fewer records or fields, or restore them as files with --to-files.",
    },
    "rows-miscounted": {
      text: "In the table {table} a statement was meant for {wanted:row} and touched {touched:row}.",
      hint: "Nothing was changed. A rule, a policy or a trigger of the database may be in between, or a row whose key it takes for equal. Restore the records as files with --to-files, or into a copy.",
    },
    "commit-unknown": {
      text: "The connection to the database was lost while the change was made to stay, and nobody could say whether it did[[: {path}]].",
      hint: "It is all there or not at all, and what the rows were is kept. `holdfast restore undo` takes back what is there; `holdfast restore apply` of the same plan makes it whole. Both look at each row first.",
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
      text: "Not enough space[[ at {path}]][[: {needed:bytes} needed]][[, {free:bytes} free]][[: {neededFiles:file} to be made, room for {freeFiles} more (`df -i`)]][[ ({reason})]].",
      hint: "Free some space, or restore to another disk with --target, or to another server with --to-database.",
    },
    "target-unwritten": {
      text: "What was written[[ to {path}]] did not reach the disk[[ ({reason})]].",
      hint: "The disk may be failing: `dmesg` tells more. Restore to another disk with --target.",
    },
    "purpose-needed": {
      text: "A restore to another place must say what it is for.",
      hint: "--as clone (made harmless, for looking and testing) or --as replacement (takes the place of the CRM).",
    },
    "crm-version-differs": {
      text: "The recovery point is of {crm} {version}; the program here is {installed}. One must not use the other's database.",
      hint: "Install version {version}, then plan again[[; or restore the recovery point's own program with it: {remedy}]].",
    },
    "anonymise-column": {
      text: "This rule of `anonymise:` cannot be followed: {column}[[: {kind}]].",
      hint: "Name an entity or table and a column of it that is no key. `holdfast browse latest /databases/main` lists tables.",
    },
    "anonymise-leak": {
      text: "The copy still has values that were to go, so nothing was made[[ ({path})]]: {columns}",
      hint: "Give each of these columns a rule under `anonymise:` in holdfast.yaml: what stands in it (`text`, `name`, …), `mentions` where only who is named in it is to go, or `keep` where that is meant to stay.",
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
      text: "The restore is done, but {failed:item} failed[[, the first of them {path}]].",
      hint: "Once what kept them away is gone, plan again: what has come back stays as it is.",
    },
    "undo-incomplete": {
      text: "The undo is done, but {failed:item} could not be taken back.",
      hint: "The list above says which and why. Put these right in the CRM itself.",
    },
    "restore-mismatch": {
      text: "What was restored is not equal to the snapshot[[: {path}]][[ {table}]][[ ({detail})]][[ ({reason})]].",
      hint: "Nothing was swapped in. Run `holdfast verify --read-data`, or choose another recovery point.",
    },
    "restore-half-made": {
      text: "A restore of {crm} was cut off while it was swapping: the CRM is partly old and partly new, and no backup of it begins.",
      hint: "[[Finish it: `holdfast restore apply {plan}`. ]]Take it back: `holdfast restore undo {id}`.",
    },
    "restore-lost": {
      text: "What the restore built for {path} is no longer whole: it was dropped or changed while the swap was cut off. What is left of it is there or at {slot}[[; what it replaced is kept at {kept}]].",
      hint: "Take the restore back with `holdfast restore undo`, which puts back what it replaced, and plan again.",
    },
    "undo-lost": {
      text: "The restore {id} cannot be undone: what it replaced is no longer there[[: {path}]].",
      hint: "Somebody moved or removed it. A backup from before that restore still has it: `holdfast snapshots`.",
    },
    "undo-databases": {
      text: "What is to be taken back is in several databases of the CRM: {names}.",
      hint: "Take it back in one after the other: --undo-in NAME says in which. Each is a restore of its own.",
    },
    "undo-emptied": {
      text: "Transaction {transaction} emptied table {table}: that cannot be taken back row by row.",
      hint: "Restore the records of that table as of the moment before: `holdfast restore plan @MOMENT --deleted --in {table}`.",
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
    "volume-needed": {
      text: "Volume {volume} is needed and is not there ({drive}).",
      hint: "Put it in (to write: an empty medium; mt weof empties a tape) and run the same command again; an export goes on with --resume.",
    },
    "volume-other": {
      text: "Volume {wanted} is needed, and {volume} is in {drive}.",
      hint: "Change the medium and run the command again.",
    },
    "volume-none": {
      text: "No volume is there[[ of the set {set}]] ({drive}).",
      hint: "Give the folder that holds the volumes (files such as NAME-0001.tar), or tape:DEVICE with a tape in it.",
    },
    "volume-repositories": {
      text: "Volumes of several repositories lie here, and can be read as one only each by itself ({drive}): {sets}.",
      hint: "Put those of each repository into a folder of its own, or import the sets that you want: holdfast import {drive} --set NAME --into FOLDER.",
    },
    "volume-small": {
      text: "The medium is too small: not even the catalogue of volume {volume} has room.",
      hint: "Take larger media, or a larger --volume-size.",
    },
    "volume-damaged": {
      text: "The volume is damaged or not one of Holdfast's[[: {reason}]].",
      hint: "Clean the drive and try again, or take another copy of the volume. What was imported so far is sound.",
    },
    "server-program-missing": {
      text: "To start a server for the copy, {program} is needed on this machine[[, of version {needed} or later]][[; there is {found}]].",
      hint: "Install it (Debian: postgresql or mariadb-server-core), or name another place with --to-database.",
    },
    "server-unsupported": {
      text: "Holdfast starts no server of its own for {server}, only for PostgreSQL and MariaDB.",
      hint: "Name a database that is not there yet, on a server of that kind, with --to-database.",
    },
    "server-not-started": {
      text: "The server for the copy did not start[[ ({program})]][[: {reason}]][[: the account {account} may not enter {parent}]][[: the path of its folder is too long for a socket ({long})]][[: this machine has no account for it ({missing})]].",
      hint: "Name another folder with --scratch: short, and open to the server's account.",
    },
    "drill-start": {
      text: "The restored copy could not be started[[ ({program})]][[: {reason}]].",
      hint: "The reason is the program's own last word; try it by hand on a copy made with `holdfast restore plan --system --as clone`.",
    },
    "drill-failed": {
      text: "The restore drill of {crm} failed: {problems:problem}.",
      hint: "What is marked above would have failed in an emergency too. `holdfast verify --read-data` tells whether the repository is sound.",
    },
    "volume-unverified": {
      text: "Volume {volume} does not give back what was written to it ({drive}).",
      hint: "Put in another medium and run `holdfast export --resume`: the volume is written again.",
    },
    "volume-incomplete": {
      text: "The set {set} only adds to {base}, which is not there yet.",
      hint: "Import the full set first.",
    },
    "drive-failed": {
      text: "The drive {drive} failed[[: {reason}]].",
      hint: "Check that the device is there, readable and writable for this user, and that a medium is in.",
    },
    "drive-program": {
      text: "A tape needs the program {program}, which is not installed.",
      hint: "Install it: `apt-get install {package}`.",
    },
    "export-base-missing": {
      text: "There is no set that a {kind} one could stand on[[: {set} is not known here]].",
      hint: "Make a full one with `holdfast export full`, or name the folder of the earlier volumes with --base.",
    },
    "export-unfinished": {
      text: "The set {set} was begun and is not complete.",
      hint: "Go on with --resume, or give it up with --discard.",
    },
    "export-outdated": {
      text: "A file of the set is no longer in the repository, which was pruned meanwhile[[: {path}]].",
      hint: "Begin a new set: `holdfast export --discard`.",
    },
    "export-nothing": {
      text: "There is nothing to export[[: {base} has every recovery point]].",
      hint: "Make a backup first. --resume is for a set that was cut off.",
    },
    "import-other-repository": {
      text: "Another repository is at {location}.",
      hint: "Choose an empty place with --into, or the repository that the volumes come from.",
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
  } satisfies Record<ErrorCode, ErrorWords>,
} as const;
