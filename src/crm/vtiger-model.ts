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

/** Modules that keep their records in one table, told apart by `activitytype`: what is neither of these is an event. */
const kindsOfActivity: Readonly<Record<string, string>> = { Calendar: "Task", Emails: "Emails" };

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
    "vtiger_portalinfo.id",
  ],
  vtiger_leaddetails: [
    "vtiger_leadaddress.leadaddressid",
    "vtiger_leadsubdetails.leadsubscriptionid",
    "vtiger_leadscf.leadid",
  ],
  vtiger_potential: ["vtiger_potentialscf.potentialid"],
  vtiger_troubletickets: ["vtiger_ticketcf.ticketid"],
  vtiger_activity: ["vtiger_activitycf.activityid", "vtiger_emaildetails.emailid"],
  vtiger_notes: ["vtiger_notescf.notesid"],
  vtiger_products: ["vtiger_productcf.productid"],
  vtiger_campaign: ["vtiger_campaignscf.campaignid"],
  vtiger_faq: ["vtiger_faqcf.faqid"],
  vtiger_salesorder: [
    "vtiger_salesordercf.salesorderid",
    "vtiger_sobillads.sobilladdressid",
    "vtiger_soshipads.soshipaddressid",
    "vtiger_invoice_recurring_info.salesorderid",
  ],
  vtiger_purchaseorder: [
    "vtiger_purchaseordercf.purchaseorderid",
    "vtiger_pobillads.pobilladdressid",
    "vtiger_poshipads.poshipaddressid",
  ],
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

/** Each of these ends is the id of a record of whichever module: by table, its columns. */
const records: Readonly<Record<Reference["kind"], Readonly<Record<string, string>>>> = {
  links: {
    vtiger_crmentityrel: "crmid relcrmid",
    vtiger_seactivityrel: "crmid activityid",
    vtiger_cntactivityrel: "contactid activityid",
    vtiger_senotesrel: "crmid notesid",
    vtiger_contpotentialrel: "contactid potentialid",
    vtiger_seproductsrel: "crmid productid",
    vtiger_seticketsrel: "crmid ticketid",
    vtiger_vendorcontactrel: "vendorid contactid",
    vtiger_pricebookproductrel: "pricebookid productid",
    vtiger_campaigncontrel: "campaignid contactid",
    vtiger_campaignleadrel: "campaignid leadid",
    vtiger_campaignaccountrel: "campaignid accountid",
    vtiger_freetagged_objects: "object_id",
  },
  belongs: {
    vtiger_seattachmentsrel: "crmid",
    vtiger_modcomments: "related_to",
    vtiger_ticketcomments: "ticketid",
    vtiger_faqcomments: "faqid",
    vtiger_inventoryproductrel: "id",
    vtiger_inventorysubproductrel: "id",
    vtiger_inventoryshippingrel: "id",
    vtiger_inventorychargesrel: "recordid",
    vtiger_producttaxrel: "productid",
    vtiger_productcurrencyrel: "productid",
    vtiger_projecttask: "projectid",
    vtiger_projectmilestone: "projectid",
    vtiger_activity_reminder: "activity_id",
    vtiger_activity_reminder_popup: "recordid",
    vtiger_recurringevents: "activityid",
    vtiger_invitees: "activityid",
    vtiger_modtracker_basic: "crmid",
    vtiger_email_track: "mailid",
    vtiger_email_access: "mailid",
    vtiger_emailslookup: "crmid",
    vtiger_pbxmanager_phonelookup: "crmid",
    vtiger_smsnotifier_status: "smsnotifierid",
    vtiger_potstagehistory: "potentialid",
    vtiger_quotestagehistory: "quoteid",
    vtiger_sostatushistory: "salesorderid",
    vtiger_postatushistory: "purchaseorderid",
    vtiger_invoicestatushistory: "invoiceid",
    vtiger_crmentity_user_field: "recordid",
    vtiger_relatedlists_rb: "entityid",
    // Which workflow has done what it does once.
    com_vtiger_workflow_activatedonce: "entity_id",
    vtiger_ticketstracktime: "ticket_id",
  },
  refers: {
    vtiger_account: "parentid",
    vtiger_contactdetails: "accountid reportsto",
    vtiger_potential: "related_to contact_id campaignid",
    vtiger_troubletickets: "parent_id contact_id product_id",
    vtiger_quotes: "accountid contactid potentialid",
    vtiger_salesorder: "accountid contactid potentialid quoteid",
    vtiger_purchaseorder: "vendorid contactid quoteid accountid",
    vtiger_invoice: "accountid contactid salesorderid potential_id",
    vtiger_products: "vendor_id",
    vtiger_campaign: "product_id",
    vtiger_faq: "product_id",
    vtiger_project: "linktoaccountscontacts potentialid",
    vtiger_servicecontracts: "sc_related_to",
    vtiger_assets: "account contact product invoiceid",
    vtiger_inventoryproductrel: "productid",
    vtiger_inventorysubproductrel: "productid",
    // In a table without a key, which has no extensions: its base row is what it names.
    vtiger_modcomments: "modcommentsid parent_comments customer related_email_id",
    vtiger_modtracker_relations: "targetid",
    vtiger_email_track: "crmid",
    vtiger_email_access: "crmid",
    vtiger_asteriskincomingevents: "relcrmid",
    vtiger_pbxmanager: "customer",
    vtiger_mailscanner_ids: "crmid",
    vtiger_mailmanager_mailrel: "crmid emailid",
    vtiger_attachments: "attachmentsid",
  },
};

