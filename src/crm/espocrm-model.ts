import type { TableSchema } from "../database/database.ts";
import type { CrmModel, Entity, ModelSource, Reference } from "./model.ts";
import { entity, flagsBeside, inSchema, noiseOf, personalData, polymorphic, reference } from "./model-parts.ts";
import { espocrmMetadata, typeName } from "./espocrm-metadata.ts";
import { espocrmNobody, espocrmPersonal } from "./espocrm-personal.ts";

/**
 * EspoCRM's tables, those of its own and those that the Entity Manager makes: all follow one scheme, so they are read from
 * the schema. A table is an entity if its rows have an id, a name and a mark for deleted; `<x>_id` names a row of table `x`,
 * `<x>_id` with `<x>_type` one of any; a table of two such columns and no name joins two. Where a link is not called like what
 * it leads to, metadata says it (`espocrm-metadata.ts`), of EspoCRM's own links `linked`. No foreign key is declared.
 */
const labels: Readonly<Record<string, string>> = { account: "company", attachment: "attachment" };

/** Words in `<x>_id` that are no table. */
const people: Readonly<Record<string, string>> = { assigned_user: "user", created_by: "user", modified_by: "user" };

/** EspoCRM's own links that are not called like what they lead to: by table and column. */
const linked: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  lead: { created_account_id: "account", created_contact_id: "contact", created_opportunity_id: "opportunity" },
  email: {
    ...{ sent_by_id: "user", replied_id: "email", group_folder_id: "group_email_folder" },
    from_email_address_id: "email_address",
  },
  sms: { from_phone_number_id: "phone_number", replied_id: "sms" },
  user: { default_team_id: "team", avatar_id: "attachment" },
  inbound_email: { assign_to_user_id: "user", reply_email_template_id: "email_template" },
  lead_capture: { target_team_id: "team", opt_in_confirmation_email_template_id: "email_template" },
  document: { folder_id: "document_folder", file_id: "attachment" },
  import: { file_id: "attachment" },
  attachment: { source_id: "attachment" },
  email_template: { category_id: "email_template_category" },
  target_list: { category_id: "target_list_category" },
  campaign: {
    ...{ contacts_template_id: "template", leads_template_id: "template" },
    ...{ accounts_template_id: "template", users_template_id: "template" },
  },
  campaign_log_record: { queue_item_id: "email_queue_item" },
  o_auth_account: { provider_id: "o_auth_provider" },
};

/** Rows that are a part of the record that their pair names: by table, the words of such pairs. */
const parts: Readonly<Record<string, readonly string[]>> = {
  ...Object.fromEntries(
    ["note", "subscription", "call", "meeting", "task", "email"].map((table) => [table, ["parent"]]),
  ),
  // `related`: what is the value of a field, and not in a list of attachments.
  attachment: ["parent", "related"],
  // Each value of a field that may have several, to be found by.
  array_value: ["entity"],
  // An address, a number may be that of several records; that it is of this one is a part of it.
  ...Object.fromEntries(["entity_email_address", "entity_phone_number"].map((table) => [table, ["entity"]])),
};

export async function espocrmModel({ tables, files }: ModelSource): Promise<CrmModel> {
  const names = new Set(tables.map(({ name }) => name));
  const entities = tables.flatMap(entityOf);
  const metadata = espocrmMetadata(files);
  const links = await metadata.links();
  const records = entities.map(({ table }) => [typeName(table.name), `${table.name}.id`] as const);
  return inSchema(
    {
      entities,
      references: [...links, ...tables.flatMap((table) => referencesOf(table, names, records))],
      fileLabels: metadata.labels,
      flags: flagsBeside(entities, tables, "deleted"),
      personal: personalData(espocrmPersonal, { nobody: espocrmNobody }),
      noise: noiseOf(
        entities.map(({ table }) => table.name),
        ["modified_at", "modified_by_id", "stream_updated_at"],
      ),
    },
    tables,
  );
}

function entityOf(table: TableSchema): readonly Entity[] {
  const has = (column: string) => table.columns.some(({ name }) => name === column);
  const title =
    has("first_name") && has("last_name") ? ["first_name", "last_name"] : has("name") ? ["name"] : undefined;
  const isStream = table.name === "note" && has("post");
  if (!has("id") || !has("deleted") || (!title && !isStream) || !has("created_at")) return [];
  const name = table.name.replaceAll("_", "-");
  const known = labels[table.name] ?? (knownLabels.includes(name) ? name : undefined);
  const made = entity(name, table.name, {
    title: title ?? ["post"],
    created: "created_at",
    modified: ["modified_at"],
    deleted: { column: "deleted", when: "true", along: ["delete_id"] },
  });
  const { label: _, ...bare } = made;
  return [known === undefined ? bare : { ...made, label: known }];
}

const knownLabels = [
  ...["contact", "lead", "opportunity", "case", "call", "meeting", "task", "note", "email", "document", "campaign"],
  ...["target", "target-list", "user", "team", "product", "quote", "invoice", "project"],
];

function referencesOf(
  table: TableSchema,
  names: ReadonlySet<string>,
  records: readonly (readonly [string, string])[],
): readonly Reference[] {
  const columns = table.columns.map(({ name }) => name);
  const ends = columns.filter((column) => column.endsWith("_id"));
  const isJoin = ends.length >= 2 && !columns.includes("name") && !columns.includes("created_at");
  return ends.flatMap((column): readonly Reference[] => {
    const word = column.slice(0, -"_id".length);
    if (columns.includes(`${word}_type`)) {
      const kind = parts[table.name]?.includes(word) === true ? "belongs" : isJoin ? "links" : "refers";
      return polymorphic(kind, `${table.name}.${column}`, `${word}_type`, records);
    }
    const own = linked[table.name]?.[column] ?? inTree(table.name, column);
    const to = own ?? people[word] ?? (names.has(word) ? word : undefined);
    if (to === undefined || (to === table.name && own === undefined)) return [];
    const kind = isJoin && parts[table.name] === undefined ? "links" : "refers";
    return [reference(kind, `${table.name}.${column}`, `${to}.id`)];
  });
}

/** Categories and folders lie in each other; a table beside theirs has each pair of one and what lies somewhere in it. */
function inTree(table: string, column: string): string | undefined {
  if (column === "parent_id") return table;
  const [, tree] = /^(.+)_path$/.exec(table) ?? [];
  return /^(?:as|des)cendor_id$/.test(column) ? tree : undefined;
}
