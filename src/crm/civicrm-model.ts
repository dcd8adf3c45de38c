import { isTrue } from "./column-texts.ts";
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

/** Entity's name, its table, the columns that name one, and what else there is to say. Rows keep fewer dates in older versions. */
const others: readonly Entity[] = [
  entity("activity", "civicrm_activity", {
    title: ["subject"],
    ...stamps,
    deleted: { column: "is_deleted", when: "true" },
  }),
  entity("case", "civicrm_case", {
    title: ["subject"],
    ...stamps,
    deleted: { column: "is_deleted", when: "true" },
  }),
  entity("contribution", "civicrm_contribution", { title: ["source", "trxn_id"] }),
  entity("contribution-recur", "civicrm_contribution_recur", {
    title: ["amount"],
    label: "recurring-contribution",
    created: "create_date",
    modified: ["modified_date"],
  }),
  entity("membership", "civicrm_membership", { title: ["source"] }),
  entity("event", "civicrm_event", {
    title: ["title"],
    ...stamps,
    archived: { column: "is_active", when: "false" },
  }),
  entity("participant", "civicrm_participant", { title: ["source"] }),
  entity("pledge", "civicrm_pledge", { title: ["amount"] }),
  entity("grant", "civicrm_grant", { title: ["amount_total"] }),
  entity("note", "civicrm_note", { title: ["subject"], ...stamps }),
  entity("relationship", "civicrm_relationship", {
    title: ["description"],
    ...stamps,
    archived: { column: "is_active", when: "false" },
  }),
  entity("group", "civicrm_group", { title: ["title"], archived: { column: "is_active", when: "false" } }),
  entity("mailing", "civicrm_mailing", {
    title: ["name"],
    label: "campaign",
    ...stamps,
    archived: { column: "is_archived", when: "true" },
  }),
  entity("campaign", "civicrm_campaign", {
    title: ["title"],
    created: "created_date",
    modified: ["last_modified_date"],
    archived: { column: "is_active", when: "false" },
  }),
  entity("survey", "civicrm_survey", {
    title: ["title"],
    created: "created_date",
    modified: ["last_modified_date"],
    archived: { column: "is_active", when: "false" },
  }),
  entity("file", "civicrm_file", { title: ["uri"], label: "attachment", created: "upload_date" }),
];

/** Words of `entity_table`: the tables whose rows may have notes, files, tags, lines and whatever else is kept so. */
const tables = [
  ...["contact", "activity", "case", "contribution", "contribution_recur", "contribution_page", "membership"],
  ...["event", "participant", "pledge", "grant", "note", "relationship", "group", "mailing", "campaign", "survey"],
  ...["pcp", "file", "address", "line_item", "financial_item", "financial_trxn", "custom_field", "msg_template"],
].map((name) => `civicrm_${name}`);

const pairs: readonly (readonly [string, Reference["kind"]])[] = [
  ...["note", "entity_file", "line_item", "log", "translation", "recurring_entity"].map(belongsTo),
  // Of money: what was booked goes with the contribution when that is deleted.
  ...["entity_financial_trxn", "financial_item"].map(belongsTo),
  // What somebody was reminded of: without it he is reminded again.
  ...["action_log"].map(belongsTo),
  // What a page for contributions, an event or a campaign is made of.
  ...["uf_join", "price_set_entity", "pledge_block", "premiums", "tell_friend", "discount", "pcp_block"].map(belongsTo),
  ...["entity_tag", "entity_batch", "campaign_group", "mailing_group"].map((name) => [name, "links"] as const),
];

function belongsTo(name: string): readonly [string, "belongs"] {
  return [name, "belongs"];
}

/** Of a contact. */
const contactParts = [
  ...["email", "phone", "address", "im", "website", "openid", "contribution", "membership", "participant", "pledge"],
  "action_log",
].map((table) => `civicrm_${table}.contact_id`);

/** Keys, declared or not, that say more than that they point there. */
const belongs: readonly (readonly [string, string])[] = [
  ["civicrm_participant.event_id", "civicrm_event.id"],
  // Whose membership somebody shares.
  ["civicrm_membership.owner_membership_id", "civicrm_membership.id"],
  ["civicrm_case_activity.case_id", "civicrm_case.id"],
  // A file does not say whose it is: it is a part of the row that does, as that is of the record. So are a case's activities, and payments.
  ["civicrm_file.id", "civicrm_entity_file.file_id"],
  ["civicrm_activity.id", "civicrm_case_activity.activity_id"],
  ["civicrm_financial_trxn.id", "civicrm_entity_financial_trxn.financial_trxn_id"],
];
const refers: readonly (readonly [string, string])[] = [
  ["civicrm_entity_file.file_id", "civicrm_file.id"],
  ["civicrm_case_activity.activity_id", "civicrm_activity.id"],
  ["civicrm_entity_financial_trxn.financial_trxn_id", "civicrm_financial_trxn.id"],
  ["civicrm_contribution_product.product_id", "civicrm_product.id"],
  ["civicrm_event.parent_event_id", "civicrm_event.id"],
  ["civicrm_pcp.pcp_block_id", "civicrm_pcp_block.id"],
];
const links: readonly (readonly [string, string])[] = [
  ["civicrm_activity_contact.activity_id", "civicrm_activity.id"],
  ["civicrm_activity_contact.contact_id", "civicrm_contact.id"],
  ["civicrm_activity_target.activity_id", "civicrm_activity.id"],
  ["civicrm_activity_target.target_contact_id", "civicrm_contact.id"],
  ["civicrm_activity_assignment.activity_id", "civicrm_activity.id"],
  ["civicrm_activity_assignment.assignee_contact_id", "civicrm_contact.id"],
  ["civicrm_relationship.contact_id_a", "civicrm_contact.id"],
  ["civicrm_relationship.contact_id_b", "civicrm_contact.id"],
  ["civicrm_relationship.case_id", "civicrm_case.id"],
  ["civicrm_dedupe_exception.contact_id1", "civicrm_contact.id"],
  ["civicrm_dedupe_exception.contact_id2", "civicrm_contact.id"],
  ["civicrm_group_contact.group_id", "civicrm_group.id"],
  ["civicrm_group_contact.contact_id", "civicrm_contact.id"],
  ["civicrm_case_contact.case_id", "civicrm_case.id"],
  ["civicrm_case_contact.contact_id", "civicrm_contact.id"],
  ["civicrm_membership_payment.membership_id", "civicrm_membership.id"],
  ["civicrm_membership_payment.contribution_id", "civicrm_contribution.id"],
  ["civicrm_entity_tag.tag_id", "civicrm_tag.id"],
  ["civicrm_entity_batch.batch_id", "civicrm_batch.id"],
  ["civicrm_campaign_group.campaign_id", "civicrm_campaign.id"],
  ["civicrm_mailing_group.mailing_id", "civicrm_mailing.id"],
  ["civicrm_uf_match.contact_id", "civicrm_contact.id"],
];

