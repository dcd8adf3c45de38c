import { perTable, type PersonalColumns } from "./model-parts.ts";

/**
 * Who is named in which column of Tryton, beside those whose names say so: numbers and mail addresses are values of contact
 * mechanisms, identifiers and bank accounts have tables of their own. Bookkeeping has names, which may name somebody.
 */
const documents = ["sale_sale", "purchase_purchase", "account_invoice", "account_move", "sale_opportunity"];
const lines = ["sale_line", "purchase_line", "account_invoice_line", "account_move_line", "account_statement_line"];

export const trytonPersonal: PersonalColumns = {
  ...perTable(documents, { mentions: "description reference", text: "comment" }),
  ...perTable(lines, { mentions: "description note" }),
  party_party: { name: "name", text: "comment" },
  party_address: {
    name: "name party_name",
    address: "street building_name street_name",
    code: "postal_code zip building_number unit_number floor_number room_number post_box private_bag",
    place: "city",
  },
  party_contact_mechanism: { email: "value value_compact", name: "name", text: "comment" },
  party_identifier: { code: "code" },
  party_category: { mentions: "name" },
  party_configuration: { keep: "name" },
  company_employee: { text: "notes" },
  bank_account_number: { code: "number number_compact" },
  res_user: { name: "name login", text: "signature" },
  res_user_login_attempt: { name: "login", code: "ip_address ip_network" },
  ir_attachment: { mentions: "name description link" },
  ir_note: { text: "message" },
  ir_email: { email: "recipients recipients_secondary recipients_hidden addresses", mentions: "subject", text: "body" },
  ir_email_address: { email: "address" },
  ir_error: { text: "description" },
  marketing_email: { email: "email" },
  web_user: { email: "email" },
};

export const trytonProgram = /^(?:account|ir)_/;
