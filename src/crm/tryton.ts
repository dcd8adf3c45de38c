import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { DatabaseAddress, RowBatch, TableSchema } from "../database/database.ts";
import { isSqliteUrl, sqlitePath } from "../database/sqlite/location.ts";
import { nameFromText } from "../lib/byte-name.ts";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import { columnTexts, type FieldRules } from "./column-texts.ts";
import type { AttachmentRule, CrmDescription, CrmParts, DetectedCrm, OwnedFile, Platform } from "./platform.ts";
import { neutraliseConfiguration, neutraliseStatements, neutraliseSummary } from "./tryton-clone.ts";
import { type TrytonConfig, fileColumns, moveTrytonPath, readTrytonConfig, storeOf } from "./tryton-config.ts";
import { databasesIn, installedVersion } from "./tryton-install.ts";
import { startTryton } from "./tryton-run.ts";
import { trytonModel } from "./tryton-model.ts";
import {
  databasesOn,
  type FoundDatabases,
  moveTrytonServer,
  nameOfDatabase,
  trytonAddress,
} from "./tryton-postgres.ts";

/**
 * Tryton 6.0 as Debian 12 has it, on SQLite or PostgreSQL.
 *
 * `trytond.conf` says where everything is: `[database] uri` the server, or that SQLite is meant; `[database] path` holds
 * `<name>.sqlite` for each database on SQLite and, for any, a
 * folder for each store of files, by default one of the database's name. A file lies in `xx/yy/<id>`, where the id is
 * the MD5 of its content (with `-1`, `-2` after it where two contents share one) and xx and yy are its first digits.
 * A column that names such files stands beside the column that would hold the content otherwise: `data` and `file_id`
 * in `ir_attachment`, `image` and `image_id` in `ir_avatar`. Tryton never removes a file from its store, so a file that
 * no row owns is nothing unusual and is not reported.
 *
 * `ir_queue` is kept: with a worker it holds work that is still to be done. A clone must not do it, so it is emptied
 * there.
 */
const emptyTables = ["ir_session", "ir_session_wizard", "ir_cache", "res_user_login_attempt"];

/** What lies in `[database] path` and is no file of a store: a store may have the empty prefix, so be `path` itself. */
const notInStores = ["/*.sqlite", "/*.sqlite-journal", "/*.sqlite-wal", "/*.sqlite-shm", "/trytond-stat.socket"];

const engines: readonly string[] = ["sqlite", "postgresql"];
/** How long a server may take to say which databases it has. */
const askMs = 15_000;

const configurationFile = "trytond.conf";
/** Debian's services take this one for their logging. */
const loggingFile = "trytond_log.conf";
const systemConfiguration = `/etc/tryton/${configurationFile}`;

export const tryton: Platform = {
  name: "tryton",
  title: "Tryton",
  detect,
  parts,
  neutralise: () => ({
    statements: neutraliseStatements,
    config: (name, text) => (isConfiguration(name) ? neutraliseConfiguration(text) : undefined),
    summary: neutraliseSummary,
  }),
  relocate: (name, text, placed) => {
    const database = placed.databases[0];
    if (database === undefined || !isConfiguration(name)) return undefined;
    return isSqliteUrl(database.url)
      ? moveTrytonPath(text, dirname(sqlitePath(database.url)))
      : moveTrytonServer(text, readTrytonConfig(text, name).uri, placed);
  },
  model: trytonModel,
  start: startTryton,
  maintenance: { on: "tryton", off: "tryton-off" },
  installed: () => installedVersion(),
  versionParts: 2,
  afterRestore: ["tryton-start", "tryton-update"],
};

/** In `folder`, or, when `folder` is where the system's Tryton keeps its data, from the system's configuration. */
async function detect(folder: string): Promise<readonly DetectedCrm[]> {
  for (const configuration of [join(folder, configurationFile), systemConfiguration]) {
    const text = await readFile(configuration, "utf8").catch(() => undefined);
    if (text === undefined) continue;
    const config = readTrytonConfig(text, configuration);
    const isHere = dirname(configuration) === folder || config.path === folder;
    if (!isHere || !engines.includes(config.engine)) continue;
    const version = await installedVersion();
    const { names, unasked } = await databasesOf(config).catch((error: unknown) => {
      if (isHoldfastError(error)) return { names: [], unasked: [] };
      throw error;
    });
    return names.map((name) => ({
      platform: "tryton",
      name,
      database: addressOf(config, name).url,
      files: [],
      configuration,
      attachments: [],
      ...(version === undefined ? {} : { version }),
      ...(unasked.length > 0 && { unasked }),
    }));
  }
  return [];
}

