import { perTable, type PersonalColumns } from "./model-parts.ts";

/**
 * Who is named in which column of SuiteCRM, beside those whose names say so. What is called `name` is a person's or a company's
 * in few tables, and a subject in all others. What was changed is copied, before and after, to a table of each module.
 */
const subjects = [
  ...["calls", "meetings", "tasks", "notes", "emails", "opportunities", "cases", "bugs", "campaigns", "project"],
  ...[
    "project_task",
    "aos_quotes",
    "aos_invoices",
    "aos_contracts",
    "aos_products",
    "aos_products_quotes",
    "fp_events",
  ],
  ...["aos_line_item_groups", "prospect_lists", "documents", "reminders", "sugarfeed", "calls_reschedule", "alerts"],
  ...["aop_case_updates", "aop_case_events", "users_signatures", "aow_processed", "surveys", "email_templates"],
];
const audited = [
  ...["accounts", "contacts", "leads", "prospects", "opportunities", "cases", "bugs", "calls", "meetings", "tasks"],
  ...["notes", "campaigns", "project", "users", "aos_quotes", "aos_invoices", "aos_contracts", "aos_products"],
];
const person = {
  name: "assistant refered_by account_name portal_name",
  text: "title department opportunity_name",
  empty: "photo",
};

export const suitecrmPersonal: PersonalColumns = {
  ...perTable(subjects, {
    mentions: "name subject document_name item_description location body body_html url target_name",
    text: "description resolution work_log",
  }),
  ...perTable(
    audited.map((table) => `${table}_audit`),
    { text: "before_value_string after_value_string before_value_text after_value_text" },
  ),
  accounts: { code: "sic_code ticker_symbol" },
  contacts: person,
  leads: person,
  prospects: person,
  users: { text: "title department", name: "messenger_id" },
  aos_quotes: { mentions: "name", text: "description" },
  aos_products: { mentions: "name description" },
  aos_products_quotes: { mentions: "name description item_description" },
  email_templates: { mentions: "name subject body body_html description" },
  emails_text: {
    email: "from_addr reply_to_addr to_addrs cc_addrs bcc_addrs",
    text: "description description_html raw_source",
  },
  email_cache: { mentions: "subject", email: "fromaddr toaddr" },
  document_revisions: { mentions: "filename doc_url change_log" },
  oauth2clients: { keep: "name", mentions: "description redirect_url" },
  outbound_email: { mentions: "name smtp_from_name", email: "mail_smtpuser smtp_from_addr reply_to_addr" },
  inbound_email: { mentions: "name", email: "email_user" },
  sugarfeed: { mentions: "name description" },
  tracker: { mentions: "item_summary" },
  job_queue: { mentions: "name message data" },
  config: { mentions: "value" },
  saved_search: { mentions: "name" },
  vcals: { mentions: "content" },
  jjwg_address_cache: { address: "name" },
  jjwg_markers: { mentions: "name" },
};
