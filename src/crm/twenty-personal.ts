import { perTable, type PersonalColumns } from "./model-parts.ts";

/**
 * Who is named in which column of Twenty's workspaces (1.x, and the standard objects of 2.4 and 2.43), beside those whose names say so: a field of several parts has a column
 * for each, and each change of a record is copied to its timeline, as JSON.
 */
const address = {
  address: "addressAddressStreet1 addressAddressStreet2",
  place: "addressAddressCity",
  code: "addressAddressPostcode",
  empty: "addressAddressLat addressAddressLng",
};

export const twentyPersonal: PersonalColumns = {
  person: {
    name: "nameFirstName nameLastName",
    email: "email emailsPrimaryEmail",
    phone: "phone phonesPrimaryPhoneNumber whatsappPrimaryPhoneNumber",
    empty: "emailsAdditionalEmails phonesAdditionalPhones avatarUrl",
    text: "jobTitle intro",
    place: "city",
    url: "linkedinLinkPrimaryLinkUrl linkedinLinkPrimaryLinkLabel xLinkPrimaryLinkUrl xLinkPrimaryLinkLabel",
  },
  company: {
    ...address,
    name: "name",
    url: "domainNamePrimaryLinkUrl domainNamePrimaryLinkLabel linkedinLinkPrimaryLinkUrl linkedinLinkPrimaryLinkLabel xLinkPrimaryLinkUrl xLinkPrimaryLinkLabel",
    empty: `${address.empty} domainNameSecondaryLinks linkedinLinkSecondaryLinks xLinkSecondaryLinks`,
  },
  workspaceMember: {
    name: "nameFirstName nameLastName",
    email: "userEmail",
    empty: "avatarUrl",
    text: "jobTitle",
  },
  user: { name: "firstName lastName", empty: "defaultAvatarUrl" },
  userWorkspace: { empty: "defaultAvatarUrl" },
  apiKey: { mentions: "name" },
  objectMetadata: { keep: "nameSingular namePlural labelSingular labelPlural description" },
  fieldMetadata: { keep: "name label description" },
  timelineActivity: { empty: "properties", mentions: "linkedRecordCachedName name" },
  ...perTable(["note", "task"], {
    mentions: "title",
    text: "body bodyV2Markdown",
    empty: "bodyV2Blocknote",
  }),
  comment: { text: "body" },
  activity: { mentions: "title", text: "body" },
  message: { mentions: "subject", text: "text" },
  messageParticipant: { email: "handle", name: "displayName" },
  messageChannel: { email: "handle" },
  messageThread: { mentions: "subject" },
  connectedAccount: {
    email: "handle",
    text: "handleAliases",
    empty: "connectionParameters oidcTokenClaims",
    name: "name",
  },
  appToken: { empty: "context" },
  agentChatThread: { mentions: "title" },
  agentMessagePart: {
    text: "textContent reasoningContent errorMessage",
    empty: "toolInput toolOutput errorDetails providerMetadata",
    mentions: "sourceUrlTitle sourceDocumentTitle sourceDocumentFilename fileFilename",
    url: "sourceUrlUrl",
  },
  blocklist: { email: "handle" },
  calendarChannel: { email: "handle" },
  calendarEvent: {
    mentions: "title location",
    text: "description",
    url: "conferenceLinkPrimaryLinkUrl conferenceLinkPrimaryLinkLabel",
    empty: "conferenceLinkSecondaryLinks",
  },
  calendarEventParticipant: { email: "handle", name: "displayName" },
  attachment: { mentions: "name fullPath file" },
  callRecording: { mentions: "title", text: "summaryMarkdown", empty: "summaryBlocknote transcript" },
  messageCampaign: { mentions: "name subject bodyTemplate", email: "fromAddress" },
  campaignDelivery: { email: "recipientEmail" },
  messageSuppression: { email: "emailAddress" },
  opportunity: { mentions: "name" },
  workflow: { mentions: "name" },
  workflowVersion: { mentions: "name trigger steps" },
  workflowRun: { mentions: "name", empty: "context output state" },
  ...perTable(["favoriteFolder", "view"], { mentions: "name" }),
};

/** Who made and who changed a record stands in it by name. */
export const twentyEverywhere = { name: "createdByName updatedByName" } as const;
