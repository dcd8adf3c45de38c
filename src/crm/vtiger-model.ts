import type { CrmModel, Entity, ModelSource, Reference } from "./model.ts";
import { entity, inSchema, lackingIn, noiseOf, personalData, reference } from "./model-parts.ts";
import { vtigerLabels } from "./vtiger-labels.ts";
import { vtigerNobody, vtigerPersonal } from "./vtiger-personal.ts";

/**
 * Vtiger's tables. `vtiger_crmentity` has one row for each record of any module, with its times and its mark for deleted;
 * which table a module keeps its records in, by which column, and which columns name one, stands in `vtiger_entityname`, so
 * it is read from there. More columns of the same record lie in tables that begin with the module's.
 */
const base = "vtiger_crmentity";

const labels: Readonly<Record<string, readonly [name: string, label: string]>> = {
  Accounts: ["account", "company"],
  Contacts: ["contact", "contact"],
  Leads: ["lead", "lead"],
  Potentials: ["opportunity", "opportunity"],
  HelpDesk: ["ticket", "case"],
  Calendar: ["activity", "activity"],
  Events: ["event", "event"],
  Documents: ["document", "document"],
  Emails: ["email", "email"],
  Products: ["product", "product"],
  Services: ["service", "product"],
  Quotes: ["quote", "quote"],
  SalesOrder: ["sales-order", "order"],
  PurchaseOrder: ["purchase-order", "supplier-order"],
  Invoice: ["invoice", "invoice"],
  Vendors: ["vendor", "supplier"],
  Campaigns: ["campaign", "campaign"],
  ModComments: ["comment", "note"],
  Project: ["project", "project"],
  ProjectTask: ["project-task", "project-task"],
  ServiceContracts: ["contract", "contract"],
};

/** Columns of the same record, where the table is not named like the module's own. */
const more: Readonly<Record<string, readonly string[]>> = {
  vtiger_account: [
    "vtiger_accountbillads.accountaddressid",
    "vtiger_accountshipads.accountaddressid",
    "vtiger_accountscf.accountid",
  ],
  vtiger_contactdetails: [
    "vtiger_contactaddress.contactaddressid",
    "vtiger_contactsubdetails.contactsubscriptionid",
    "vtiger_contactscf.contactid",
    "vtiger_customerdetails.customerid",
  ],
  vtiger_leaddetails: [
    "vtiger_leadaddress.leadaddressid",
    "vtiger_leadsubdetails.leadsubscriptionid",
    "vtiger_leadscf.leadid",
  ],
  vtiger_potential: ["vtiger_potentialscf.potentialid"],
  vtiger_troubletickets: ["vtiger_ticketcf.ticketid"],
  vtiger_activity: ["vtiger_activitycf.activityid"],
  vtiger_notes: ["vtiger_notescf.notesid"],
  vtiger_products: ["vtiger_productcf.productid"],
  vtiger_invoice: [
    "vtiger_invoicecf.invoiceid",
    "vtiger_invoicebillads.invoicebilladdressid",
    "vtiger_invoiceshipads.invoiceshipaddressid",
  ],
  vtiger_quotes: [
    "vtiger_quotescf.quoteid",
    "vtiger_quotesbillads.quotebilladdressid",
    "vtiger_quotesshipads.quoteshipaddressid",
  ],
};

/** Each of these ends is the id of a record of whichever module. */
const records: readonly (readonly [Reference["kind"], string])[] = [
  ["links", "vtiger_crmentityrel.crmid"],
  ["links", "vtiger_crmentityrel.relcrmid"],
  ["links", "vtiger_seactivityrel.crmid"],
  ["links", "vtiger_seactivityrel.activityid"],
  ["links", "vtiger_cntactivityrel.contactid"],
  ["links", "vtiger_cntactivityrel.activityid"],
  ["links", "vtiger_senotesrel.crmid"],
  ["links", "vtiger_senotesrel.notesid"],
  ["links", "vtiger_seattachmentsrel.crmid"],
  ["links", "vtiger_contpotentialrel.contactid"],
  ["links", "vtiger_contpotentialrel.potentialid"],
  ["links", "vtiger_seproductsrel.crmid"],
  ["links", "vtiger_seproductsrel.productid"],
  ["links", "vtiger_campaigncontrel.campaignid"],
  ["links", "vtiger_campaigncontrel.contactid"],
  ["links", "vtiger_campaignleadrel.campaignid"],
  ["links", "vtiger_campaignleadrel.leadid"],
  ["belongs", "vtiger_modcomments.related_to"],
  ["belongs", "vtiger_inventoryproductrel.id"],
  ["refers", "vtiger_contactdetails.accountid"],
  ["refers", "vtiger_potential.related_to"],
  ["refers", "vtiger_potential.contact_id"],
  ["refers", "vtiger_troubletickets.parent_id"],
  ["refers", "vtiger_troubletickets.contact_id"],
  ["refers", "vtiger_account.parentid"],
  ["refers", "vtiger_invoice.accountid"],
  ["refers", "vtiger_quotes.accountid"],
  ["refers", "vtiger_inventoryproductrel.productid"],
];

export async function vtigerModel(source: ModelSource): Promise<CrmModel> {
  const entities: Entity[] = [];
  const modulesOf = new Map<string, readonly string[]>([["vtiger_users", ["Users"]]]);
  const columns = ["modulename", "tablename", "fieldname", "entityidfield"];
  const lacks = lackingIn(source.tables);
  for await (const [module, table, fields, id] of source.rows({ name: "vtiger_entityname" }, columns)) {
    if (module === undefined || table === undefined || id === undefined || lacks({ name: table }, id)) continue;
    const [name, label] = labels[module] ?? [module.toLowerCase().replaceAll(/[^\p{L}\p{N}]+/gu, "-"), undefined];
    if (entities.some((one) => one.name === name)) continue;
    const made = entity(name, table, {
      title: (fields ?? "").split(",").map((field) => field.trim()),
      extensions: [`${base}.crmid`, ...(more[table] ?? [`${table}cf.${id}`])],
      created: `${base}.createdtime`,
      modified: [`${base}.modifiedtime`],
      deleted: { column: `${base}.deleted`, when: "true" },
    });
    for (const one of [made.table, ...made.extensions.map((extension) => extension.table)]) {
      if (one.name !== base) modulesOf.set(one.name, [...(modulesOf.get(one.name) ?? []), module]);
    }
    const { label: _, ...bare } = made;
    entities.push(label === undefined ? bare : { ...made, label });
  }
  entities.push(entity("user", "vtiger_users", { title: ["first_name", "last_name"] }));
  return inSchema(
    {
      entities,
      references: [
        ...records.map(([kind, from]) => reference(kind, from, `${base}.crmid`)),
        reference("links", "vtiger_seattachmentsrel.attachmentsid", "vtiger_attachments.attachmentsid"),
        reference("refers", "vtiger_attachments.attachmentsid", `${base}.crmid`),
        reference("refers", `${base}.smownerid`, "vtiger_users.id"),
      ],
      personal: personalData(vtigerPersonal, { nobody: vtigerNobody }),
      noise: noiseOf([base], ["modifiedtime", "modifiedby", "viewedtime"]),
      labels: [
        {
          from: { name: "vtiger_field" },
          columns: ["tablename", "columnname", "fieldlabel"],
          tables: new Map(source.tables.map(({ name }) => [name, name])),
        },
      ],
      fileLabels: vtigerLabels(source.files, modulesOf),
    },
    source.tables,
  );
}
