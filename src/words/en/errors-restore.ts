/** What comes back, and where it goes: the part of `errors.ts` that is about it. */
export const restoreErrors = {
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
  "target-mounted": {
    text: "Something is mounted at {path}: nothing can take its place.",
    hint: "Nothing was swapped in. Unmount it while it is restored, or plan again and name what else is to come back.",
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
} as const;
