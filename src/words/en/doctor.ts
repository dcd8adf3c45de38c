/** What `doctor` checks, and says of it. */
export const doctor = {
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
    "copies-enough": {
      text: "3-2-1: {copies} copies with the live data, on {kinds} kinds of place, {elsewhere} elsewhere by address",
      hint: "",
    },
    "copies-few": {
      text: "3-2-1 asks for 3 copies on 2 kinds of place, 1 of them elsewhere; by the configuration there are {copies} with the live data, on {kinds}, {elsewhere} elsewhere",
      hint: "Add a copy at another place under `copies:` in holdfast.yaml, and fill it with `holdfast copy`. Of a disk that is carried away or a mount from elsewhere, only you can know.",
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
    "changes-by-wal": {
      text: "An incremental backup reads the blocks that the server's summaries of its log name.",
      hint: "",
    },
    "changes-by-xmin": {
      text: "An incremental backup reads the rows that were written since, by their transactions.",
      hint: "",
    },
    "changes-by-hash": {
      text: "An incremental backup reads the ranges of rows whose sums, computed by the server, differ.",
      hint: "",
    },
    "changes-by-read": { text: "An incremental backup reads all rows and stores those that differ.", hint: "" },
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
    "keys-found": { text: "Keys that are part of the backup: {names}", hint: "" },
    "key-missing": {
      text: "A key is not there: {name}[[ ({use})]]",
      hint: "It should stand in {path}. If it is kept elsewhere, add that place under `files:` in holdfast.yaml.",
    },
    "key-absent": { text: "Not there until the CRM needs it: {name}[[ ({use})]]", hint: "" },
    maintenance: { text: "Before a restore in place: {how}", hint: "" },
    "folder-read": { text: "Folder {path}: {files:file}, {bytes:bytes}", hint: "" },
    "folder-missing": { text: "Folder {path} is not there", hint: "Check `files:` in holdfast.yaml." },
    "files-unreadable": {
      text: "This user cannot read {count:file}: {names}",
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
      hint: "[[Go on: `holdfast restore apply {plan}`. ]]Go back: `holdfast restore undo {id}`.",
    },
  },
  doctorReport: {
    sound: "All is well.",
    summary: "{failed:problem}, {warnings:warning}.",
  },
} as const;
