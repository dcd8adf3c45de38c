import type { TableSchema } from "../database/database.ts";
import type { CrmFiles } from "./crm-files.ts";
import type { CrmModel, Entity, ModelSource, Reference } from "./model.ts";
import { entity, flagsBeside, inSchema, noiseOf, personalData, polymorphic, reference } from "./model-parts.ts";
import { readPhp } from "./php-data.ts";
import { suitecrmFile, suitecrmLabels } from "./suitecrm-labels.ts";
import { suitecrmPersonal } from "./suitecrm-personal.ts";

/**
 * SuiteCRM's tables. It declares no foreign keys: what belongs together is told by names of columns, by tables that join
 * two, and by pairs of a module's name and an id. Studio adds columns in `<table>_cstm`; the Module Builder adds tables that
 * join two modules, with columns that end in the tables' names and `_ida` or `_idb`.
 */
interface Module {
  readonly table: string;
  /** As pairs name it. */
  readonly module: string;
  readonly title: readonly string[];
  readonly label?: string;
}

const person = ["first_name", "last_name"];

/** By what a person types. */
const modules: Readonly<Record<string, Module>> = {
  account: { table: "accounts", module: "Accounts", title: ["name"], label: "company" },
  contact: { table: "contacts", module: "Contacts", title: person },
  lead: { table: "leads", module: "Leads", title: person },
  opportunity: { table: "opportunities", module: "Opportunities", title: ["name"] },
  case: { table: "cases", module: "Cases", title: ["name"] },
  bug: { table: "bugs", module: "Bugs", title: ["name"] },
  call: { table: "calls", module: "Calls", title: ["name"] },
  meeting: { table: "meetings", module: "Meetings", title: ["name"] },
  task: { table: "tasks", module: "Tasks", title: ["name"] },
  note: { table: "notes", module: "Notes", title: ["name"] },
  email: { table: "emails", module: "Emails", title: ["name"] },
  document: { table: "documents", module: "Documents", title: ["document_name"] },
  campaign: { table: "campaigns", module: "Campaigns", title: ["name"] },
  target: { table: "prospects", module: "Prospects", title: person },
  "target-list": { table: "prospect_lists", module: "ProspectLists", title: ["name"] },
  project: { table: "project", module: "Project", title: ["name"] },
  "project-task": { table: "project_task", module: "ProjectTask", title: ["name"] },
  quote: { table: "aos_quotes", module: "AOS_Quotes", title: ["name"] },
  invoice: { table: "aos_invoices", module: "AOS_Invoices", title: ["name"] },
  contract: { table: "aos_contracts", module: "AOS_Contracts", title: ["name"] },
  product: { table: "aos_products", module: "AOS_Products", title: ["name"] },
  event: { table: "fp_events", module: "FP_events", title: ["name"] },
  user: { table: "users", module: "Users", title: person },
};

/** Columns that end so name a record of this table, wherever they are. */
const named: Readonly<Record<string, string>> = {
  account_id: "accounts",
  billing_account_id: "accounts",
  contract_account_id: "accounts",
  contact_id: "contacts",
  billing_contact_id: "contacts",
  lead_id: "leads",
  opportunity_id: "opportunities",
  case_id: "cases",
  bug_id: "bugs",
  call_id: "calls",
  meeting_id: "meetings",
  task_id: "tasks",
  note_id: "notes",
  email_id: "emails",
  document_id: "documents",
  campaign_id: "campaigns",
  prospect_id: "prospects",
  prospect_list_id: "prospect_lists",
  project_id: "project",
  user_id: "users",
  assigned_user_id: "users",
  created_by: "users",
  modified_user_id: "users",
  reports_to_id: "contacts",
  email_address_id: "email_addresses",
  document_revision_id: "document_revisions",
};

/** Rows that are a part of the record that their pair names. */
const parts = ["notes", "calls", "meetings", "tasks", "emails"];

