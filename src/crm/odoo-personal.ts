import { perTable, type PersonalColumns } from "./model-parts.ts";

/**
 * Who is named in which column of Odoo (13 to 19: each column is in the tables of 14.0 or 19.0, or was between them), beside those whose names say so: what messages and tracked values repeat, what was
 * copied to documents, and the private data of employees. Bookkeeping has names of its own, which may name somebody.
 */
const orders = ["sale_order", "purchase_order", "account_move", "stock_picking", "repair_order", "account_payment"];
const lines = [
  "sale_order_line",
  "sale_order_option",
  "purchase_order_line",
  "account_move_line",
  "stock_move",
  "account_analytic_line",
];
const subjects = [
  "crm_lead",
  "project_task",
  "project_project",
  "project_milestone",
  "helpdesk_ticket",
  "calendar_event",
  "event_event",
];
const kinds = ["category", "title", "industry", "grade", "activation"].map((one) => `res_partner_${one}`);
const asked = {
  mentions: "name",
  name: "partner_name contact_name partner_company_name referred",
  email: "email_domain_criterion email_from email_cc email_normalized partner_email partner_email_normalized",
  phone: "partner_phone partner_phone_sanitized phone_sanitized phone mobile",
  address: "street street2",
  place: "city",
  code: "zip",
  text: "description function",
  url: "website linkedin_profile",
};

