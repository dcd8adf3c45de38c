import { createHash, createHmac, hkdfSync } from "node:crypto";
import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import type { DatabaseAddress, TableSchema } from "../database/database.ts";
import { neutraliseCms, neutraliseCmsConfiguration } from "./civicrm-cms.ts";
import { neutraliseConfiguration, neutraliseStatements, neutraliseSummary } from "./civicrm-clone.ts";
import { civicrmModel } from "./civicrm-model.ts";
import {
  attachmentRule,
  isSettings,
  placesOf,
  settingsFile,
  settingsPlaces,
  siteSettingsFile,
} from "./civicrm-places.ts";
import { relocated } from "./civicrm-relocate.ts";
import type { CrmFiles } from "./crm-files.ts";
import { databasePart, detected, needed, readConfiguration, readText, withFiles } from "./known-crm.ts";
import { decipher, readable } from "./open-secret.ts";
import { readPhp, type PhpFile } from "./php-data.ts";
import type {
  CrmDescription,
  CrmParts,
  DatabasePart,
  DetectedCrm,
  KeyPart,
  Platform,
  StoredSecret,
} from "./platform.ts";
import { addressOf, optionsOf, placeOf, unescaped } from "./server-url.ts";

/**
 * CiviCRM on WordPress, Drupal, Backdrop or Joomla, or by itself, on MariaDB or MySQL.
 *
 * `civicrm.settings.php` names CiviCRM's database, and that of the CMS around it, which is a second one unless they share
 * one: both are backed up, each at one moment of its own. Files lie in CiviCRM's folder among the CMS's uploads
 * (`civicrm-places.ts`). The CMS's own content (`wp-content`, or `sites`) holds modules, extensions and uploads.
 * `CIVICRM_SITE_KEY` and the credential keys stand in the settings.
 */
export const civicrm: Platform = {
  name: "civicrm",
  title: "CiviCRM",
  detect,
  parts,
  neutralise: () => ({
    statements: (tables, database) =>
      database === "cms" ? neutraliseCms(tables) : [...neutraliseStatements(tables), ...sharedCms(tables)],
    config: (name, text) => (isSettings(name) ? neutraliseConfiguration(text) : neutraliseCmsConfiguration(name, text)),
    summary: neutraliseSummary,
  }),
  relocate: relocated,
  model: civicrmModel,
  maintenance: { on: "cms", off: "cms-off" },
  installed: async ({ config = [] }) => {
    const place = config.find(({ name }) => name === settingsFile);
    return place && (await installedVersion(readPhp((await readText(place.path)) ?? "")));
  },
  secrets,
  afterRestore: ["civicrm-config", "civicrm-caches", "civicrm-paths", "civicrm-cron"],
};

async function detect(folder: string): Promise<readonly DetectedCrm[]> {
  for (const place of settingsPlaces) {
    const path = join(folder, place, settingsFile);
    const text = await readText(path);
    const url = text === undefined ? undefined : readPhp(text).get("CIVICRM_DSN");
    const found = url === undefined ? undefined : placeOf(url);
    if (text === undefined || !found) continue;
    return [detected("civicrm", withTls(addressOf(found), url ?? "").url, path, await installedVersion(readPhp(text)))];
  }
  return [];
}

async function parts(description: CrmDescription): Promise<CrmParts> {
  const { path, text } = await readConfiguration(description, settingsFile);
  const php = readPhp(text);
  const version = await installedVersion(php);
  const places = placesOf(php, path);
  const folders = withFiles(places.folders, description);
  return {
    ...(version === undefined ? {} : { version }),
    databases: databasesOf(php, path, description.database),
    folders,
    config: [...new Set([path, ...places.configuration])]
      .filter((file) => existsSync(file))
      .map((file) => ({
        name: file !== path && basename(file) === settingsFile ? siteSettingsFile : basename(file),
        path: file,
      })),
    emptyTables: [
      ...["civicrm_cache", "civicrm_acl_cache", "civicrm_acl_contact_cache"],
      ...["civicrm_group_contact_cache", "civicrm_prevnext_cache"],
    ],
    uncovered: [],
    keys: keysOf(php, path),
    attachments: attachmentRule(php, path, folders),
  };
}

/** CiviCRM's own, that of the CMS and that of its change log: each once, though they may be one. */
function databasesOf(php: PhpFile, path: string, named: string | undefined): readonly DatabasePart[] {
  const dsn = needed(php.get("CIVICRM_DSN"), path, "CIVICRM_DSN");
  const main = placeOf(dsn);
  if (!main) return [databasePart("main", { url: needed(undefined, path, "CIVICRM_DSN") })];
  const found: DatabasePart[] = [databasePart("main", withTls(addressOf(main), dsn), named)];
  // One database may be reached in two ways.
  const urls = new Set([addressOf(main).url]);
  for (const [name, constant] of [
    ["cms", "CIVICRM_UF_DSN"],
    ["log", "CIVICRM_LOGGING_DSN"],
  ] as const) {
    const text = php.get(constant) ?? "";
    const place = placeOf(text);
    if (!place) continue;
    const address = addressOf(place);
    if (!urls.has(address.url)) found.push({ name, ...withTls(address, text) });
    urls.add(address.url);
  }
  return found;
}

