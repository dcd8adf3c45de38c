import type { TableSchema } from "../database/database.ts";
import type { CrmModel, Entity, ModelSource, PersonalData, Reference } from "./model.ts";
import { entity, inSchema, noiseOf, personalData, polymorphic, programWords, reference } from "./model-parts.ts";
import { odooNobody, odooPersonal, odooProgram } from "./odoo-personal.ts";

/**
 * Odoo's tables. Foreign keys are declared; pairs of a model's name and an id are not, and many. A model `res.partner` has
 * the table `res_partner`; which models there are stands in `ir_model`, and what their fields are in `ir_model_fields`. A table of
 * nothing but two foreign keys joins two.
 *
 * Looked up in the databases that Odoo 14.0 and 19.0 themselves make (Debian's packages, with 170 and 360 modules), and for
 * what is between and before them in the models of `odoo/odoo`.
 */
const stamps = { created: "create_date", modified: ["write_date", "create_date"] } as const;
const archive = { column: "active", when: "false" } as const;

const entities: readonly Entity[] = [
  entity("partner", "res_partner", { title: ["name"], label: "contact", ...stamps, archived: archive }),
  entity("lead", "crm_lead", {
    title: ["name"],
    ...stamps,
    archived: archive,
    where: { column: "type", equals: "lead" },
  }),
  entity("opportunity", "crm_lead", {
    title: ["name"],
    ...stamps,
    archived: archive,
    where: { column: "type", equals: "opportunity" },
  }),
  entity("activity", "mail_activity", { title: ["summary"], ...stamps, archived: archive }),
  entity("message", "mail_message", { title: ["subject"], label: "email", ...stamps }),
  entity("event", "calendar_event", { title: ["name"], ...stamps, archived: archive }),
  entity("sale-order", "sale_order", { title: ["name"], label: "order", ...stamps }),
  entity("purchase-order", "purchase_order", { title: ["name"], label: "supplier-order", ...stamps }),
  entity("invoice", "account_move", { title: ["name"], ...stamps }),
  entity("product", "product_template", { title: ["name"], ...stamps, archived: archive }),
  entity("project", "project_project", { title: ["name"], ...stamps, archived: archive }),
  entity("task", "project_task", { title: ["name"], ...stamps, archived: archive }),
  entity("ticket", "helpdesk_ticket", { title: ["name"], label: "case", ...stamps, archived: archive }),
  ...unnamed("employee", "hr_employee"),
  // Until 17 `name` is what they applied for.
  ...unnamed("applicant", "hr_applicant", ["partner_name", "name"]),
  ...unnamed("delivery", "stock_picking"),
  ...unnamed("mailing-contact", "mailing_contact"),
  entity("attachment", "ir_attachment", { title: ["name"], ...stamps }),
  entity("user", "res_users", { title: ["login"], ...stamps, archived: archive }),
];

/** For which there is no word of ours. */
function unnamed(name: string, table: string, title: readonly string[] = ["name"]): readonly Entity[] {
  const { label: _, ...made } = entity(name, table, { title, ...stamps, archived: archive });
  return [made];
}

/** Models whose tables are not called like them. */
const otherTables: Readonly<Record<string, string>> = {
  "ir.actions.actions": "ir_actions",
  "ir.actions.act_window": "ir_act_window",
  "ir.actions.act_window.view": "ir_act_window_view",
  "ir.actions.act_window_close": "ir_actions",
  "ir.actions.act_url": "ir_act_url",
  "ir.actions.server": "ir_act_server",
  "ir.actions.client": "ir_act_client",
  "ir.actions.report": "ir_act_report_xml",
  // Until 14; then `mail_notification`.
  "mail.notification": "mail_message_res_partner_needaction_rel",
  // Until 16; then `mailing.subscription`.
  "mailing.contact.subscription": "mailing_contact_list_rel",
  "project.task.stage.personal": "project_task_user_rel",
};

/** Columns that name a record by its model, in another column, and its number; mostly they are a part of it. */
const pairs: readonly (readonly [from: string, type: string, kind: Reference["kind"]])[] = [
  ["mail_message.res_id", "model", "belongs"],
  ["mail_activity.res_id", "res_model", "belongs"],
  ["ir_attachment.res_id", "res_model", "belongs"],
  ["mail_followers.res_id", "res_model", "belongs"],
  ["rating_rating.res_id", "res_model", "belongs"],
  ["rating_rating.parent_res_id", "parent_res_model", "refers"],
  ["mail_scheduled_message.res_id", "model", "belongs"],
  ["mailing_trace.res_id", "model", "belongs"],
  ["snailmail_letter.res_id", "model", "belongs"],
  // The names by which modules and imports know a record.
  ["ir_model_data.res_id", "model", "belongs"],
  ["calendar_event.res_id", "res_model", "refers"],
  ["res_users_settings_embedded_action.res_id", "res_model", "belongs"],
  ["ir_embedded_actions.parent_res_id", "parent_res_model", "refers"],
  ["data_recycle_record.res_id", "res_model_name", "refers"],
  // Points of a loyalty card come from an order.
  ["loyalty_history.order_id", "order_model", "refers"],
  ["ir_act_window.res_id", "res_model", "refers"],
];