export const odooPersonal: PersonalColumns = {
  ...perTable(subjects, {
    ...asked,
    code: `${asked.code} reveal_ip`,
    mentions: "name location lead_properties",
    url: `${asked.url} videocall_location`,
  }),
  ...perTable(orders, {
    keep: "name",
    mentions: "client_order_ref partner_ref ref payment_reference origin memo",
    name: "signed_by invoice_partner_display_name",
    email: "invoice_source_email",
    text: "note notes narration",
  }),
  ...perTable(lines, { mentions: "name ref description_picking" }),
  ...perTable(kinds, { mentions: "name display_name complete_name full_name" }),
  // Countries, currencies and what leads are looked up by have names, numbers to call and addresses as people have.
  res_country: { keep: "name phone_code address_format name_position vat_label image_url" },
  ...perTable(["res_country_state", "res_currency"], { keep: "name full_name" }),
  ...perTable(["crm_iap_lead_industry", "crm_iap_lead_role", "crm_iap_lead_seniority"], { keep: "name reveal_id" }),
  hr_job_platform: { keep: "name email" },
  ...perTable(["note_stage", "hr_employee_category", "event_lead_rule", "product_image"], { mentions: "name" }),
  ...perTable(["crm_team", "crm_team_member"], { mentions: "name assignment_domain" }),
  // Whoever works, by the name that they have as an employee or a user.
  resource_resource: { name: "name" },
  iap_account: { mentions: "name sender_name", keep: "service_name" },
  website: {
    mentions: "name contact_us_button_url homepage_url cdn_url",
    keep: "wishlist_mobile_columns shop_ppr shop_ppg",
  },
  ir_act_window: { keep: "mobile_view_mode view_mode" },
  ir_act_client: { keep: "params_store" },
  ...perTable(["hr_applicant", "hr_candidate"], asked),
  res_partner: {
    name: "name complete_name display_name commercial_company_name",
    email: "email_normalized",
    phone: "phone_sanitized",
    code: "ref barcode company_registry vat signup_token peppol_endpoint additional_identifiers",
    text: "function comment",
    address: "contact_address_complete",
    empty: "partner_latitude partner_longitude",
    keep: "receipt_reminder_email",
  },
  res_users: { name: "login", text: "signature", code: "oauth_uid" },
  res_users_apikeys: { mentions: "name" },
  ...perTable(["res_device", "res_device_log"], { code: "ip_address", place: "city" }),
  res_partner_bank: { code: "acc_number sanitized_acc_number", name: "acc_holder_name" },
  res_bank: { keep: "name street street2 zip city email phone bic" },
  res_company: {
    keep: "name email_primary_color email_secondary_color",
    mentions: "report_header report_footer company_details invoice_terms invoice_terms_html",
  },
  hr_employee: {
    email: "private_email",
    address: "private_street private_street2",
    place: "private_city place_of_birth",
    code: "private_zip ssnid sinid identification_id passport_id permit_no visa_no pin barcode private_car_plate",
    name: "name legal_name emergency_contact spouse_complete_name",
    phone: "emergency_phone private_phone",
    date: "spouse_birthdate",
    text: "job_title notes study_field study_school additional_note",
  },
  // Until 18 these stand with the employee.
  hr_version: {
    mentions: "name",
    address: "private_street private_street2",
    place: "private_city",
    code: "private_zip ssnid identification_id passport_id",
    name: "spouse_complete_name",
    date: "spouse_birthdate",
    text: "job_title departure_description additional_note",
  },
  hr_contract: { mentions: "name", text: "notes" },
  hr_resume_line: { text: "name description", url: "external_url" },
  hr_attendance: { code: "in_ip_address out_ip_address", place: "in_location out_location" },
  ...perTable(["hr_leave", "hr_leave_allocation"], { text: "name private_name notes" }),
  ...perTable(["hr_expense", "hr_expense_sheet"], { mentions: "name" }),
  mail_message: {
    mentions: "subject record_name",
    text: "body preview",
    email: "email_from reply_to incoming_email_to incoming_email_cc outgoing_email_to",
  },
  mail_mail: { text: "body_html headers failure_reason", email: "email_to email_cc" },
  mail_tracking_value: { text: "old_value_char new_value_char old_value_text new_value_text" },
  mail_activity: { mentions: "summary res_name", text: "note" },
  mail_scheduled_message: { mentions: "subject", text: "body" },
  mail_message_translation: { text: "body" },
  mail_message_reaction: { keep: "content" },
  mail_group_message: { email: "email_from_normalized" },
  mail_group_member: { email: "email_normalized" },
  // Addresses in a template are expressions: `{{ object.email_from }}`.
  mail_template: {
    mentions: "name subject body_html description email_from email_to email_cc reply_to partner_to report_name",
  },
  mail_alias: { mentions: "alias_name alias_full_name alias_bounced_content" },
  mail_blacklist: { email: "email" },
  mail_channel: { mentions: "name", text: "description" },
  discuss_channel: { mentions: "name", text: "description" },
  mail_guest: { name: "name" },
  // Until 14 it is called like the join that it once was.
  ...perTable(["mail_notification", "mail_message_res_partner_needaction_rel"], {
    email: "mail_email_address",
    text: "failure_reason",
  }),
  mailing_mailing: { mentions: "subject preview body_html body_arch", email: "email_from reply_to" },
  sms_sms: { phone: "number", text: "body" },
  mailing_contact: { name: "name company_name", email: "email_normalized" },
  mail_link_preview: { mentions: "og_title og_description", url: "source_url" },
  rating_rating: { text: "feedback" },
  mailing_trace: { phone: "sms_number" },
  phone_blacklist: { phone: "number" },
  snailmail_letter: { address: "street street2", place: "city", code: "zip" },
  survey_user_input: { name: "nickname" },
  project_update: { mentions: "name", text: "description", email: "email_cc" },
  maintenance_request: { mentions: "name", text: "description", email: "email_cc" },
  forum_post: { mentions: "name", text: "content plain_content" },
  note_note: { mentions: "name", text: "memo" },
  pos_order: { text: "note general_customer_note internal_note", mentions: "floating_order_name", name: "cashier" },
  pos_order_line: { text: "note customer_note" },
  pos_payment: { name: "cardholder_name", code: "card_no" },
  crm_reveal_view: { code: "reveal_ip" },
  ...perTable(["survey_user_input_line", "event_registration_answer"], {
    text: "value_char_box value_text_box",
  }),
  website_visitor: { name: "name" },
  link_tracker_click: { code: "ip" },
  payment_token: { code: "payment_details" },
  calendar_attendee: { name: "common_name" },
  event_registration: { name: "name company_name" },
  account_bank_statement_line: {
    name: "partner_name",
    code: "account_number",
    mentions: "payment_ref",
    text: "narration transaction_details",
  },
  payment_transaction: {
    name: "partner_name",
    email: "partner_email",
    phone: "partner_phone",
    address: "partner_address",
    code: "partner_zip",
    place: "partner_city",
  },
  ir_attachment: { mentions: "name description url index_content" },
  ir_config_parameter: { mentions: "value" },
  ir_filters: { mentions: "name domain" },
  ir_translation: { keep: "name module", mentions: "src value" },
  ir_model: { keep: "name info model" },
  ir_model_data: { keep: "name module model" },
  // Settings of a partner or a product; what it is called is the name of a field.
  ir_property: { keep: "name value_text value_reference value_binary" },
  ir_model_fields: { keep: "name field_description help model relation complete_name related depends" },
  // Pages of a website, too: who is to be called, and where a company is.
  ir_ui_view: { keep: "model arch_fs key", mentions: "name arch_db arch_prev" },
  ir_module_category: { keep: "name description" },
  ir_module_module: { keep: "name shortdesc summary description" },
  ir_module_module_dependency: { keep: "name" },
  ir_asset: { keep: "name" },
  ir_mail_server: { mentions: "name smtp_user from_filter" },
  fetchmail_server: { mentions: "name user" },
  ir_logging: { mentions: "message", keep: "name" },
};

/** Whom nobody is: users that the program works as, those that it copies, and partners that its modules bring along. */
export const odooNobody = {
  res_users: ["__system__", "admin", "default", "portaltemplate", "public"],
  res_partner: [
    ...["OdooBot", "System", "Administrator", "Default User Template", "Portal User Template", "Public user"],
    ...["My Company", "Lunch Supplier", "Welcome Bot", "Lead Generation Bot", "Simplified Invoice Partner (ES)"],
    ...["AFIP", "ARCA", "DGI", "Consumidor Final", "Consumidor final", "Servicio de Rentas Internas"],
    "Instituto Ecuatoriano de Seguridad Social",
  ],
  hr_employee: ["Administrator"],
  resource_resource: ["Administrator"],
  mailing_contact: ["Administrator"],
};

/** Names of accounts, journals and taxes are no people's. */
export const odooProgram = /^(?:account|ir)_/;
