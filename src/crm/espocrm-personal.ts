import { perTable, type PersonalColumns } from "./model-parts.ts";

/**
 * Who is named in which column of EspoCRM, beside those whose names say so: addresses and numbers are rows of tables of their
 * own, called `name` there, and the stream (`note`) holds what was changed as JSON.
 */
const subjects = [
  ...[
    "call",
    "meeting",
    "task",
    "case",
    "opportunity",
    "campaign",
    "target_list",
    "document",
    "knowledge_base_article",
  ],
  ...["quote", "invoice", "sales_order", "project", "project_task", "event", "email_template", "mass_email"],
];

export const espocrmPersonal: PersonalColumns = {
  ...perTable(subjects, { mentions: "name subject location body", text: "description" }),
  account: { code: "sic_code" },
  contact: { text: "title account_title department" },
  lead: { text: "title opportunity_name", name: "account_name" },
  target: { text: "title", name: "account_name" },
  user: { text: "title", email: "auth_log_email" },
  email_address: { email: "name lower" },
  phone_number: { phone: "name numeric" },
  email: {
    mentions: "name",
    text: "body body_plain address_name_map",
    name: "from_name from_string reply_to_name reply_to_string",
    email: "from_email_address_name to bcc cc reply_to",
  },
  note: { mentions: "post data" },
  notification: { mentions: "message data" },
  attachment: { mentions: "name" },
  email_account: { mentions: "name", email: "email_address username smtp_username" },
  inbound_email: { mentions: "name", email: "email_address username smtp_username reply_to_address reply_from_name" },
  auth_log_record: { name: "username", code: "ip_address" },
  auth_token: { code: "ip_address" },
  action_history_record: { code: "ip_address" },
  app_log_record: { mentions: "message" },
  campaign_log_record: { mentions: "string_data string_additional_data" },
  array_value: { mentions: "value" },
  team: { keep: "name" },
  role: { keep: "name" },
};
