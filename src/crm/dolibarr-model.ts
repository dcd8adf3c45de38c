import type { TableSchema } from "../database/database.ts";
import type { CrmModel, Entity, ModelSource } from "./model.ts";
import { dolibarrPersonal } from "./dolibarr-personal.ts";
import { entity, inSchema, noiseOf, personalData, polymorphic, reference } from "./model-parts.ts";

/**
 * Dolibarr's tables, whatever stands before their names (`llx_`). Many foreign keys are declared, not all: lines of
 * documents, contacts of an object, events, files and links between objects are told by columns. Extra fields lie in
 * `<table>_extrafields`. Rows are deleted for good.
 */
interface Known {
  readonly name: string;
  readonly table: string;
  readonly title: readonly string[];
  readonly label?: string;
  /** The word for it where a pair of columns names one. */
  readonly word?: string;
  readonly key?: string;
  readonly created?: string;
  readonly archived?: { readonly column: string; readonly when: "true" | "false" };
}

const known: readonly Known[] = [
  { name: "thirdparty", table: "societe", title: ["nom"], label: "company", word: "societe" },
  { name: "contact", table: "socpeople", title: ["firstname", "lastname"], word: "contact" },
  { name: "proposal", table: "propal", title: ["ref"], label: "quote", word: "propal" },
  { name: "order", table: "commande", title: ["ref"], word: "commande", created: "date_creation" },
  // Version 9 and older call it `facnumber`.
  { name: "invoice", table: "facture", title: ["ref", "facnumber"], word: "facture" },
  {
    name: "supplier-order",
    table: "commande_fournisseur",
    title: ["ref"],
    word: "order_supplier",
    created: "date_creation",
  },
  { name: "supplier-invoice", table: "facture_fourn", title: ["ref"], word: "invoice_supplier" },
  { name: "contract", table: "contrat", title: ["ref"], word: "contrat" },
  { name: "intervention", table: "fichinter", title: ["ref"], label: "case", word: "fichinter" },
  { name: "project", table: "projet", title: ["ref", "title"], word: "project" },
  { name: "task", table: "projet_task", title: ["ref", "label"], word: "project_task" },
  { name: "event", table: "actioncomm", title: ["label"], word: "action", key: "id" },
  { name: "product", table: "product", title: ["ref", "label"], word: "product" },
  { name: "member", table: "adherent", title: ["firstname", "lastname"], label: "contact", word: "member" },
  { name: "ticket", table: "ticket", title: ["ref", "subject"], label: "case", word: "ticket" },
  { name: "file", table: "ecm_files", title: ["filepath", "filename"], label: "attachment", created: "date_c" },
  { name: "user", table: "user", title: ["firstname", "lastname"], word: "user" },
];

/** Lines and other parts of a document. */
const belongs: readonly (readonly [string, string])[] = [
  ["propaldet.fk_propal", "propal"],
  ["commandedet.fk_commande", "commande"],
  ["facturedet.fk_facture", "facture"],
  ["commande_fournisseurdet.fk_commande", "commande_fournisseur"],
  ["facture_fourn_det.fk_facture_fourn", "facture_fourn"],
  ["contratdet.fk_contrat", "contrat"],
  ["fichinterdet.fk_fichinter", "fichinter"],
  ["projet_task.fk_projet", "projet"],
  ["societe_rib.fk_soc", "societe"],
  ["societe_remise_except.fk_soc", "societe"],
  ["socpeople.fk_soc", "societe"],
];

const refers: readonly (readonly [string, string])[] = [
  ["propal.fk_soc", "societe"],
  ["commande.fk_soc", "societe"],
  ["facture.fk_soc", "societe"],
  ["commande_fournisseur.fk_soc", "societe"],
  ["facture_fourn.fk_soc", "societe"],
  ["contrat.fk_soc", "societe"],
  ["fichinter.fk_soc", "societe"],
  ["projet.fk_soc", "societe"],
  ["actioncomm.fk_soc", "societe"],
  ["actioncomm.fk_contact", "socpeople"],
  ["societe.parent", "societe"],
];

