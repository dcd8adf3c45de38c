import type { BackupInput } from "../engine/backup.ts";
import type { Context } from "./context.ts";

/** Which CRM is backed up where to: from the configuration. */
export async function backupSource(context: Context): Promise<Pick<BackupInput, "crm" | "configFile" | "repository">> {
  const crm = await context.crm();
  const config = await context.config();
  return { crm, configFile: config?.file ?? "", repository: await context.access() };
}
