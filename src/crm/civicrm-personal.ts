import { perTable, type PersonalColumns } from "./model-parts.ts";

/**
 * Who is named in which column of CiviCRM and of the CMS around it, beside those whose names say so. Tables of kinds and of
 * settings have names too, which are nobody's; with logging on, `log_…` are copies of all tables.
 */
const own: PersonalColumns = {
  civicrm_contact: {
    name: "sort_name display_name nick_name legal_name organization_name household_name primary_contact_name addressee_custom addressee_display email_greeting_custom email_greeting_display postal_greeting_custom postal_greeting_display",
    text: "job_title",
    mentions: "source",
    code: "external_identifier legal_identifier sic_code user_unique_id api_key",
    url: "image_URL",
  },
  civicrm_address: { address: "street_number street_number_suffix street_name street_unit", name: "name" },
  civicrm_phone: { phone: "phone phone_ext phone_numeric" },
  civicrm_email: { text: "signature_text signature_html" },
  civicrm_openid: { url: "openid" },
  civicrm_uf_match: { email: "uf_name" },
  civicrm_activity: { mentions: "subject location", text: "details" },
  civicrm_case: { mentions: "subject", text: "details" },
  civicrm_note: { mentions: "subject", text: "note" },
  civicrm_contribution: { mentions: "source amount_level cancel_reason", code: "check_number" },
  civicrm_contribution_recur: { mentions: "cancel_reason" },
  civicrm_contribution_page: { mentions: "title intro_text thankyou_text receipt_text", name: "receipt_from_name" },
  civicrm_payment_token: {
    name: "billing_first_name billing_middle_name billing_last_name",
    email: "email",
    code: "token masked_account_number ip_address",
  },
  civicrm_financial_item: { mentions: "description" },
  civicrm_grant: { mentions: "rationale" },
  civicrm_contribution_soft: { name: "pcp_roll_nickname", text: "pcp_personal_note" },
  civicrm_pcp: { mentions: "title", text: "intro_text page_text" },
  civicrm_membership: { mentions: "source" },
  civicrm_participant: { mentions: "source fee_level" },
  civicrm_relationship: { mentions: "description" },
  civicrm_event: {
    mentions: "title summary description event_full_text intro_text footer_text confirm_email_text",
    name: "confirm_from_name",
  },
  civicrm_campaign: { mentions: "title description goal_general" },
  civicrm_survey: { mentions: "title instructions thankyou_text" },
  civicrm_mailing: { mentions: "name subject body_text body_html approval_note", name: "from_name" },
  civicrm_mailing_spool: { text: "headers body" },
  civicrm_mailing_event_bounce: { mentions: "bounce_reason" },
  civicrm_group: { mentions: "title description" },
  civicrm_tag: { mentions: "name description" },
  civicrm_file: { mentions: "uri description" },
  civicrm_report_instance: { mentions: "title name description email_subject", email: "email_to email_cc" },
  civicrm_job_log: { mentions: "description data" },
  civicrm_action_log: { mentions: "message" },
  civicrm_saved_search: { mentions: "label description form_values api_params" },
  civicrm_system_log: { mentions: "context", code: "hostname" },
  civicrm_user_job: { mentions: "metadata" },
};

/** Words that the program is run by, in tables that are called as if they were somebody's. */
const words = [
  ...["contact_type", "membership_status", "membership_type", "currency", "extension", "financial_account"],
  ...["mapping_field", "navigation", "option_value", "participant_status_type", "price_field_value", "custom_group"],
  ...["dashboard_contact", "dedupe_rule_group", "relationship_type", "uf_field", "location_type"],
].map((table) => `civicrm_${table}`);

const cms: PersonalColumns = {
  users: { name: "user_login user_nicename display_name name", email: "user_email mail init", url: "user_url" },
  usermeta: { mentions: "meta_value" },
  comments: {
    name: "comment_author",
    email: "comment_author_email",
    url: "comment_author_url",
    code: "comment_author_IP",
  },
  posts: { mentions: "post_title post_content post_excerpt" },
  postmeta: { mentions: "meta_value" },
  options: { mentions: "option_value" },
  users_field_data: { name: "name", email: "mail init" },
};

export const civicrmPersonal: PersonalColumns = {
  ...own,
  ...Object.fromEntries(Object.entries(own).map(([table, columns]) => [`log_${table}`, columns])),
  ...perTable(words, {
    keep: "name label full_name description extends contact_type contact_type_a contact_type_b field_type",
  }),
  ...cms,
  ...Object.fromEntries(Object.entries(cms).map(([table, columns]) => [`wp_${table}`, columns])),
  wp_comments: { ...cms["comments"], text: "comment_content" },
};