/** The same where the other column has the number that the model has in `ir_model`. */
const numbered: readonly (readonly [from: string, model: string])[] = [
  ["mail_alias.alias_parent_thread_id", "alias_parent_model_id"],
  ["mail_alias.alias_force_thread_id", "alias_model_id"],
  // Until 15.
  ["payment_transaction.callback_res_id", "callback_model_id"],
];

/** Columns that hold both in one text: `res.partner,5`. Until 17, values that differ by company are kept so. */
const texts: readonly (readonly [from: string, kind: Reference["kind"]])[] = [
  ["ir_property.res_id", "belongs"],
  ["ir_property.value_reference", "refers"],
];

/** Keys of what is a part of a record, though Odoo would leave it there without. */
const declared: readonly Reference[] = [
  reference("belongs", "sale_order_line.order_id", "sale_order.id"),
  reference("belongs", "account_move_line.move_id", "account_move.id"),
  reference("belongs", "res_partner.parent_id", "res_partner.id"),
  reference("belongs", "calendar_attendee.event_id", "calendar_event.id"),
  reference("belongs", "product_product.product_tmpl_id", "product_template.id"),
  reference("belongs", "mail_notification.mail_message_id", "mail_message.id"),
  reference("belongs", "mail_tracking_value.mail_message_id", "mail_message.id"),
  reference("belongs", "mail_mail.mail_message_id", "mail_message.id"),
  reference("belongs", "mail_message_reaction.message_id", "mail_message.id"),
  reference("belongs", "sale_order_option.order_id", "sale_order.id"),
  reference("belongs", "purchase_order_line.order_id", "purchase_order.id"),
  reference("belongs", "stock_move.picking_id", "stock_picking.id"),
  reference("belongs", "stock_move_line.picking_id", "stock_picking.id"),
  reference("belongs", "res_partner_bank.partner_id", "res_partner.id"),
  reference("belongs", "product_supplierinfo.product_tmpl_id", "product_template.id"),
  reference("belongs", "project_milestone.project_id", "project_project.id"),
  reference("belongs", "project_task_user_rel.task_id", "project_task.id"),
  // From 19 on: what was agreed with an employee, and where they live, since when.
  reference("belongs", "hr_version.employee_id", "hr_employee.id"),
];

export async function odooModel(source: ModelSource): Promise<CrmModel> {
  const names = new Set(source.tables.map(({ name }) => name));
  const places = new Map<string, string>();
  const numbers = new Map<string, string>();
  for await (const [id, model = ""] of source.rows({ name: "ir_model" }, ["id", "model"])) {
    const place = [model.replaceAll(".", "_"), otherTables[model]].find((one) => one !== undefined && names.has(one));
    if (place === undefined) continue;
    places.set(model, place);
    if (id !== undefined) numbers.set(id, `${place}.id`);
  }
  const targets = [...places].map(([model, table]) => [model, `${table}.id`] as const);
  const prefixed = (from: string, kind: Reference["kind"]): readonly Reference[] =>
    targets.map(([model, to]) => reference(kind, from, to, { prefix: `${model},` }));
  const fields = await Array.fromAsync(fieldsOf(source, places));
  return inSchema(
    {
      entities,
      references: [
        ...pairs.flatMap(([from, type, kind]) => polymorphic(kind, from, type, targets)),
        ...numbered.flatMap(([from, type]) => polymorphic("refers", from, type, numbers)),
        ...texts.flatMap(([from, kind]) => prefixed(from, kind)),
        ...declared,
        ...fields.flatMap((one) => ofField(one, places, prefixed)),
        ...source.tables.flatMap(ofRecords),
        ...source.tables.flatMap(joins),
      ],
      personal: merged([
        ...personalData(odooPersonal, { nobody: odooNobody }),
        ...programWords(source.tables, odooProgram),
        ...fields.flatMap(ofWords),
      ]).map((one) => inLanguages(one, source.tables)),
      noise: [
        ...noiseOf(
          source.tables.map(({ name }) => name),
          ["write_date", "write_uid"],
        ),
        ...noiseOf(
          entities.map(({ table }) => table.name),
          [
            "message_main_attachment_id",
            // Its calendars, its guess of what becomes of a lead, and what it opens to whom a link is sent.
            ...["calendar_last_notif_ack", "need_sync", "need_sync_m", "automated_probability", "access_token"],
          ],
        ),
        // What a scheduled action has done, and when a mailbox was looked into.
        ...noiseOf(["ir_cron"], ["lastcall", "nextcall", "numbercall", "failure_count", "first_failure_date"]),
        ...noiseOf(["fetchmail_server"], ["date", "error_date", "error_message"]),
      ],
      labels: [
        {
          from: { name: "ir_model_fields" },
          columns: ["model", "name", "field_description"],
          tables: places,
        },
      ],
    },
    source.tables,
  );
}