export async function suitecrmModel({ tables, files }: ModelSource): Promise<CrmModel> {
  const built = await builtModules(files, tables);
  const all: Readonly<Record<string, Module>> = { ...built, ...modules };
  const entities = Object.entries(all).map(([name, one]) => {
    const { label, ...made } = entityOf(name, one);
    return built[name] === one || label === undefined ? made : { ...made, label };
  });
  const byModule = Object.values(all).map(({ module, table }) => [module, `${table}.id`] as const);
  const tableOf = new Map(Object.values(all).map(({ module, table }) => [module, `${table}_cstm`]));
  return inSchema(
    {
      entities,
      references: [
        ...parts.flatMap((table) => polymorphic("belongs", `${table}.parent_id`, "parent_type", byModule)),
        ...polymorphic("links", "email_addr_bean_rel.bean_id", "bean_module", byModule),
        ...polymorphic("links", "emails_beans.bean_id", "bean_module", byModule),
        ...polymorphic("links", "prospect_lists_prospects.related_id", "related_type", byModule),
        ...polymorphic("links", "securitygroups_records.record_id", "module", byModule),
        ...polymorphic("belongs", "aos_products_quotes.parent_id", "parent_type", byModule),
        ...polymorphic("belongs", "aos_line_item_groups.parent_id", "parent_type", byModule),
        reference("belongs", "document_revisions.document_id", "documents.id"),
        reference("belongs", "emails_text.email_id", "emails.id"),
        reference("belongs", "aop_case_updates.case_id", "cases.id"),
        reference("belongs", "aop_case_events.case_id", "cases.id"),
        reference("belongs", "calls_reschedule.call_id", "calls.id"),
        reference("belongs", "project_task.project_id", "project.id"),
        reference("belongs", "reminders_invitees.reminder_id", "reminders.id"),
        ...polymorphic("belongs", "reminders.related_event_module_id", "related_event_module", byModule),
        ...polymorphic("belongs", "favorites.parent_id", "parent_type", byModule),
        ...polymorphic("links", "linked_documents.parent_id", "parent_type", byModule),
        ...polymorphic("refers", "campaign_log.target_id", "target_type", byModule),
        reference("refers", "accounts.parent_id", "accounts.id"),
        ...Object.values(all).map(({ table }) => reference("belongs", `${table}_audit.parent_id`, `${table}.id`)),
        ...tables.flatMap((table) => byNames(table, all)),
      ],
      personal: personalData(suitecrmPersonal),
      flags: flagsBeside(entities, tables, "deleted"),
      noise: noiseOf(
        Object.values(all).map(({ table }) => table),
        ["date_modified", "modified_user_id"],
      ),
      labels: [{ from: { name: "fields_meta_data" }, columns: ["custom_module", "name", "vname"], tables: tableOf }],
      fileLabels: suitecrmLabels(files, new Map(Object.values(all).map(({ module, table }) => [table, module]))),
    },
    tables,
  );
}

/** Modules that the Module Builder made, or an extension brought: those that SuiteCRM itself is told of, where they have a table. */
async function builtModules(
  files: CrmFiles,
  tables: readonly TableSchema[],
): Promise<Readonly<Record<string, Module>>> {
  const text = await suitecrmFile(files, "custom/application/Ext/Include/modules.ext.php");
  const found = readPhp(text ?? "")
    .keys("beanList")
    .flatMap((module): readonly (readonly [string, Module])[] => {
      const table = tables.find(({ name }) => name === module.toLowerCase());
      const has = (column: string): boolean => table?.columns.some(({ name }) => name === column) === true;
      if (!table || !has("id") || !/^\w+$/.test(module)) return [];
      const title = [person, ["document_name"], ["name"]].find((columns) => columns.every(has));
      return title ? [[table.name.replaceAll("_", "-"), { table: table.name, module, title }]] : [];
    });
  const known = new Set(Object.values(modules).map(({ table }) => table));
  return Object.fromEntries(found.filter(([, { table }]) => !known.has(table)));
}

function entityOf(name: string, { table, title, label }: Module): Entity {
  return entity(name, table, {
    title,
    ...(label !== undefined && { label }),
    extensions: [`${table}_cstm.id_c`, ...(table === "emails" ? ["emails_text.email_id"] : [])],
    created: "date_entered",
    modified: ["date_modified"],
    deleted: { column: "deleted", when: "true" },
  });
}

/** What the names of a table's columns say. A table that does nothing but join has no name of its own for its rows. */
function byNames(table: TableSchema, all: Readonly<Record<string, Module>>): readonly Reference[] {
  const columns = table.columns.map(({ name }) => name);
  const isModule = Object.values(all).some((one) => one.table === table.name);
  const isJoin = !isModule && !columns.some((name) => /^(name|date_entered|document_name)$/.test(name));
  const targets = columns.flatMap((column) => {
    const built = /^(?:.*?_1)?(\w+)_id[ab]$/.exec(column)?.[1];
    const to =
      built === undefined
        ? named[column]
        : Object.values(all).find((one) => built === one.table || built.endsWith(`_${one.table}`))?.table;
    return to === undefined || (column === "document_id" && table.name === "document_revisions")
      ? []
      : [{ column, to }];
  });
  const ends = targets.filter(({ column }) => !/^(created_by|modified_user_id|assigned_user_id)$/.test(column)).length;
  const kind = isJoin && ends >= 2 && columns.includes("deleted") ? "links" : "refers";
  return targets.map(({ column, to }) => reference(kind, `${table.name}.${column}`, `${to}.id`));
}
