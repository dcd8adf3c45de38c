import { existsSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import type { DatabaseAddress, RowBatch, TableSchema } from "../database/database.ts";
import { nameFromText } from "../lib/byte-name.ts";
import { HoldfastError } from "../lib/errors.ts";
import { rowValues, type FieldRules } from "./column-texts.ts";
import { databasePart, detected, needed, readConfiguration, readText, withFiles } from "./known-crm.ts";
import { readPhp, setPhp } from "./php-data.ts";
import {
  programFolder,
  type AttachmentRule,
  type CrmDescription,
  type CrmParts,
  type DetectedCrm,
  type OwnedFile,
  type PlacedParts,
  type Platform,
} from "./platform.ts";
import { addressOf, phpHost, placeOf } from "./server-url.ts";
import { neutraliseConfiguration, neutraliseStatements, neutraliseSummary } from "./vtiger-clone.ts";
import { vtigerModel } from "./vtiger-model.ts";

/**
 * Vtiger 7 and 8, on MariaDB or MySQL.
 *
 * `config.inc.php` names the database, the web address and the folder that Vtiger lies in. Files lie in `storage/`, by
 * year, month and week, each named by the id of its row in `vtiger_attachments`. Modules, layouts, languages and
 * `user_privileges/` are written into the program's own folder, so it is backed up whole, without caches. Vtiger has no
 * secret in its database that needs a key to be read: a stored mail password is only turned around, not encrypted.
 */
const configurationFile = "config.inc.php";
const csrfFile = "config.csrf-secret.php";
const overrideFile = "config_override.php";
const caches = ["/cache/", "/logs/", "/test/templates_c/", "/test/upload/", "/storage/"];

export const vtiger: Platform = {
  name: "vtiger",
  title: "Vtiger",
  detect,
  parts,
  neutralise: () => ({
    statements: neutraliseStatements,
    config: (name, text) => (name === configurationFile ? neutraliseConfiguration(text) : undefined),
    summary: neutraliseSummary,
  }),
  relocate: (name, text, placed) => (name === configurationFile ? relocated(text, placed) : undefined),
  model: vtigerModel,
  maintenance: { on: "web-server", off: "web-server-off" },
  installed: async ({ config = [] }) => {
    const place = config.find(({ name }) => name === configurationFile);
    return place && (await installedVersion(dirname(place.path)));
  },
  afterRestore: ["vtiger-config", "vtiger-rights", "vtiger-privileges", "vtiger-cron"],
};

async function detect(folder: string): Promise<readonly DetectedCrm[]> {
  const path = join(folder, configurationFile);
  const text = await readText(path);
  if (text === undefined || !text.includes("$dbconfig")) return [];
  return [detected("vtiger", databaseOf(text, path).url, path, await installedVersion(folder))];
}

async function parts(description: CrmDescription): Promise<CrmParts> {
  const { path, text } = await readConfiguration(description, configurationFile);
  const root = dirname(path);
  const version = await installedVersion(root);
  const own = [configurationFile, csrfFile, overrideFile].filter((name) => existsSync(join(root, name)));
  const key = readPhp(text).get("application_unique_key");
  return {
    ...(version === undefined ? {} : { version }),
    databases: [databasePart("main", databaseOf(text, path), description.database)],
    folders: withFiles(
      [
        { name: programFolder, path: root, excludes: [...caches, ...own.map((name) => `/${name}`)] },
        { name: "storage", path: join(root, "storage"), excludes: [] },
      ],
      description,
    ),
    config: own.map((name) => ({ name, path: join(root, name) })),
    emptyTables: [],
    uncovered: [],
    keys: [
      {
        name: "application_unique_key",
        path,
        state: key === undefined || key === "" ? "missing" : "found",
        use: "sign-in",
      },
      {
        name: csrfFile,
        path: join(root, csrfFile),
        state: existsSync(join(root, csrfFile)) ? "found" : "missing",
        use: "open-forms",
      },
    ],
    attachments: attachmentRule,
  };
}

function databaseOf(text: string, path: string): DatabaseAddress {
  const php = readPhp(text);
  const given = (key: string): string | undefined => php.get("dbconfig", key);
  const type = given("db_type") ?? "mysqli";
  if (!/^mysqli?$/.test(type)) throw new HoldfastError("database-unsupported", { url: `${type}:`, reason: path });
  return addressOf({
    scheme: "mariadb",
    // The port is written with the colon that stands before it.
    host: `${given("db_server") ?? "localhost"}${given("db_port") ?? ""}`,
    user: given("db_username"),
    password: given("db_password"),
    name: needed(given("db_name"), path, "$dbconfig['db_name']"),
  });
}

/** `vtigerversion.php` beside the configuration; nothing is run. */
async function installedVersion(root: string): Promise<string | undefined> {
  const text = await readText(join(root, "vtigerversion.php"));
  return text === undefined ? undefined : readPhp(text).get("vtiger_current_version");
}

/** Older rows have no `storedname`: their file has the name that people see. */
const attachmentRule: AttachmentRule = {
  ownsFiles: (table) => table.name === "vtiger_attachments",
  *files(table: TableSchema, batch: RowBatch, rules: FieldRules): Iterable<OwnedFile> {
    const stored = table.columns.some(({ name }) => name === "storedname") ? ["storedname"] : [];
    for (const { texts, row } of rowValues(rules, table, batch, ["attachmentsid", "path", "name", ...stored])) {
      const [id, folder, shown, name] = texts;
      if (id === undefined || folder === undefined || folder === "") continue;
      const path = posix.normalize(`${folder}/${id}_${name || shown || ""}`).replace(/^(\.?\/)?storage\//, "");
      if (!path.startsWith("../") && !path.startsWith("/")) yield { folder: "storage", path: nameFromText(path), row };
    }
  },
  ownable: () => false,
};

function relocated(text: string, { databases, folders }: PlacedParts): string {
  const place = placeOf(databases[0]?.url ?? "");
  const root = folders.find(({ name }) => name === programFolder);
  const values: readonly (readonly [readonly string[], string])[] = [
    ...(root ? [[["root_directory"], `${root.path}/`] as const] : []),
    ...(place
      ? [
          [["dbconfig", "db_server"], phpHost(place)] as const,
          [["dbconfig", "db_port"], place.port ? `:${place.port}` : ""] as const,
          [["dbconfig", "db_name"], place.name] as const,
        ]
      : []),
    ...(place?.user ? [[["dbconfig", "db_username"], place.user] as const] : []),
  ];
  return values.reduce((result, [path, value]) => setPhp(result, path, value), text);
}
