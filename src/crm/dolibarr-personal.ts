import { perTable, type PersonalColumns } from "./model-parts.ts";

/**
 * Who is named in which column of Dolibarr, beside those whose names say so. A document's lines and an event's label are
 * about goods and work, and may name somebody; names of third parties are copied to the bank's links, and whole records to
 * the log that cannot be changed (`blockedlog`). Group, model and setting names are words that the program is run by.
 */
const lines = [
  ...["commandedet", "commande_fournisseurdet", "propaldet", "facturedet", "facturedet_rec", "facture_fourn_det"],
  ...["contratdet", "supplier_proposaldet", "fichinterdet", "livraisondet"],
];
const documents = [
  ...["propal", "commande", "facture", "facture_rec", "expedition", "livraison", "contrat", "projet", "holiday", "don"],
  ...["commande_fournisseur", "facture_fourn", "supplier_proposal", "fichinter", "projet_task", "lead"],
  ...["expensereport", "deplacement"],
];
const noted = ["cotisation", "subscription", "paiement", "paiementfourn", "projet_task_time", "payment_salary"];

export const dolibarrPersonal: PersonalColumns = {
  societe: {
    name: "ref_ext",
    code: "code_compta code_compta_fournisseur idprof4 idprof5 idprof6 ape supplier_account barcode webservices_key",
    url: "instagram snapchat googleplus youtube",
    empty: "logo",
  },
  socpeople: { text: "poste", email: "jabberid", url: "instagram snapchat googleplus youtube", empty: "photo" },
  adherent: { url: "instagram snapchat googleplus youtube", empty: "photo" },
  user: {
    text: "job",
    name: "webcal_login ldap_sid",
    url: "openid instagram snapchat googleplus youtube",
    code: "accountancy_code barcode",
    empty: "photo",
  },
  user_rib: { name: "proprio", text: "label domiciliation", code: "number code_banque code_guichet cle_rib" },
  societe_rib: {
    name: "proprio",
    text: "label domiciliation",
    code: "number code_banque code_guichet cle_rib rum cvn preapproval_key stripe_card_ref last_four",
  },
  societe_account: { keep: "site", code: "key_account" },
  societe_address: { text: "label" },
  societe_log: { name: "author", mentions: "label" },
  societe_remise_except: { mentions: "description" },
  usergroup: { keep: "nom", mentions: "note" },
  user_employment: { text: "job" },
  user_clicktodial: { code: "poste" },
  user_param: { mentions: "value" },
  adherent_type: { mentions: "note mail_valid" },
  actioncomm: { text: "note", mentions: "label location email_subject", name: "email_sender", email: "errors_to" },
  comment: { text: "description" },
  ticket: { mentions: "subject", text: "message" },
  ticket_msg: { text: "message" },
  bank: { name: "emetteur author", mentions: "label note", code: "numero_compte" },
  bank_url: { name: "label" },
  bank_account: { name: "proprio", code: "number code_banque code_guichet cle_rib", mentions: "label domiciliation" },
  accounting_bookkeeping: { mentions: "label_compte label_operation subledger_label" },
  accounting_bookkeeping_tmp: { mentions: "label_compte label_operation subledger_label" },
  prelevement_lignes: { name: "client_nom", code: "number code_banque code_guichet cle_rib" },
  prelevement_facture_demande: { code: "number code_banque code_guichet cle_rib" },
  blockedlog: { text: "object_data", name: "user_fullname" },
  events: { mentions: "description", code: "ip", text: "user_agent" },
  const: { mentions: "value note" },
  c_email_senderprofile: { mentions: "label" },
  c_email_templates: { mentions: "label topic content content_lines" },
  c_barcode_type: { keep: "example" },
  entrepot: { mentions: "ref label description lieu", address: "address" },
  product: { mentions: "label description note note_public" },
  product_lang: { mentions: "label description note" },
  ...perTable(lines, { mentions: "label description commentaire" }),
  ...perTable(documents, {
    mentions: "ref_client ref_customer ref_supplier title titre libelle label description close_note",
    text: "note_private note_public detail_refuse detail_cancel",
  }),
  ...perTable(noted, { text: "note" }),
  projet_taskdet: { mentions: "note_public" },
  element_tag: { mentions: "tag" },
  links: { mentions: "label url" },
  ecm_files: { mentions: "label filename filepath fullpath_orig description keywords cover" },
  mailing: { mentions: "titre sujet body", email: "email_replyto email_errorsto" },
  mailing_cibles: { text: "other tag", mentions: "error_text" },
  advtargetemailing: { mentions: "name filtervalue" },
  emailcollector_emailcollector: { mentions: "label user source_directory filter lastresult" },
  opensurvey_sondage: { name: "nom_admin", email: "mail_admin", mentions: "titre sujet commentaires" },
  opensurvey_comments: { name: "usercomment", text: "comment" },
  onlinesignature: { name: "name", code: "ip" },
  webmail_mail: { mentions: "subject", text: "body", email: "from to cc bcc" },
  webmail_draft: { mentions: "subject", text: "body", email: "from to cc bcc" },
};
