import type { TableSchema } from "../database/database.ts";
import type { CrmModel, Entity, ModelSource, Reference } from "./model.ts";
import { entity, inSchema, noiseOf, personalData, polymorphic, programWords, reference } from "./model-parts.ts";
import { odooNobody, odooPersonal, odooProgram } from "./odoo-personal.ts";

/**
 * Odoo's tables. Foreign keys are declared; pairs of a model's name and an id are not, and many. A model `res.partner` has
 * the table `res_partner`; which models there are stands in `ir_model`. A table of nothing but two foreign keys joins two.
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
  ...unnamed("applicant", "hr_applicant"),
  ...unnamed("delivery", "stock_picking"),
  ...unnamed("mailing-contact", "mailing_contact"),
  entity("attachment", "ir_attachment", { title: ["name"], ...stamps }),
  entity("user", "res_users", { title: ["login"], ...stamps, archived: archive }),
];

/** For which there is no word of ours. */
function unnamed(name: string, table: string): readonly Entity[] {
  const { label: _, ...made } = entity(name, table, { title: ["name"], ...stamps, archived: archive });
  return [made];
}

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
];

/** Columns that hold both in one text: `res.partner,5`. Until 17, values that differ by company are kept so. */
const texts: readonly (readonly [from: string, kind: Reference["kind"]])[] = [
  ["ir_property.res_id", "belongs"],
  ["ir_property.value_reference", "refers"],
];

/** Declared keys that say more than that they point there. */
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
];

export async function odooModel(source: ModelSource): Promise<CrmModel> {
  const names = new Set(source.tables.map(({ name }) => name));
  const targets = new Map<string, string>();
  for await (const [model] of source.rows({ name: "ir_model" }, ["model"])) {
    const table = model?.replaceAll(".", "_");
    if (model !== undefined && table !== undefined && names.has(table)) targets.set(model, `${table}.id`);
  }
  return inSchema(
    {
      entities,
      references: [
        ...pairs.flatMap(([from, type, kind]) => polymorphic(kind, from, type, targets)),
        ...texts.flatMap(([from, kind]) =>
          [...targets].map(([model, to]) => reference(kind, from, to, { prefix: `${model},` })),
        ),
        ...declared,
        ...source.tables.flatMap(ofRecords),
        ...source.tables.flatMap(joins),
      ],
      personal: [...personalData(odooPersonal, { nobody: odooNobody }), ...programWords(source.tables, odooProgram)],
      noise: noiseOf(
        entities.map(({ table }) => table.name),
        ["write_date", "write_uid", "message_main_attachment_id"],
      ),
      labels: [
        {
          from: { name: "ir_model_fields" },
          columns: ["model", "name", "field_description"],
          tables: new Map([...targets.keys()].map((model) => [model, model.replaceAll(".", "_")])),
        },
      ],
    },
    source.tables,
  );
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
