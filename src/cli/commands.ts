import { adviseCommand } from "./advise.ts";
import { alertTestCommand } from "./alert.ts";
import { backupCommand } from "./backup.ts";
import { browseCommand } from "./browse.ts";
import type { Command, CommandGroup } from "./command.ts";
import { compareCommand } from "./compare.ts";
import { completionCommand } from "./completion.ts";
import { configSchemaCommand } from "./config-schema.ts";
import { configValidateCommand } from "./config-validate.ts";
import { copyCommand } from "./copy.ts";
import { drillCommand } from "./drill.ts";
import { doctorCommand } from "./doctor.ts";
import { followCommand } from "./follow.ts";
import { eraseApplyCommand, eraseListCommand, erasePlanCommand } from "./erase.ts";
import { exportCommand } from "./export.ts";
import { forgetCommand } from "./forget.ts";
import { historyCommand } from "./history.ts";
import { holdCommand, releaseCommand } from "./hold.ts";
import { importCommand } from "./import.ts";
import { initCommand } from "./init.ts";
import { keyAddCommand, keyListCommand, keyPasswdCommand, keyRemoveCommand } from "./key.ts";
import { jobsCancelCommand, jobsListCommand, jobsStartCommand } from "./jobs.ts";
import { kitCommand } from "./kit.ts";
import { pruneCommand } from "./prune.ts";
import { repairCommand } from "./repair.ts";
import { restoreApplyCommand } from "./restore-apply.ts";
import { restorePlanCommand } from "./restore-plan.ts";
import { restoreRunCommand } from "./restore-run.ts";
import { restoreUndoCommand } from "./restore-undo.ts";
import { searchCommand } from "./search.ts";
import { serveCommand } from "./serve.ts";
import { snapshotsCommand } from "./snapshots.ts";
import { transactionsCommand } from "./transactions.ts";
import { statusCommand } from "./status.ts";
import { unlockCommand } from "./unlock.ts";
import { verifyCommand } from "./verify.ts";

/** Every command, in the groups and the order of the help. */
export const commandGroups: readonly CommandGroup[] = [
  { name: "begin", commands: [initCommand, doctorCommand, backupCommand, statusCommand, kitCommand] },
  {
    name: "look",
    commands: [snapshotsCommand, browseCommand, searchCommand, historyCommand, compareCommand, transactionsCommand],
  },
  {
    name: "recover",
    commands: [restorePlanCommand, restoreApplyCommand, restoreRunCommand, restoreUndoCommand, drillCommand],
  },
  {
    name: "protect",
    commands: [
      serveCommand,
      jobsListCommand,
      jobsStartCommand,
      jobsCancelCommand,
      alertTestCommand,
      followCommand,
      copyCommand,
      exportCommand,
      importCommand,
      adviseCommand,
    ],
  },
  {
    name: "keep",
    commands: [
      forgetCommand,
      holdCommand,
      releaseCommand,
      pruneCommand,
      erasePlanCommand,
      eraseApplyCommand,
      eraseListCommand,
    ],
  },
  {
    name: "repository",
    commands: [
      verifyCommand,
      repairCommand,
      unlockCommand,
      keyListCommand,
      keyAddCommand,
      keyPasswdCommand,
      keyRemoveCommand,
    ],
  },
  {
    name: "other",
    commands: [configValidateCommand, configSchemaCommand, completionCommand(() => commands)],
  },
];

export const commands: readonly Command[] = commandGroups.flatMap((group) => group.commands);