/** Users, who are no records of a module. */
const users: readonly (readonly [Reference["kind"], string])[] = [
  ["refers", `${base}.smownerid`],
  ["refers", `${base}.smcreatorid`],
  ["refers", `${base}.modifiedby`],
  ["refers", "vtiger_invitees.inviteeid"],
  ["refers", "vtiger_modcomments.userid"],
  ["refers", "vtiger_modtracker_basic.whodid"],
  ["refers", "vtiger_quotes.inventorymanager"],
  ["refers", "vtiger_attachmentsfolder.createdby"],
  ["refers", "vtiger_users.reports_to_id"],
  ["belongs", "vtiger_user2role.userid"],
  ["belongs", "vtiger_salesmanattachmentsrel.smid"],
  ["links", "vtiger_users2group.userid"],
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
    const kind = kindsOfActivity[module];
    const made = entity(name, table, {
      title: (fields ?? "").split(",").map((field) => field.trim()),
      extensions: [`${base}.crmid`, ...(more[table] ?? [`${table}cf.${id}`])],
      created: `${base}.createdtime`,
      modified: [`${base}.modifiedtime`],
      deleted: { column: `${base}.deleted`, when: "true" },
      ...(kind !== undefined && { where: { column: "activitytype", equals: kind } }),
    });
    for (const one of [made.table, ...made.extensions.map((extension) => extension.table)]) {
      if (one.name !== base) modulesOf.set(one.name, [...(modulesOf.get(one.name) ?? []), module]);
    }
    const { label: _, ...bare } = made;
    entities.push(label === undefined ? bare : { ...made, label });
  }
  entities.push(
    entity("user", "vtiger_users", {
      title: ["first_name", "last_name"],
      created: "date_entered",
      modified: ["date_modified"],
      deleted: { column: "deleted", when: "true" },
    }),
  );
  // Of a table's entities the first one that fits is a row's.
  entities.sort((a, b) => Number(b.where !== undefined) - Number(a.where !== undefined));
  const kinds: readonly Reference["kind"][] = ["links", "belongs", "refers"];
  return inSchema(
    {
      entities,
      references: [
        ...kinds.flatMap((kind) =>
          Object.entries(records[kind]).flatMap(([table, ends]) =>
            ends.split(" ").map((column) => reference(kind, `${table}.${column}`, `${base}.crmid`)),
          ),
        ),
        ...users.map(([kind, from]) => reference(kind, from, "vtiger_users.id")),
        // An attachment does not say whose it is: it is a part of the row that does, as that is of the record.
        ...["vtiger_seattachmentsrel", "vtiger_salesmanattachmentsrel"].flatMap((table) => [
          reference("belongs", "vtiger_attachments.attachmentsid", `${table}.attachmentsid`),
          reference("refers", `${table}.attachmentsid`, "vtiger_attachments.attachmentsid"),
        ]),
        reference("links", "vtiger_users2group.groupid", "vtiger_groups.groupid"),
        reference("links", "vtiger_freetagged_objects.tag_id", "vtiger_freetags.id"),
        reference("belongs", "vtiger_modtracker_detail.id", "vtiger_modtracker_basic.id"),
        reference("belongs", "vtiger_modtracker_relations.id", "vtiger_modtracker_basic.id"),
        reference("refers", "vtiger_notes.folderid", "vtiger_attachmentsfolder.folderid"),
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
