import type { TableSchema } from "../database/database.ts";
import type { CrmModel, Entity, ModelSource, Reference } from "./model.ts";
import { entity, inSchema, noiseOf, personalData, polymorphic, programWords, reference } from "./model-parts.ts";
import { odooNobody, odooPersonal, odooProgram } from "./odoo-personal.ts";

/**
 * Odoo's tables. Foreign keys are declared; pairs of a model's name and an id are not, and many. A model `res.partner` has
 * the table `res_partner`; which models there are stands in `ir_model`. A table that ends in `_rel` joins two.
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
  entity("activity", "mail_activity", { title: ["summary"], ...stamps }),
  entity("message", "mail_message", { title: ["subject"], label: "email", ...stamps }),
  entity("event", "calendar_event", { title: ["name"], ...stamps, archived: archive }),
  entity("sale-order", "sale_order", { title: ["name"], label: "order", ...stamps }),
  entity("invoice", "account_move", { title: ["name"], ...stamps }),
  entity("product", "product_template", { title: ["name"], ...stamps, archived: archive }),
  entity("project", "project_project", { title: ["name"], ...stamps, archived: archive }),
  entity("task", "project_task", { title: ["name"], ...stamps, archived: archive }),
  entity("ticket", "helpdesk_ticket", { title: ["name"], label: "case", ...stamps, archived: archive }),
  entity("attachment", "ir_attachment", { title: ["name"], ...stamps }),
  entity("user", "res_users", { title: ["login"], ...stamps, archived: archive }),
];

/** Pairs that are a part of the record that they name. */
const pairs: readonly (readonly [from: string, type: string, kind: Reference["kind"]])[] = [
  ["mail_message.res_id", "model", "belongs"],
  ["mail_activity.res_id", "res_model", "belongs"],
  ["ir_attachment.res_id", "res_model", "belongs"],
  ["mail_followers.res_id", "res_model", "belongs"],
  ["rating_rating.res_id", "res_model", "belongs"],
  ["calendar_event.res_id", "res_model", "refers"],
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
        ...declared,
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

/** A table of nothing but two foreign keys. */
function joins(table: TableSchema): readonly Reference[] {
  if (!table.name.endsWith("_rel") || table.foreignKeys.length !== 2 || table.columns.length !== 2) return [];
  return table.foreignKeys.map(({ columns, table: to, referenced }) => ({
    from: { name: table.name },
    columns,
    to: { name: to },
    referenced,
    kind: "links",
  }));
}