/** Words of `page_type` and `target_entity_type`. */
const pages = [
  ["contribute", "civicrm_contribution_page.id"],
  ["event", "civicrm_event.id"],
] as const;

export async function civicrmModel(source: ModelSource): Promise<CrmModel> {
  const custom = await customTables(source);
  // Of a group that holds several rows a record, each is a part of the record, and not more of its columns.
  const single = custom.filter(({ multiple }) => !multiple);
  const extended = (name: string, kinds: readonly string[]): readonly string[] =>
    single
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
  const entities = [
    ...contacts,
    ...others.map((one) => ({
      ...one,
      extensions: extended(extendable(one), []).map((text) => ({
        table: { name: text.slice(0, text.lastIndexOf(".")) },
        key: "entity_id",
      })),
    })),
  ];
  return inSchema(
    {
      entities,
      references: [
        ...pairs.flatMap(([table, kind]) => toAny(kind, `civicrm_${table}.entity_id`, "entity_table")),
        ...toAny("refers", "civicrm_recurring_entity.parent_id", "entity_table"),
        ...polymorphic("refers", "civicrm_pcp.page_id", "page_type", pages),
        ...polymorphic("refers", "civicrm_pcp_block.target_entity_id", "target_entity_type", pages),
        ...contactParts.map((from) => reference("belongs", from, "civicrm_contact.id")),
        ...belongs.map(([from, to]) => reference("belongs", from, to)),
        ...refers.map(([from, to]) => reference("refers", from, to)),
        ...links.map(([from, to]) => reference("links", from, to)),
        ...custom.flatMap(({ table, extends: what, multiple }) => {
          const owner = entities.find((one) => extendable(one) === what || (what === "Contact" && isContact(one)));
          const row = owner && multiple && reference("belongs", `${table}.entity_id`, `${owner.table.name}.id`);
          // A file in such a field is kept by the record that the field is of, under the name of the field's table.
          const file = reference("belongs", "civicrm_entity_file.entity_id", `${table}.entity_id`, {
            when: { column: "entity_table", equals: table },
          });
          return row ? [row, file] : [file];
        }),
      ],
      derived: [{ name: "civicrm_relationship_cache" }],
      personal: personalData(civicrmPersonal),
      noise: [
        ...noiseOf(
          ["contact", "activity", "case", "event", "note", "relationship", "mailing", "contribution_recur"].map(
            (name) => `civicrm_${name}`,
          ),
          ["modified_date", "hash"],
        ),
        ...noiseOf(["civicrm_group"], ["cache_date", "cache_fill_took", "refresh_date"]),
        ...noiseOf(["civicrm_job"], ["last_run", "last_run_end"]),
      ],
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

/** What `extends` of a group of custom fields calls records of this kind. */
function extendable({ name }: Entity): string {
  return name
    .split("-")
    .map((part) => part.charAt(0).toUpperCase() + part.slice(1))
    .join("");
}

function isContact({ table }: Entity): boolean {
  return table.name === "civicrm_contact";
}

/** A pair that may name a row of any of `tables`. */
function toAny(kind: Reference["kind"], from: string, typeColumn: string): readonly Reference[] {
  return polymorphic(
    kind,
    from,
    typeColumn,
    tables.map((name) => [name, `${name}.id`] as const),
  );
}

interface CustomTable {
  readonly id: string;
  readonly table: string;
  readonly extends: string;
  /** A record may have several rows in it. */
  readonly multiple: boolean;
}

async function customTables(source: ModelSource): Promise<readonly CustomTable[]> {
  const found: CustomTable[] = [];
  const columns = ["id", "table_name", "extends", "is_multiple"];
  for await (const [id = "", table, what, multiple] of source.rows({ name: "civicrm_custom_group" }, columns)) {
    if (table !== undefined && what !== undefined) {
      found.push({ id, table, extends: what, multiple: isTrue(multiple) });
    }
  }
  return found;
}
