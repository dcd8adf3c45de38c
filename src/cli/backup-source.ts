import type { BackupInput } from "../engine/backup.ts";
import { chooseCrm, type Context } from "./context.ts";
import { storedConfig } from "./stored-config.ts";

/** Which CRM is backed up where to: by the configuration, or without one by what the newest backup holds of it. */
export async function backupSource(context: Context): Promise<Pick<BackupInput, "crm" | "configFile" | "repository">> {
  const repository = await context.access();
  const config = (await context.config()) ?? (await storedConfig(context, repository));
  return { crm: chooseCrm(config.crms, context.globals.crm), configFile: config.file, repository };
}
