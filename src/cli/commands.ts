import { adviseCommand } from "./advise.ts";
import { alertTestCommand } from "./alert.ts";
import { backupCommand } from "./backup.ts";
import { browseCommand } from "./browse.ts";
import type { Command } from "./command.ts";
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

/** Every command, in the order of the help. */
export const commands: readonly Command[] = [
  initCommand,
  doctorCommand,
  backupCommand,
  statusCommand,
  snapshotsCommand,
  followCommand,
  transactionsCommand,
  browseCommand,
  searchCommand,
  historyCommand,
  compareCommand,
  restorePlanCommand,
  restoreApplyCommand,
  restoreRunCommand,
  restoreUndoCommand,
  erasePlanCommand,
  eraseApplyCommand,
  eraseListCommand,
  copyCommand,
  exportCommand,
  importCommand,
  forgetCommand,
  holdCommand,
  releaseCommand,
  pruneCommand,
  drillCommand,
  verifyCommand,
  repairCommand,
  keyListCommand,
  keyAddCommand,
  keyPasswdCommand,
  keyRemoveCommand,
  unlockCommand,
  kitCommand,
  serveCommand,
  adviseCommand,
  jobsListCommand,
  jobsStartCommand,
  jobsCancelCommand,
  alertTestCommand,
  configValidateCommand,
  configSchemaCommand,
  completionCommand(() => commands),
];
