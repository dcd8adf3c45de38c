import type { CrmModel, Entity, ModelSource, Reference } from "./model.ts";
import { entity, inSchema, noiseOf, personalData, polymorphic, reference } from "./model-parts.ts";
import { civicrmPersonal } from "./civicrm-personal.ts";

/**
 * CiviCRM's tables. Foreign keys are declared; pairs of a table's name and an id are not. Custom fields lie in a table a
 * group, `civicrm_value_…`, named in `civicrm_custom_group` with what it extends.
 */
const contactKinds = ["Individual", "Organization", "Household"] as const;
const kindLabels = { Individual: "contact", Organization: "company", Household: "household" } as const;

const stamps = { created: "created_date", modified: ["modified_date"] } as const;

/** Entity's name, its table, the columns that name one, and what else there is to say. */
const others: readonly Entity[] = [
  entity("activity", "civicrm_activity", {
    title: ["subject"],
    ...stamps,
    deleted: { column: "is_deleted", when: "true" },
  }),
  entity("case", "civicrm_case", { title: ["subject"], deleted: { column: "is_deleted", when: "true" } }),
  entity("contribution", "civicrm_contribution", { title: ["source", "trxn_id"] }),
  entity("membership", "civicrm_membership", { title: ["source"] }),
  entity("event", "civicrm_event", { title: ["title"], ...stamps, archived: { column: "is_active", when: "false" } }),
  entity("participant", "civicrm_participant", { title: ["source"] }),
  entity("pledge", "civicrm_pledge", { title: ["amount"] }),
  entity("note", "civicrm_note", { title: ["subject"], modified: ["modified_date"] }),
  entity("relationship", "civicrm_relationship", { title: ["description"] }),
  entity("group", "civicrm_group", { title: ["title"] }),
  entity("mailing", "civicrm_mailing", { title: ["name"], label: "campaign", created: "created_date" }),
  entity("campaign", "civicrm_campaign", {
    title: ["title"],
    created: "created_date",
    modified: ["last_modified_date"],
  }),
  entity("file", "civicrm_file", { title: ["uri"], label: "attachment", created: "upload_date" }),
];

/** Words of `entity_table`: the tables that may have notes, files, tags and lines. */
const tables = [
  ...["civicrm_contact", "civicrm_activity", "civicrm_case", "civicrm_contribution", "civicrm_membership"],
  ...[
    "civicrm_event",
    "civicrm_participant",
    "civicrm_pledge",
    "civicrm_note",
    "civicrm_relationship",
    "civicrm_group",
  ],
  ...["civicrm_mailing", "civicrm_campaign", "civicrm_grant", "civicrm_contribution_page", "civicrm_custom_field"],
];

const pairs: readonly (readonly [string, Reference["kind"]])[] = [
  ["civicrm_note", "belongs"],
  ["civicrm_entity_file", "belongs"],
  ["civicrm_entity_tag", "links"],
  ["civicrm_line_item", "belongs"],
  ["civicrm_entity_financial_trxn", "links"],
  ["civicrm_pcp", "belongs"],
  ["civicrm_log", "belongs"],
];

/** Declared keys that say more than that they point there. */
const belongs = [
  ...[
    "email",
    "phone",
    "address",
    "im",
    "website",
    "openid",
    "contribution",
    "membership",
    "participant",
    "pledge",
  ].map((table) => `civicrm_${table}.contact_id`),
  "civicrm_relationship.contact_id_a",
  "civicrm_relationship.contact_id_b",
];
const links: readonly (readonly [string, string])[] = [
  ["civicrm_activity_contact.activity_id", "civicrm_activity.id"],
  ["civicrm_activity_contact.contact_id", "civicrm_contact.id"],
  ["civicrm_activity_target.activity_id", "civicrm_activity.id"],
  ["civicrm_activity_target.target_contact_id", "civicrm_contact.id"],
  ["civicrm_activity_assignment.activity_id", "civicrm_activity.id"],
  ["civicrm_activity_assignment.assignee_contact_id", "civicrm_contact.id"],
  ["civicrm_group_contact.group_id", "civicrm_group.id"],
  ["civicrm_group_contact.contact_id", "civicrm_contact.id"],
  ["civicrm_case_activity.case_id", "civicrm_case.id"],
  ["civicrm_case_activity.activity_id", "civicrm_activity.id"],
  ["civicrm_case_contact.case_id", "civicrm_case.id"],
  ["civicrm_case_contact.contact_id", "civicrm_contact.id"],
  ["civicrm_entity_tag.tag_id", "civicrm_tag.id"],
  ["civicrm_uf_match.contact_id", "civicrm_contact.id"],
];

export async function civicrmModel(source: ModelSource): Promise<CrmModel> {
  const custom = await customTables(source);
  const extended = (name: string, kinds: readonly string[]): readonly string[] =>
    custom
      .filter(({ extends: what }) => what === name || kinds.includes(what))
      .map(({ table }) => `${table}.entity_id`);
  const contacts = contactKinds.map((kind) =>
    entity(kind.toLowerCase(), "civicrm_contact", {
      title: ["display_name"],
      label: kindLabels[kind],
      where: { column: "contact_type", equals: kind },
      ...stamps,
      deleted: { column: "is_deleted", when: "true" },
      extensions: extended("Contact", [kind]),
    }),
  );
  return inSchema(
    {
      entities: [
        ...contacts,
        ...others.map((one) => ({
          ...one,
          extensions: extended(one.name.charAt(0).toUpperCase() + one.name.slice(1), []).map((text) => ({
            table: { name: text.slice(0, text.lastIndexOf(".")) },
            key: "entity_id",
          })),
        })),
      ],
      references: [
        ...pairs.flatMap(([table, kind]) =>
          polymorphic(
            kind,
            `${table}.entity_id`,
            "entity_table",
            tables.map((name) => [name, `${name}.id`] as const),
          ),
        ),
        ...belongs.map((from) => reference("belongs", from, "civicrm_contact.id")),
        ...links.map(([from, to]) => reference("links", from, to)),
        // A file does not say whose it is: it is a part of the row that does, as that is of the record.
        reference("belongs", "civicrm_file.id", "civicrm_entity_file.file_id"),
        reference("refers", "civicrm_entity_file.file_id", "civicrm_file.id"),
      ],
      personal: personalData(civicrmPersonal),
      noise: noiseOf(
        ["civicrm_contact", "civicrm_activity", "civicrm_event", "civicrm_note"],
        ["modified_date", "hash", "cache_date"],
      ),
      // What it comes with it names in its code.
      labels: [
        {
          from: { name: "civicrm_custom_field" },
          columns: ["custom_group_id", "column_name", "label"],
          tables: new Map(custom.map(({ id, table }) => [id, table])),
        },
      ],
    },
    source.tables,
  );
}

async function customTables(
  source: ModelSource,
): Promise<readonly { readonly id: string; readonly table: string; readonly extends: string }[]> {
  const found: { id: string; table: string; extends: string }[] = [];
  const columns = ["id", "table_name", "extends"];
  for await (const [id = "", table, what] of source.rows({ name: "civicrm_custom_group" }, columns)) {
    if (table !== undefined && what !== undefined) found.push({ id, table, extends: what });
  }
  return found;
}