/** CiviCRM asks for TLS by what PEAR's DB has for certificates, or by an `ssl=` of its own, whatever stands behind it. */
function withTls(address: DatabaseAddress, dsn: string): DatabaseAddress {
  const said = new Map(optionsOf(dsn));
  if (!["ssl", "ca", "capath", "cert", "key", "cipher"].some((name) => said.has(name))) return address;
  const url = new URL(address.url);
  url.searchParams.set("ssl-mode", existsSync(said.get("ca") ?? "") ? "verify-ca" : "required");
  for (const name of ["ca", "cert", "key"]) {
    const file = said.get(name) ?? "";
    if (existsSync(file)) url.searchParams.set(`ssl-${name}`, file);
  }
  return { ...address, url: url.href };
}

/** `civicrm-version.php` or `xml/version.xml` of the program; nothing is run. */
async function installedVersion(php: PhpFile): Promise<string | undefined> {
  const root = php.get("civicrm_root");
  if (root === undefined) return undefined;
  const text = (await readText(join(root, "civicrm-version.php"))) ?? (await readText(join(root, "xml/version.xml")));
  return /(?:'version'\s*=>\s*'|<version_no>)(\d[\w.]*)/.exec(text ?? "")?.[1];
}

function keysOf(php: PhpFile, path: string): readonly KeyPart[] {
  const key = (name: string, use: string): KeyPart => ({
    name,
    path,
    state: keyIn(php, name) ? "found" : "missing",
    use,
  });
  const isUsed = [{ table: "civicrm_setting", column: "value", like: /\p{Cc}CTK/u }];
  return [
    key("CIVICRM_SITE_KEY", "scheduled-access"),
    { ...key("CIVICRM_CRED_KEYS", "mail-passwords"), usedBy: isUsed },
    { ...key("CIVICRM_SIGN_KEYS", "links"), usedBy: isUsed },
  ];
}

/**
 * As installers write it, the constant is what another of nearly the same name says, unless that is still what the installer was to
 * put in: `'%%credKeys%%'`.
 */
function keyIn(php: PhpFile, name: string): string | undefined {
  return [name, `_${name}`].map((one) => php.get(one)).find((value) => value && !/^%%\w+%%$/.test(value));
}

/** Where the CMS has its tables in the same database. */
function sharedCms(tables: readonly TableSchema[]): readonly string[] {
  return tables.some(({ name }) => !/^(civicrm_|log_civicrm_)/.test(name)) ? neutraliseCms(tables) : [];
}

/**
 * `CTK?k=<key's id>&t=<text>` behind a byte of 2, inside of settings: AES-256, with the credential keys of the settings
 * file; where the suite ends in `-hs`, an HMAC is its seal.
 */
async function secrets({ config }: CrmFiles): Promise<readonly StoredSecret[]> {
  const written = keyIn(readPhp((await config(settingsFile)) ?? ""), "CIVICRM_CRED_KEYS") ?? "";
  const keys = written.split(" ").flatMap((one) => credentialKey(one) ?? []);
  const open: StoredSecret["open"] = (value) => {
    const [, id, text] = /\p{Cc}CTK\?k=([^&"]*)&t=([\w-]+)/u.exec(value) ?? [];
    if (id === undefined || text === undefined) return "plain";
    const key = keys.find((one) => one.id === unescaped(id));
    return key ? readable(opened(key, Buffer.from(text, "base64url"))) : "closed";
  };
  return [{ table: "civicrm_setting", column: "value", open }];
}

interface CredentialKey {
  readonly id: string;
  readonly suite: string;
  readonly key: Buffer;
}

/** `aes-cbc:hkdf-sha256:…`, `aes-cbc-hs:b64:…`, `::…`; `plain` is none. */
function credentialKey(text: string): CredentialKey | undefined {
  const [suite = "", derive = "", value] = text.split(":");
  if (value === undefined) return undefined;
  const key =
    derive === "b64"
      ? Buffer.from(value, "base64")
      : Buffer.from(hkdfSync("sha256", Buffer.from(value), Buffer.alloc(0), Buffer.alloc(0), 32));
  const name = suite === "" ? "aes-cbc" : suite;
  const id = createHash("sha1").update(`${name}\0`).update(key).digest("base64url");
  return { id, suite: name, key };
}

function opened({ suite, key }: CredentialKey, bytes: Buffer): Buffer | undefined {
  const cipher = suite.startsWith("aes-ctr") ? "aes-256-ctr" : "aes-256-cbc";
  if (!suite.endsWith("-hs")) return decipher(cipher, key, bytes.subarray(0, 16), bytes.subarray(16));
  const derived = (use: string) => createHmac("sha256", key).update(use).digest();
  const [body, seal] = [bytes.subarray(0, -32), bytes.subarray(-32)];
  const expected = createHmac("sha256", derived("auth")).update(body).digest();
  return expected.equals(seal) ? decipher(cipher, derived("enc"), body.subarray(0, 16), body.subarray(16)) : undefined;
}