async function parts(description: CrmDescription): Promise<CrmParts> {
  const { configuration, files, excludes } = description;
  if (configuration === undefined) {
    throw new HoldfastError("crm-configuration-unreadable", { crm: description.name, path: configurationFile });
  }
  const text = await readFile(configuration, "utf8").catch((error: unknown) => {
    throw new HoldfastError("crm-configuration-unreadable", { crm: description.name, path: configuration }, error);
  });
  const config = readTrytonConfig(text, configuration);
  if (!engines.includes(config.engine)) throw new HoldfastError("database-unsupported", { url: `${config.engine}:` });
  const { name: database, unasked } = await databaseName(config, description);
  const named = config.engine === "sqlite" ? database : (description.database ?? database);
  const logging = join(dirname(configuration), loggingFile);
  const version = await installedVersion();
  return {
    ...(version === undefined ? {} : { version }),
    databases: [{ name: "main", ...addressOf(config, named) }],
    folders: [
      ...storeFolders(config, database).map((store) => ({ ...store, excludes: [...store.excludes, ...excludes] })),
      ...files.map(({ name, path }) => ({ name, path, excludes })),
    ],
    config: [configuration, ...(existsSync(logging) ? [logging] : [])].map((path) => ({ name: basename(path), path })),
    emptyTables,
    uncovered: unasked.map((subject) => ({ subject, reason: "tryton-unasked" })),
    attachments: attachmentRule(config, database),
  };
}

function addressOf(config: TrytonConfig, named: string): DatabaseAddress {
  return config.engine === "sqlite"
    ? { url: `sqlite:${join(config.path, `${named}.sqlite`)}` }
    : trytonAddress(config.uri, named);
}

async function databasesOf(config: TrytonConfig): Promise<FoundDatabases> {
  return config.engine === "sqlite"
    ? { names: await databasesIn(config.path), unasked: [] }
    : await databasesOn(config.uri, process.env, AbortSignal.timeout(askMs));
}

/**
 * The one that `holdfast.yaml` names, by URL or as trytond names it; else the only one in the folder or on the server, with those that may be
 * another one.
 */
async function databaseName(
  config: TrytonConfig,
  description: CrmDescription,
): Promise<{ readonly name: string; readonly unasked: readonly string[] }> {
  const named = description.database;
  if (named !== undefined) {
    const ofFile = basename(isSqliteUrl(named) ? sqlitePath(named) : named, ".sqlite");
    return { name: config.engine === "sqlite" ? ofFile : nameOfDatabase(named), unasked: [] };
  }
  const { names, unasked } = await databasesOf(config);
  const [name] = names;
  if (name === undefined) {
    const path = config.engine === "sqlite" ? join(config.path, "*.sqlite") : addressOf(config, "").url;
    throw new HoldfastError("source-missing", { path });
  }
  if (names.length > 1) {
    throw new HoldfastError("crm-database-ambiguous", {
      crm: description.name,
      path: config.path,
      found: names.join(", "),
    });
  }
  return { name, unasked };
}

/** The stores that are on disk: until the first file is stored there is none, and nothing is missing. */
function storeFolders(config: TrytonConfig, database: string): CrmParts["folders"] {
  const stores = [undefined, ...config.prefixes].map((prefix) => storeOf(config, database, prefix));
  const unique = [...new Map(stores.map((store) => [store.path, store])).values()];
  return unique
    .filter((store) => existsSync(store.path))
    .map((store) => ({
      ...store,
      excludes: [
        ...(store.path === config.path ? notInStores : []),
        ...unique
          .filter((other) => other.path.startsWith(`${store.path}/`))
          .map((other) => `${other.path.slice(store.path.length)}/`),
      ],
    }));
}

function attachmentRule(config: TrytonConfig, database: string): AttachmentRule {
  return {
    ownsFiles: (table) => fileColumns(config, table).length > 0,
    *files(table: TableSchema, batch: RowBatch, rules: FieldRules): Iterable<OwnedFile> {
      for (const { column, prefix } of fileColumns(config, table)) {
        const { name: folder } = storeOf(config, database, prefix);
        for (const { text, row } of columnTexts(rules, table, batch, column)) {
          const path = storedPath(text);
          if (path !== undefined) yield { folder, path: nameFromText(path), row };
        }
      }
    },
    ownable: () => false,
  };
}

function storedPath(id: string): string | undefined {
  return /^[0-9a-f]{32}(-\d+)?$/.test(id) ? `${id.slice(0, 2)}/${id.slice(2, 4)}/${id}` : undefined;
}

function isConfiguration(name: string): boolean {
  return name !== loggingFile && name.endsWith(".conf");
}
