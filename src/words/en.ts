import { commands } from "./en/commands.ts";
import { doctor } from "./en/doctor.ts";
import { errors } from "./en/errors.ts";
import { finding } from "./en/finding.ts";
import { notices } from "./en/notices.ts";
import { platforms } from "./en/platforms.ts";
import { problems } from "./en/problems.ts";
import { recovery } from "./en/recovery.ts";
import { repository } from "./en/repository.ts";
import { service } from "./en/service.ts";

/**
 * Every sentence that a person reads, in English: `en/` has them by subject. `zh-cn.ts` and `zh-cn/` have the same keys
 * and the same placeholders.
 *
 * A placeholder is `{name}`, or `{name:form}` where the form is `bytes`, `time`, `duration` or a unit of `units`
 * (`{files:file}` gives "1 file", "3 files"). What stands in `[[…]]` is left out when a placeholder in it has no value.
 */
export const en = {
  units: {
    row: { one: "{n} row", other: "{n} rows" },
    table: { one: "{n} table", other: "{n} tables" },
    file: { one: "{n} file", other: "{n} files" },
    warning: { one: "{n} warning", other: "{n} warnings" },
    problem: { one: "{n} problem", other: "{n} problems" },
    defect: { one: "{n} defect", other: "{n} defects" },
    snapshot: { one: "{n} snapshot", other: "{n} snapshots" },
    point: { one: "{n} moment", other: "{n} moments" },
    item: { one: "{n} item", other: "{n} items" },
    crm: { one: "{n} CRM", other: "{n} CRMs" },
    blob: { one: "{n} blob", other: "{n} blobs" },
    pack: { one: "{n} pack", other: "{n} packs" },
    day: { one: "{n} day", other: "{n} days" },
    job: { one: "{n} schedule", other: "{n} schedules" },
    request: { one: "{n} request", other: "{n} requests" },
    tree: { one: "{n} tree", other: "{n} trees" },
    volume: { one: "{n} volume", other: "{n} volumes" },
    backup: { one: "{n} backup", other: "{n} backups" },
    transaction: { one: "{n} transaction", other: "{n} transactions" },
    group: { one: "{n} group", other: "{n} groups" },
  },
  label: { error: "Error", hint: "Hint", warning: "Warning", colon: ": ", comma: ", ", none: "none" },
  neutralised: platforms.neutralised,
  afterRestore: platforms.afterRestore,
  maintenance: platforms.maintenance,
  keyUses: platforms.keyUses,
  entities: platforms.entities,
  ...errors,
  ...problems,
  ...notices,
  ...doctor,
  ...commands,
  ...repository,
  ...finding,
  ...recovery,
  ...service,
} as const;
