import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join, posix } from "node:path";
import type { RowBatch, TableSchema } from "../database/database.ts";
import { nameFromText } from "../lib/byte-name.ts";
import { HoldfastError } from "../lib/errors.ts";
import { rowTexts, type FieldRules } from "./column-texts.ts";
import { neutraliseConfiguration, neutraliseStatements, neutraliseSummary } from "./dolibarr-clone.ts";
import { readDolibarrConfig, type DolibarrConfig } from "./dolibarr-config.ts";
import { setPhpValue } from "./php-assignments.ts";
import type {
  AttachmentRule,
  CrmDescription,
  CrmParts,
  DetectedCrm,
  OwnedFile,
  Platform,
  PlacedParts,
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
  afterRestore: ["dolibarr-config", "dolibarr-start"],
};

async function detect(folder: string): Promise<readonly DetectedCrm[]> {
  for (const configuration of [...places.map((place) => join(folder, place, configurationFile)), systemConfiguration]) {
    const text = await readFile(configuration, "utf8").catch(() => undefined);
    if (text === undefined || !text.includes("$dolibarr_main_")) continue;
    const config = readDolibarrConfig(text, configuration);
    if (configuration === systemConfiguration && config.dataRoot !== folder) continue;
    const version = await installedVersion(config, configuration);
    const name = decodeURIComponent(new URL(config.database).pathname.slice(1));
    return [
      {
        platform: "dolibarr",
        name: name.replaceAll(/[^\p{L}\p{N}._-]+/gu, "-").replace(/^[._-]+/, "") || "dolibarr",
        database: config.database,
        files: [],
        configuration,
        attachments: [],
        ...(version === undefined ? {} : { version }),
      },
    ];
  }
  return [];
}

async function parts(description: CrmDescription): Promise<CrmParts> {
  const { configuration, files, excludes } = description;
  const path = configuration ?? configurationFile;
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    throw new HoldfastError("crm-configuration-unreadable", { crm: description.name, path }, error);
  });
  const config = readDolibarrConfig(text, path);
  const version = await installedVersion(config, path);
  const url = description.database ?? config.database;
  const isOwn = url === config.database;
  const modules = [
    ...config.moduleRoots,
    ...(config.documentRoot === undefined ? [] : [join(config.documentRoot, "custom")]),
  ];
  return {
    ...(version === undefined ? {} : { version }),
    databases: [{ name: "main", url, ...(isOwn && config.password !== undefined && { password: config.password }) }],
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
    attachments: attachmentRule(`${config.prefix}ecm_files`),
  };
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
    const text = await readFile(join(root, "filefunc.inc.php"), "utf8").catch(() => "");
    const version = /define\(\s*['"]DOL_VERSION['"]\s*,\s*['"]([\w.-]+)['"]\s*\)/.exec(text)?.[1];
    if (version !== undefined) return version;
  }
  return undefined;
}

/** The restored copy finds its documents and its database. */
function relocated(text: string, { folders, databases }: PlacedParts): string {
  const documents = folders.find(({ name }) => name === "documents");
  const custom = folders.find(({ name }) => name === "custom");
  const [database] = databases;
  let result = text;
  if (documents) result = setPhpValue(result, "dolibarr_main_data_root", documents.path);
  if (custom) result = setPhpValue(result, "dolibarr_main_document_root_alt", custom.path);
  if (!database || !URL.canParse(database.url)) return result;
  const url = new URL(database.url);
  const socket = url.searchParams.get("socket");
  result = setPhpValue(result, "dolibarr_main_db_name", decodeURIComponent(url.pathname.slice(1)));
  result = setPhpValue(result, "dolibarr_main_db_host", socket === null ? url.hostname : `${url.hostname}:${socket}`);
  if (url.port !== "") result = setPhpValue(result, "dolibarr_main_db_port", url.port);
  return url.username === "" ? result : setPhpValue(result, "dolibarr_main_db_user", decodeURIComponent(url.username));
}
