const planOptions = {
  database: "only the database",
  system: "everything: database, files and configuration (default without paths)",
  target: "another folder; absent: where it was backed up",
  toDatabase: "URL of a database that is not there yet, for a database on a server; of one that is there for records",
  anonymise:
    "put made-up values in place of names, mail addresses, numbers, addresses and notes, and check that none is left",
  withFiles: "with --anonymise: files come as they are, though what is in them cannot be anonymised",
  grants: "leave owners and rights inside the database to the user who restores",
  as: "what a copy in another place is for: clone (made harmless) or replacement",
  updateChanged: "also put back what is there but differs",
  removeNewer: "also remove what the recovery point does not hold",
  onlyExisting: "leave out what is not there any more",
  exact: "exactly as the recovery point: --update-changed and --remove-newer together",
  record: "records by their names: party/12, or a table and its key",
  keys: "a list of records in CSV: a column `record`, or the key under the name of the entity or table",
  search: "all records that have these words, as `search` finds them",
  deleted: "all records that are there at the point and gone now (or at --until)",
  changed: "all records that differ; with --update-changed or --fields they are put back",
  created: "all records that came later; with --remove-newer they are removed",
  in: "compare or search only these entities, tables or databases",
  until: "the moment right after the mistake: what others changed later is kept, and told",
  fields: "put back only these columns of records that are there",
  undoTransaction:
    "put back what this transaction changed, by its number, as `transactions` shows it; @moment as the point narrows the search",
  undoBetween: "put back what was changed between two moments: @FROM @TO",
  undoBy: "of that, only what this user changed, as the rows say",
  undoIn: "of that, only what is in this database, of a CRM with several",
  alone: "only the records themselves, without what belongs to them",
  toFiles: "write the records to this new or empty folder, in place of a database",
  format:
    "with --to-files: csv (default, every value as it is), sheet (csv without formulas, to be looked at in a spreadsheet), sheet-semicolon (where Excel separates by semicolons) or json, a file a table; or sql",
  rename: "where a column of the recovery point goes now: table.old=new",
};

const planArguments = {
  point: "latest, a snapshot's id or @moment (default: latest)",
  paths: "files or folders as `browse` shows them",
};

const applyOptions = {
  confirm: "the CRM's name, in place of typing it",
  thaw: "ask for cold packs, to be readable for so many days (default: 7), wait for them and go on",
  wait: "wait for another run of this CRM to end, such as 30m (without a length: a week at most)",
};

