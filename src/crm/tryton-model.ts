import type { CrmModel, Entity, ModelSource } from "./model.ts";
import { entity, inSchema, noiseOf, personalData, programWords, reference } from "./model-parts.ts";
import { trytonNobody, trytonPersonal, trytonProgram } from "./tryton-personal.ts";

/**
 * Tryton's tables. Foreign keys are declared (on PostgreSQL; on SQLite they are not, so they stand here too). `resource` and
 * the like hold a model's name and an id in one text, `party.party,1`; which models there are stands in `ir_model`.
 */
const stamps = { created: "create_date", modified: ["write_date", "create_date"] } as const;
const archive = { column: "active", when: "false" } as const;

const entities: readonly Entity[] = [
  entity("party", "party_party", { title: ["name"], label: "contact", ...stamps, archived: archive }),
  entity("address", "party_address", { title: ["party_name", "street", "city"], ...stamps, archived: archive }),
  entity("contact-mechanism", "party_contact_mechanism", { title: ["value"], ...stamps, archived: archive }),
  entity("opportunity", "sale_opportunity", { title: ["number", "description"], ...stamps }),
  entity("sale", "sale_sale", { title: ["number", "reference"], label: "order", ...stamps }),
  entity("invoice", "account_invoice", { title: ["number", "reference"], ...stamps }),
  entity("product", "product_template", { title: ["name"], ...stamps, archived: archive }),
  entity("project", "project_work", { title: ["name"], ...stamps, archived: archive }),
  entity("attachment", "ir_attachment", { title: ["name"], ...stamps }),
  entity("note", "ir_note", { title: ["message"], ...stamps }),
  entity("user", "res_user", { title: ["name"], ...stamps, archived: archive }),
];

const belongs: readonly (readonly [string, string])[] = [
  ["party_address.party", "party_party.id"],
  ["party_contact_mechanism.party", "party_party.id"],
  ["party_identifier.party", "party_party.id"],
  ["sale_opportunity_line.opportunity", "sale_opportunity.id"],
  ["sale_line.sale", "sale_sale.id"],
  ["account_invoice_line.invoice", "account_invoice.id"],
];

const refers: readonly (readonly [string, string])[] = [
  ["sale_opportunity.party", "party_party.id"],
  ["sale_opportunity.contact", "party_party.id"],
  ["sale_opportunity.address", "party_address.id"],
  ["sale_sale.party", "party_party.id"],
  ["account_invoice.party", "party_party.id"],
];

/** Columns with a model's name and an id. */
const resources = ["ir_attachment.resource", "ir_note.resource", "ir_email.resource"];

export async function trytonModel(source: ModelSource): Promise<CrmModel> {
  const names = new Set(source.tables.map(({ name }) => name));
  const models: { readonly model: string; readonly table: string }[] = [];
  /** A field names its model by its number, later by its name. */
  const byWord = new Map<string, string>();
  for await (const [id, model] of source.rows({ name: "ir_model" }, ["id", "model"])) {
    const table = model?.replaceAll(".", "_");
    if (id === undefined || model === undefined || table === undefined || !names.has(table)) continue;
    models.push({ model, table });
    byWord.set(id, table).set(model, table);
  }
  return inSchema(
    {
      entities,
      references: [
        ...belongs.map(([from, to]) => reference("belongs", from, to)),
        ...refers.map(([from, to]) => reference("refers", from, to)),
        reference("links", "party_category_rel.party", "party_party.id"),
        reference("links", "party_category_rel.category", "party_category.id"),
        ...resources.flatMap((from) =>
          models.map(({ model, table }) => reference("belongs", from, `${table}.id`, { prefix: `${model},` })),
        ),
      ],
      personal: [
        ...personalData(trytonPersonal, { nobody: trytonNobody }),
        ...programWords(source.tables, trytonProgram),
      ],
      noise: noiseOf(
        source.tables.map(({ name }) => name),
        ["write_date", "write_uid"],
      ),
      labels: [
        {
          from: { name: "ir_model_field" },
          columns: ["model", "name", "field_description"],
          tables: byWord,
          except: /^[a-z_]+\.msg_\w+$/,
        },
      ],
    },
    source.tables,
  );
}
