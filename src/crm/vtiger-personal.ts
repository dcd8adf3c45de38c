import { perTable, type PersonalColumns } from "./model-parts.ts";

/**
 * Who is named in which column of Vtiger, beside those whose names say so: a record's parts lie in several tables, its label is
 * repeated in `vtiger_crmentity`, and each change of it in `vtiger_modtracker_detail`.
 */
const billed = ["account", "quotes", "so", "po", "invoice"];

export const vtigerPersonal: PersonalColumns = {
  ...perTable(
    billed.map((one) => `vtiger_${one}billads`),
    { address: "bill_street", place: "bill_city", code: "bill_code bill_pobox" },
  ),
  ...perTable(
    billed.map((one) => `vtiger_${one}shipads`),
    { address: "ship_street", place: "ship_city", code: "ship_code ship_pobox" },
  ),
  vtiger_account: { name: "accountname", email: "email1 email2", code: "siccode tickersymbol" },
  vtiger_contactdetails: { email: "otheremail secondaryemail", text: "title department" },
  vtiger_contactaddress: {
    address: "mailingstreet otherstreet",
    place: "mailingcity othercity",
    code: "mailingzip otherzip mailingpobox otherpobox",
  },
  vtiger_contactsubdetails: { name: "assistant" },
  vtiger_leaddetails: { name: "company", email: "secondaryemail", text: "designation" },
  vtiger_leadaddress: { address: "lane", place: "city", code: "code pobox" },
  vtiger_vendor: {
    name: "vendorname",
    address: "street",
    place: "city",
    code: "postalcode pobox",
    text: "description",
  },
  vtiger_users: { email: "email1 email2 secondaryemail", text: "title department", name: "yahoo_id" },
  vtiger_crmentity: { mentions: "label", text: "description" },
  vtiger_modtracker_detail: { text: "prevalue postvalue" },
  vtiger_modcomments: { text: "commentcontent reasontoedit" },
  vtiger_troubletickets: { mentions: "title", text: "solution" },
  vtiger_ticketcomments: { text: "comments" },
  vtiger_activity: { mentions: "subject location" },
  vtiger_potential: { mentions: "potentialname nextstep" },
  vtiger_quotes: { mentions: "subject" },
  vtiger_salesorder: { mentions: "subject customerno" },
  vtiger_purchaseorder: { mentions: "subject" },
  vtiger_invoice: { mentions: "subject customerno" },
  vtiger_inventoryproductrel: { mentions: "comment description" },
  vtiger_project: { mentions: "projectname" },
  vtiger_projecttask: { mentions: "projecttaskname" },
  vtiger_notes: { mentions: "title filename", text: "notecontent" },
  vtiger_attachments: { mentions: "name description" },
  vtiger_emaildetails: { email: "from_email to_email cc_email bcc_email assigned_user_email" },
  vtiger_emailslookup: { email: "value" },
  vtiger_phonelookup: { phone: "fnumber rnumber" },
  vtiger_pbxmanager_phonelookup: { phone: "fnumber rnumber" },
  vtiger_pbxmanager: { phone: "customernumber", code: "customer" },
  vtiger_mailmanager_mailrecord: { email: "mfrom mto mcc mbcc", mentions: "msubject", text: "mbody" },
  vtiger_portalinfo: { email: "user_name" },
  vtiger_loginhistory: { name: "user_name", code: "user_ip" },
  vtiger_mailscanner: { email: "username" },
  vtiger_organizationdetails: { keep: "organizationname" },
};
