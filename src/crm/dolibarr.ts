import { existsSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import type { RowBatch, TableSchema } from "../database/database.ts";
import { nameFromText } from "../lib/byte-name.ts";
import { rowTexts, type FieldRules } from "./column-texts.ts";
import type { CrmFiles } from "./crm-files.ts";
import { neutraliseConfiguration, neutraliseStatements, neutraliseSummary } from "./dolibarr-clone.ts";
import { readDolibarrConfig, type DolibarrConfig } from "./dolibarr-config.ts";
import { dolibarrModel } from "./dolibarr-model.ts";
import { databasePart, detected, readConfiguration, readText } from "./known-crm.ts";
import { decipher, readable, type Opened } from "./open-secret.ts";
import { readPhp, setPhp } from "./php-data.ts";
import { phpHost, placeOf } from "./server-url.ts";
import type {
  AttachmentRule,
  CrmDescription,
  CrmParts,
  DetectedCrm,
  KeyPart,
  OwnedFile,
  Platform,
  PlacedParts,
  StoredSecret,
} from "./platform.ts";

/**
 * Dolibarr, on MariaDB, MySQL or PostgreSQL.
 *
 * `conf.php` says where everything is. It holds keys as well (`$dolibarr_main_instance_unique_id`, `dolcrypt_key`),
 * without which passwords inside the database are lost, so it is part of every backup. Documents lie in
 * `$dolibarr_main_data_root`; `llx_ecm_files` names many of them by path. Dolibarr finds others by the number of an
 * invoice or a customer alone, so a file that no row names is nothing unusual and is not reported.
 */
const configurationFile = "conf.php";

/** Where `conf.php` may be, from the folder that somebody stands in. */
const places = ["htdocs/conf", "conf", "."];
const systemConfiguration = "/etc/dolibarr/conf.php";

/** Made again by Dolibarr, or copies of what a backup holds anyway. */
const documentExcludes = ["temp/", "/admin/backup/", "/dolibarr*.log"];

export const dolibarr: Platform = {
  name: "dolibarr",
  title: "Dolibarr",
  detect,
  parts,
  neutralise: () => ({
    statements: neutraliseStatements,
    config: (name, text) => (name === configurationFile ? neutraliseConfiguration(text) : undefined),
    summary: neutraliseSummary,
  }),
  relocate: (name, text, placed) => (name === configurationFile ? relocated(text, placed) : undefined),
  model: dolibarrModel,
  maintenance: { on: "dolibarr", off: "dolibarr-off" },
  installed: async ({ config = [] }) => {
    const place = config.find(({ name }) => name === configurationFile);
    const text = place && (await readText(place.path));
    return place && text !== undefined
      ? await installedVersion(readDolibarrConfig(text, place.path), place.path)
      : undefined;
  },
  versionParts: 2,
  secrets,
  afterRestore: ["dolibarr-config", "dolibarr-start"],
};

async function detect(folder: string): Promise<readonly DetectedCrm[]> {
  for (const configuration of [...places.map((place) => join(folder, place, configurationFile)), systemConfiguration]) {
    const text = await readText(configuration);
    if (text === undefined || !text.includes("$dolibarr_main_")) continue;
    const config = readDolibarrConfig(text, configuration);
    if (configuration === systemConfiguration && config.dataRoot !== folder) continue;
    const version = await installedVersion(config, configuration);
    return [detected("dolibarr", config.database, configuration, version)];
  }
  return [];
}

async function parts(description: CrmDescription): Promise<CrmParts> {
  const { files, excludes } = description;
  const { path, text } = await readConfiguration(description, configurationFile);
  const config = readDolibarrConfig(text, path);
  const version = await installedVersion(config, path);
  const modules = [
    ...config.moduleRoots,
    ...(config.documentRoot === undefined ? [] : [join(config.documentRoot, "custom")]),
  ];
  return {
    ...(version === undefined ? {} : { version }),
    databases: [
      databasePart(
        "main",
        { url: config.database, ...(config.password !== undefined && { password: config.password }) },
        description.database,
      ),
    ],
    folders: [
      { name: "documents", path: config.dataRoot, excludes: [...documentExcludes, ...excludes] },
      ...[...new Set(modules)]
        .filter((folder) => existsSync(folder))
        .map((folder, at) => ({ name: at === 0 ? "custom" : `custom-${at + 1}`, path: folder, excludes })),
      ...files.map((folder) => ({ name: folder.name, path: folder.path, excludes })),
    ],
    config: [{ name: configurationFile, path }],
    emptyTables: [`${config.prefix}session`],
    uncovered: [],
    keys: keysOf(config, path, version),
    attachments: attachmentRule(`${config.prefix}ecm_files`),
  };
}

/** Versions before 10 make no key, and encrypt nothing. */
function keysOf({ secretKey }: DolibarrConfig, path: string, version: string | undefined): readonly KeyPart[] {
  if (secretKey === undefined && version !== undefined && Number.parseInt(version, 10) < 10) return [];
  const state = secretKey === undefined ? "missing" : "found";
  return [{ name: "$dolibarr_main_instance_unique_id", path, state, use: "stored-passwords" }];
}

function attachmentRule(name: string): AttachmentRule {
  return {
    ownsFiles: (table) => table.name === name,
    *files(table: TableSchema, batch: RowBatch, rules: FieldRules): Iterable<OwnedFile> {
      for (const { texts, row } of rowTexts(rules, table, batch, ["filepath", "filename"])) {
        const [folder = "", file] = texts;
        if (file === undefined || file === "") continue;
        const path = posix.normalize(`${folder}/${file}`).replace(/^\/+/, "");
        if (!path.startsWith("../")) yield { folder: "documents", path: nameFromText(path), row };
      }
    },
    ownable: () => false,
  };
}

/** `DOL_VERSION` of the program beside the configuration. */
async function installedVersion(config: DolibarrConfig, configuration: string): Promise<string | undefined> {
  const roots = [config.documentRoot, dirname(dirname(configuration))].filter((root) => root !== undefined);
  for (const root of roots) {
    const text = (await readText(join(root, "filefunc.inc.php"))) ?? "";
    const version = /define\(\s*['"]DOL_VERSION['"]\s*,\s*['"]([\w.-]+)['"]\s*\)/.exec(text)?.[1];
    if (version !== undefined) return version;
  }
  return undefined;
}

/** The restored copy finds its documents and its database. */
function relocated(text: string, { folders, databases }: PlacedParts): string {
  const documents = folders.find(({ name }) => name === "documents");
  const custom = folders.find(({ name }) => name === "custom");
  const place = placeOf(databases[0]?.url ?? "");
  // Its own default is MySQL's, also where that is not what it speaks to.
  const usual = place?.scheme === "postgresql" ? "5432" : "3306";
  const hasPort = readPhp(text).get("dolibarr_main_db_port") !== undefined;
  const values: readonly (readonly [string, string])[] = [
    ...(documents ? [["data_root", documents.path] as const] : []),
    ...(custom ? [["document_root_alt", custom.path] as const] : []),
    ...(place
      ? ([
          ["db_name", place.name],
          ["db_host", place.scheme === "mariadb" ? phpHost(place) : place.host || "localhost"],
        ] as const)
      : []),
    ...(place && (place.port || hasPort) ? [["db_port", place.port || usual] as const] : []),
    ...(place?.user ? [["db_user", place.user] as const] : []),
  ];
  return values.reduce((result, [key, value]) => setPhp(result, [`dolibarr_main_${key}`], value), text);
}

/** `dolcrypt:AES-256-CTR:<vector>:<base64>` with the instance's key, which OpenSSL fills up with zeros to 32 bytes. */
async function secrets({ config }: CrmFiles): Promise<readonly StoredSecret[]> {
  const text = (await config(configurationFile)) ?? "";
  const { prefix, secretKey = "" } = readDolibarrConfig(text, configurationFile);
  const key = Buffer.alloc(32);
  key.write(secretKey, "utf8");
  const open = (value: string): Opened => {
    const [, cipher, iv = "", data = ""] = /^dolcrypt:([^:]+):([^:]*):(.+)$/.exec(value) ?? [];
    if (cipher === undefined) return "plain";
    const name = cipher.toUpperCase();
    if (secretKey === "" || (name !== "AES-256-CTR" && name !== "AES-256-CBC")) return "closed";
    const vector = Buffer.alloc(16);
    vector.write(iv, "latin1");
    const kind = name === "AES-256-CTR" ? "aes-256-ctr" : "aes-256-cbc";
    return readable(decipher(kind, key, vector, Buffer.from(data, "base64")));
  };
  return [
    { table: `${prefix}const`, column: "value", open },
    { table: `${prefix}user`, column: "api_key", open },
    { table: `${prefix}societe_rib`, column: "iban_prefix", open },
    { table: `${prefix}emailcollector_emailcollector`, column: "password", open },
  ];
}