/** The program, its options and its commands, as `--help` has them. */
export const commands = {
  program: {
    summary: "Backup and recovery for self-hosted CRM platforms.",
    usage: "Usage:",
    options: "Options:",
    globalOptions: "Global options:",
    commands: "Commands:",
    arguments: "Arguments:",
    groups: {
      begin: "Set up, back up:",
      look: "Look and find:",
      recover: "Get it back:",
      protect: "By itself, and elsewhere:",
      keep: "What is kept:",
      repository: "The repository itself:",
      other: "Other:",
    },
    help: "show this help",
    version: "show the version",
    after: "First time? `holdfast init` in the CRM's folder, then `holdfast backup`.",
  },
  options: {
    config: "configuration file (default: holdfast.yaml here, else ~/.config/holdfast/holdfast.yaml)",
    repository: "repository, in place of the configuration's (HOLDFAST_REPOSITORY)",
    passwordFile: "file with the repository's password (HOLDFAST_PASSWORD_FILE)",
    crm: "which CRM, where there are several",
    json: "answers and events as JSON lines",
    lang: "language of messages: en or zh-CN",
    asOf: "read the repository as it was at this moment, such as 2026-03-12T14:00 (a bucket that keeps versions)",
    noCache: "read everything from the repository itself, and keep nothing of it on this machine",
    verbose: "say more",
    quiet: "say only what went wrong, and what was asked for",
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
        wait: "wait for another run of this CRM to end, such as 30m (without a length: a week at most)",
        limit: "none: as fast as it goes, without the limits of the configuration, whoever feels it",
        acceptInconsistencies:
          "accept what there is now: records without their file, files without a record and what cannot be covered are no warning any more",
      },
      arguments: { kind: "full, incremental or differential (default: incremental; the first is full)" },
    },
    snapshots: { summary: "list recovery points", options: {}, arguments: {} },
    follow: {
      summary: "keep every committed change of a CRM, about a second after its commit, until it is stopped",
      options: { backup: "make no backup by itself where the journal lacks one to go on from" },
      arguments: {},
    },
    transactions: {
      summary: "list the transactions around a moment, to choose one of them",
      options: { within: "how far before and after the moment (default: 1m)" },
      arguments: { moment: "such as @2026-03-12T14:00 (default: now)" },
    },
    browse: {
      summary: "look into a recovery point: records, files, tables, rows",
      options: { limit: "how many records (default: 50)", after: "go on after this record" },
      arguments: {
        point: "latest, a snapshot's id or @moment (default: latest)",
        what: "records such as party or party/12, or a path such as /files or /databases/main/contacts (default: /)",
      },
    },
    search: {
      summary: "find records and files by words in them, as of any recovery point",
      options: {
        point: "latest, live, a snapshot's id or @moment (default: latest)",
        deleted: "what older recovery points hold and this one does not",
        only: "only these entities, tables or databases, or files: party,invoice",
        limit: "how many (default: 50)",
      },
      arguments: { words: "a record must have each of them in one of its texts, whatever the case" },
    },
    history: {
      summary: "all versions of a record, over every recovery point, with what changed in each",
      options: { live: "also look at the CRM as it is now", noise: "also show fields that the CRM writes by itself" },
      arguments: { record: "such as party/12, by entity or table and key" },
    },
    compare: {
      summary: "what differs between two moments: records, files, schema",
      options: {
        all: "list every record and file (default: the first 10 of each kind)",
        noise: "also show fields that the CRM writes by itself",
        csv: "as CSV for a spreadsheet, a line a field",
        csvSemicolon: "the same with semicolons, where Excel separates by them",
      },
      arguments: {
        from: "latest, live, a snapshot's id or @moment",
        to: "latest, live, a snapshot's id or @moment",
        only: "only these entities, tables or databases, or: files",
      },
    },
    restore: { summary: "plan, apply and undo a recovery", options: {}, arguments: {} },
    "restore plan": {
      summary: "show what a recovery would do, and save it as a plan; changes nothing",
      options: planOptions,
      arguments: planArguments,
    },
    "restore apply": {
      summary: "do what a plan says",
      options: applyOptions,
      arguments: { plan: "the plan's id, as `restore plan` printed it" },
    },
    "restore run": {
      summary: "plan a recovery and do it at once; asks before it does",
      options: {
        ...planOptions,
        ...applyOptions,
        yes: "do not ask first; replacing a live CRM still asks for its name, or --confirm",
      },
      arguments: planArguments,
    },
    "restore undo": {
      summary: "put back what a restore replaced",
      options: {
        list: "list what can be undone",
        wait: "wait for another run of this CRM to end, such as 30m (without a length: a week at most)",
      },
      arguments: { id: "which restore (default: the newest)" },
    },
    erase: { summary: "take records out of what restores give back", options: {}, arguments: {} },
    "erase plan": {
      summary: "find records and all that belongs to them in every recovery point, and show what would be held back",
      options: {
        reason: "required: why, as `erase list` shows it, such as the number of a request",
        search: "records that have all these words",
        in: "with --search: only in these entities, tables or databases",
        point: "where to look for the records: latest (the default), a snapshot's id or @moment",
      },
      arguments: { records: "such as contact/12" },
    },
    "erase apply": {
      summary: "hold back what the plan shows, from every restore and look from now on",
      options: {
        confirm: "the CRM's name, in place of typing it",
        by: "who wants it (default: this user)",
        wait: "wait for another run of this CRM to end, such as 30m (without a length: a week at most)",
      },
      arguments: { plan: "the plan's id, as `erase plan` printed it" },
    },
    "erase list": {
      summary: "show what was erased, when, by whom and why",
      options: {},
      arguments: {},
    },
    forget: {
      summary: "remove recovery points that no rule keeps, or these; their data goes with `prune`",
      options: {
        dryRun: "only show what would stay, why, and what would go",
        prune: "prune afterwards",
        keep: "rules of a size: short (a month), standard (three years) or long (ten years)",
        keepLast: "keep the newest so many (or: all)",
        keepHourly: "keep the newest of each of so many hours",
        keepDaily: "keep the newest of each of so many days",
        keepWeekly: "keep the newest of each of so many weeks",
        keepMonthly: "keep the newest of each of so many months",
        keepYearly: "keep the newest of each of so many years",
        keepWithin: "keep all that are not older than this, such as 10d or 1y6m",
        keepWithinHourly: "keep the newest of each hour within this",
        keepWithinDaily: "keep the newest of each day within this",
        keepWithinWeekly: "keep the newest of each week within this",
        keepWithinMonthly: "keep the newest of each month within this",
        keepWithinYearly: "keep the newest of each year within this",
        keepTag: "keep what has all tags of one of these lists: a,b",
        now: "with --prune: delete at once",
        deleteAfter: "with --prune: keep packs for so long before they are deleted (default: 23h)",
        maxUnused: "with --prune: how much waste may stay, such as 5% or 1GB (default: 5%)",
        maxRepackSize: "with --prune: how much may be written anew, such as 2GB (default: unlimited)",
        wait: "wait for somebody's lock to be released, such as 30m (without a length: a week at most)",
      },
      arguments: { ids: "snapshots to remove, by their ids, in place of rules" },
    },
    hold: {
      summary: "keep a recovery point from being forgotten until it is released",
      options: {
        until: "the last day on which it is held, such as 2027-01-31",
        wait: "wait for somebody's lock to be released, such as 30m (without a length: a week at most)",
      },
      arguments: { point: "latest, a snapshot's id or @moment" },
    },
    release: {
      summary: "let go of a recovery point that is held",
      options: { wait: "wait for somebody's lock to be released, such as 30m (without a length: a week at most)" },
      arguments: { point: "latest, a snapshot's id or @moment" },
    },
    prune: {
      summary: "give back the space of what no recovery point needs any more",
      options: {
        dryRun: "only show what would be done",
        now: "delete at once; else packs leave the index now and are deleted by a later prune",
        deleteAfter: "how long packs are kept before a later prune deletes them (default: 23h)",
        maxUnused: "how much waste may stay, such as 5% or 1GB (default: 5%)",
        maxRepackSize: "how much may be written anew, such as 2GB (default: unlimited)",
        wait: "wait for somebody's lock to be released, such as 30m (without a length: a week at most)",
      },
      arguments: {},
    },
    copy: {
      summary: "copy recovery points to another repository; what is there already is not stored again",
      options: {
        to: "one copy of holdfast.yaml by its name, or any location (default: every copy)",
        toPasswordFile: "password of the repository that is copied to",
        create: "make the repository where there is none",
        sameKey:
          "with --create: give it the key of this repository; copying then takes little work, and a password of either reads the files of both",
        wait: "wait for another copy or somebody's lock to end, such as 30m (without a length: a week at most)",
      },
      arguments: { points: "latest, snapshots' ids or @moments (default: everything that is not there yet)" },
    },
    export: {
      summary: "write the repository to tapes or archive volumes",
      options: {
        to: "required: a folder, where each volume is a file, or tape:DEVICE such as tape:/dev/nst0",
        name: "what the set of volumes is called (default: by its day and kind)",
        volumeSize: "where a volume in a folder ends, such as 4.7GB (default: when the disk is full)",
        resume: "go on with a set that was cut off, at the volume",
        discard: "give up a set that was cut off",
        base: "where earlier volumes are, if this machine does not remember them",
        changer: "device of the tape changer, such as /dev/sg3",
        slots: "slots of the changer that may be used, such as 1-8",
        wait: "wait for another export or somebody's lock to end, such as 30m (without a length: a week at most)",
      },
      arguments: { kind: "full, differential or incremental (default: incremental, and full the first time)" },
    },
    import: {
      summary: "bring volumes back into a repository, or single files of it",
      options: {
        set: "only these sets of volumes",
        only: "only these files of the repository, such as data/3f/3f…; reads only the volumes that have them",
        into: "where the repository is, or is to be (default: the configured one)",
        changer: "device of the tape changer, such as /dev/sg3",
        slots: "slots of the changer that may be used, such as 1-8",
      },
      arguments: { place: "a folder with volumes, or tape:DEVICE" },
    },
    advise: {
      summary: "compare ways of making backups by what this repository has seen, and recommend one",
      options: { picture: "write it as a picture too: an SVG file" },
      arguments: {},
    },
    status: { summary: "how everything is: one sentence, each CRM, each scheduled job", options: {}, arguments: {} },
    serve: { summary: "do everything when it is due: one process, until it is stopped", options: {}, arguments: {} },
    jobs: { summary: "what the service runs, has waiting and has done", options: {}, arguments: {} },
    "jobs list": { summary: "jobs that run and wait, and the last ones that ended", options: {}, arguments: {} },
    "jobs start": {
      summary: "have the service do a job now",
      options: {
        kind: "of a backup: full, incremental or differential (default: incremental)",
        plan: "of a restore, required: the id of the plan that is applied",
        confirm: "of a restore that replaces something: the CRM's name",
      },
      arguments: { job: "what is to be done", subject: "the CRM or the copy (default: all)" },
    },
    "jobs cancel": {
      summary: "end a job that runs or waits",
      options: {},
      arguments: { id: "its id, or the beginning of it" },
    },
    alert: { summary: "who is told when something is wrong", options: {}, arguments: {} },
    "alert test": {
      summary: "send a message to every route, or to one, the way that a real one goes",
      options: {},
      arguments: { route: "its name (default: every route)" },
    },
    drill: {
      summary: "restore into a place of its own, check it, start it, ask it, and remove it again",
      options: {
        scratch: "folder in which the copy is made; absent: Holdfast's own state folder",
        toDatabase:
          "URL of a database that is not there yet, for the copy, or `private`: on a server that is started for it alone; absent: one beside the CRM's",
        page: "also write the evidence as a page to print: an HTML file",
      },
      arguments: { point: "latest, a snapshot's id or @moment (default: latest)" },
    },
    verify: {
      summary: "walk through the whole repository and name every defect",
      options: {
        readData: "read every byte as well",
        readDataSubset: "read a part: 2/10, 10% or 5G; what was not read for longest comes first",
      },
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
    repair: {
      summary: "save what can be saved of a damaged repository; shows a plan, and changes nothing without --apply",
      options: {
        lost: "with snapshots: bring back recovery points that were lost, or forgotten and not pruned yet",
        apply: "do what the plan with this id says, as it was printed",
      },
      arguments: { what: "`index`, then `packs`, then `snapshots`" },
    },
    kit: {
      summary: "print the recovery kit: location, password, commands, checksum",
      options: {
        output: "write it to a file that only you can read",
        check: "prove a printed kit: its checksum, typed from the paper",
      },
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
} as const;