interface Field {
  readonly model: string;
  readonly table: string;
  readonly name: string;
  readonly type: string | undefined;
  readonly relation: string | undefined;
  readonly onDelete: string | undefined;
  readonly isTranslated: boolean;
}

async function* fieldsOf(source: ModelSource, places: ReadonlyMap<string, string>): AsyncGenerator<Field> {
  const columns = ["model", "name", "ttype", "relation", "on_delete", "translate"];
  // Until 17 it says whether a field is translated, then how.
  for await (const [model = "", name, type, relation, onDelete, translate = "f"] of source.rows(
    { name: "ir_model_fields" },
    columns,
  )) {
    const table = places.get(model);
    if (table === undefined || name === undefined) continue;
    yield { model, table, name, type, relation, onDelete, isTranslated: !/^(?:f|false)$/i.test(translate) };
  }
}

/**
 * What Odoo deletes along with a record is a part of it; what it only forbids to delete, or empties, merely points there.
 * Until 15, translations lie in a table, and name a record by its field.
 */
function ofField(
  { model, table, name, type, relation = "", onDelete, isTranslated }: Field,
  places: ReadonlyMap<string, string>,
  prefixed: (from: string, kind: Reference["kind"]) => readonly Reference[],
): readonly Reference[] {
  if (type === "reference") return prefixed(`${table}.${name}`, "refers");
  if (isTranslated)
    return [
      reference("belongs", "ir_translation.res_id", `${table}.id`, {
        when: { column: "name", equals: `${model},${name}` },
      }),
    ];
  const to = places.get(relation);
  if (type !== "many2one" || to === undefined || onDelete === undefined) return [];
  return [reference(onDelete === "cascade" ? "belongs" : "refers", `${table}.${name}`, `${to}.id`)];
}

/**
 * What a field may be chosen from are words of the program, whatever the field is called: `ticket_portal_url_display_mode`. What
 * is said in several languages is said by a company, to all; somebody may be named in it.
 */
function ofWords({ table, name, type, isTranslated }: Field): readonly PersonalData[] {
  const kind = type === "selection" ? "keep" : isTranslated ? "mentions" : undefined;
  return kind === undefined ? [] : [{ table: { name: table }, columns: { [name]: kind } }];
}

/**
 * From 16 on a column of JSON has a text for each language, from 18 on others have one for each company: in place of them is
 * nothing, since Odoo could not add to a single text.
 */
function inLanguages(one: PersonalData, tables: readonly TableSchema[]): PersonalData {
  const table = tables.find(({ name }) => name === one.table.name);
  const several = new Set(table?.columns.flatMap(({ name, type }) => (/json/i.test(type) ? [name] : [])));
  const columns = Object.entries(one.columns).map(([name, kind]) => {
    const stays = kind === "keep" || kind === "mentions" || !several.has(name);
    return [name, stays ? kind : "empty"] as const;
  });
  return { ...one, columns: Object.fromEntries(columns) };
}

/** One for each table; of what is said twice, what is said first. */
function merged(personal: readonly PersonalData[]): readonly PersonalData[] {
  const byTable = new Map<string, PersonalData>();
  for (const one of personal) {
    const before = byTable.get(one.table.name);
    byTable.set(one.table.name, before ? { ...before, columns: { ...one.columns, ...before.columns } } : one);
  }
  return [...byTable.values()];
}

/**
 * A record of its own is no part of another, though it cannot be without it: an order of its customer, anything of its company.
 * What is said before goes before this.
 */
function ofRecords(table: TableSchema): readonly Reference[] {
  if (!entities.some((one) => one.table.name === table.name)) return [];
  return table.foreignKeys.map(({ columns, table: to, referenced }) => ({
    from: { name: table.name },
    columns,
    to: { name: to },
    referenced: referenced.length > 0 ? referenced : ["id"],
    kind: "refers",
  }));
}

/** A table of nothing but two foreign keys. */
function joins(table: TableSchema): readonly Reference[] {
  if (table.foreignKeys.length !== 2 || table.columns.length !== 2) return [];
  return table.foreignKeys.map(({ columns, table: to, referenced }) => ({
    from: { name: table.name },
    columns,
    to: { name: to },
    referenced,
    kind: "links",
  }));
}