const links: readonly (readonly [string, string])[] = [
  ["actioncomm_resources.fk_actioncomm", "actioncomm"],
  ["societe_commerciaux.fk_soc", "societe"],
  ["societe_commerciaux.fk_user", "user"],
  ["categorie_societe.fk_soc", "societe"],
  ["categorie_contact.fk_socpeople", "socpeople"],
  ["categorie_product.fk_product", "product"],
  ["paiement_facture.fk_facture", "facture"],
];

export async function dolibarrModel(source: ModelSource): Promise<CrmModel> {
  const { tables } = source;
  const prefix = prefixOf(tables);
  const types = await contactTypes(source, prefix);
  const key = (table: string): string =>
    `${prefix}${table}.${known.find((one) => one.table === table)?.key ?? "rowid"}`;
  const words = known.flatMap(({ word, table }) => (word === undefined ? [] : [[word, key(table)] as const]));
  const written = (kind: "belongs" | "refers" | "links", list: typeof belongs) =>
    list.map(([from, to]) => reference(kind, prefix + from, key(to)));
  return inSchema(
    {
      entities: known.map((one) => entityOf(prefix, one)),
      references: [
        ...written("belongs", belongs),
        ...written("refers", refers),
        ...written("links", links),
        ...polymorphic("belongs", `${prefix}actioncomm.fk_element`, "elementtype", words),
        // Who takes part in an event.
        ...polymorphic("links", `${prefix}actioncomm_resources.fk_element`, "element_type", [
          ["user", key("user")],
          ["socpeople", key("socpeople")],
        ]),
        ...polymorphic("belongs", `${prefix}comment.fk_element`, "element_type", words),
        ...polymorphic("belongs", `${prefix}links.objectid`, "objecttype", words),
        ...polymorphic("links", `${prefix}element_element.fk_source`, "sourcetype", words),
        ...polymorphic("links", `${prefix}element_element.fk_target`, "targettype", words),
        // Whose contact it is, and who: the type of a contact says it, by its key.
        ...polymorphic(
          "links",
          `${prefix}element_contact.element_id`,
          "fk_c_type_contact",
          types.flatMap(({ id, element }) => {
            const [, to] = words.find(([word]) => word === (element === "agenda" ? "action" : element)) ?? [];
            return to === undefined ? [] : [[id, to] as const];
          }),
        ),
        ...polymorphic(
          "links",
          `${prefix}element_contact.fk_socpeople`,
          "fk_c_type_contact",
          types.map(({ id, isUser }) => [id, key(isUser ? "user" : "socpeople")] as const),
        ),
        ...polymorphic("belongs", `${prefix}ecm_files.src_object_id`, "src_object_type", words),
      ],
      noise: noiseOf(
        known.map(({ table }) => prefix + table),
        ["tms", "fk_user_modif"],
      ),
      personal: personalData(dolibarrPersonal, { prefix }),
      labels: [
        {
          from: { name: `${prefix}extrafields` },
          columns: ["elementtype", "name", "label"],
          tables: new Map(known.map(({ table }) => [table, `${prefix}${table}_extrafields`])),
        },
      ],
    },
    tables,
  );
}

interface ContactType {
  readonly id: string;
  /** The word of what it is a contact of. */
  readonly element: string;
  /** One of the company's own users, and no contact. */
  readonly isUser: boolean;
}

/** `c_type_contact` is a list that modules and people add to. */
async function contactTypes(source: ModelSource, prefix: string): Promise<readonly ContactType[]> {
  const found: ContactType[] = [];
  const table = { name: `${prefix}c_type_contact` };
  for await (const [id, element = "", from] of source.rows(table, ["rowid", "element", "source"])) {
    if (id !== undefined) found.push({ id, element, isUser: from === "internal" });
  }
  return found;
}

function entityOf(prefix: string, { name, table, title, label, created = "datec", archived }: Known): Entity {
  return entity(name, prefix + table, {
    title,
    ...(label !== undefined && { label }),
    extensions: [`${prefix}${table}_extrafields.fk_object`],
    created,
    modified: ["tms"],
    ...(archived && { archived }),
  });
}

/** What stands before the name of the table of third parties. */
function prefixOf(tables: readonly TableSchema[]): string {
  const names = new Set(tables.map(({ name }) => name));
  return (
    [...names]
      .flatMap((name) => /^(\w*?)societe$/.exec(name)?.[1] ?? [])
      .find((prefix) => names.has(`${prefix}socpeople`)) ?? "llx_"
  );
}
