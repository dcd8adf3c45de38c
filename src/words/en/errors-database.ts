/** The CRM's database, its server, and following it: the part of `errors.ts` that is about it. */
export const databaseErrors = {
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
  "temporary-full": {
    text: "The folder for temporary files is full: {path}.",
    hint: "Rows that have to be sorted lie there, or a copy of the database. Make room, or name a folder on another disk: `TMPDIR=/srv/tmp holdfast …`.",
  },
  "database-name-long": {
    text: "The name of the database is longer than its server keeps: {name}.",
    hint: "Give one of at most [[{bytes} bytes (a letter beyond ASCII takes two to four)]][[{letters} characters]].",
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
} as const;
