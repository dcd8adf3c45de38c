import { perTable, type PersonalColumns } from "./model-parts.ts";

/**
 * Who is named in which column of Tryton, beside those whose names say so: numbers and mail addresses are values of contact
 * mechanisms, identifiers and bank accounts have tables of their own. Bookkeeping has names, which may name somebody. What a
 * record was before stands in `…__history`.
 */
const documents = [
  ...["sale_sale", "purchase_purchase", "account_invoice", "account_move", "sale_opportunity", "sale_complaint"],
  ...["purchase_request", "purchase_requisition", "sale_subscription", "account_payment"],
];
const lines = [
  ...["sale_line", "purchase_line", "account_invoice_line", "account_invoice_tax", "account_move_line"],
  ...["account_statement_line", "account_statement_origin", "timesheet_line", "sale_subscription_line"],
];
const shipments = ["in", "in_return", "internal", "out", "out_return"].map((one) => `stock_shipment_${one}`);

const people: PersonalColumns = {
  ...perTable(documents, { mentions: "description reference lost_reason", text: "comment" }),
  ...perTable(lines, { mentions: "description note" }),
  ...perTable(shipments, { mentions: "reference" }),
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
  company_company: { mentions: "header footer" },
  company_employee: { text: "notes" },
  bank_account_number: { code: "number number_compact" },
  account_payment_sepa_mandate: { code: "identification" },
  stock_location: { mentions: "name" },
  product_template: { mentions: "name" },
  product_product: { mentions: "description" },
  project_work: { mentions: "name", text: "comment" },
  calendar_event: { mentions: "summary location", text: "description" },
  calendar_attendee: { email: "email" },
  res_user: { name: "name login", text: "signature" },
  res_user_device: { name: "login" },
  res_user_login_attempt: { name: "login", code: "ip_address ip_network" },
  document_incoming: { mentions: "name source" },
  ir_attachment: { mentions: "name description link" },
  ir_avatar: { empty: "image" },
  ir_avatar_cache: { empty: "image" },
  ir_note: { text: "message" },
  ir_email: { email: "recipients recipients_secondary recipients_hidden addresses", mentions: "subject", text: "body" },
  ir_email_address: { email: "address" },
  ir_email_template: { mentions: "name subject body" },
  ir_error: { text: "description" },
  ir_translation: { mentions: "src value" },
  ir_ui_view_search: { mentions: "name domain" },
  notification_email_log: { email: "recipients recipients_secondary recipients_hidden" },
  marketing_email: { email: "email" },
  marketing_email_message: { mentions: "title content" },
  web_user: { email: "email" },
  web_shortened_url: { mentions: "redirect_url" },
};

/** Names of models, fields and modules: by them the program finds its own parts, and its words for them. */
const words: PersonalColumns = {
  ir_message: { keep: "text" },
  ir_model: { keep: "name info" },
  ir_model_button: { keep: "name string help confirm" },
  ir_model_field: { keep: "name field_description help" },
  ir_module: { keep: "name" },
  ir_module_dependency: { keep: "name" },
  ir_ui_icon: { keep: "name" },
  ir_ui_view: { keep: "name" },
};

export const trytonPersonal: PersonalColumns = {
  ...people,
  ...Object.fromEntries(Object.entries(people).map(([table, columns]) => [`${table}__history`, columns])),
  ...words,
};

export const trytonProgram = /^(?:account|ir)_/;

/** Whom nobody is: `trytond-admin` looks for the user `admin`. */
export const trytonNobody = { res_user: ["admin", "Administrator", "root", "Root"] };
