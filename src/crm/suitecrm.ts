import { existsSync, readdirSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import type { DatabaseAddress, RowBatch, TableSchema } from "../database/database.ts";
import { nameFromText } from "../lib/byte-name.ts";
import { HoldfastError } from "../lib/errors.ts";
import { blowfishDecrypt } from "./blowfish.ts";
import { isTrue, rowValues, type FieldRules } from "./column-texts.ts";
import type { CrmFiles } from "./crm-files.ts";
import { readEnv, setEnv } from "./env-file.ts";
import { databasePart, detected, insideOf, needed, readConfiguration, readText, withFiles } from "./known-crm.ts";
import { readable } from "./open-secret.ts";
import { readPhp, setPhp } from "./php-data.ts";
import {
  programFolder,
  type AttachmentRule,
  type CrmDescription,
  type CrmParts,
  type DetectedCrm,
  type KeyPart,
  type OwnedFile,
  type PlacedParts,
  type Platform,
  type StoredSecret,
  type Uncovered,
} from "./platform.ts";
import { addressOf, optionsOf, phpHost, placeOf } from "./server-url.ts";
import { neutraliseConfiguration, neutraliseStatements, neutraliseSummary } from "./suitecrm-clone.ts";
import { suitecrmFile } from "./suitecrm-labels.ts";
import { suitecrmModel } from "./suitecrm-model.ts";

/**
 * SuiteCRM 7 and 8, on MariaDB or MySQL.
 *
 * 7 keeps everything in one folder with `config.php` and, over it, `config_override.php`. 8 has that as `public/legacy`,
 * and a second place that names the database: `.env.local`. A restore to another place changes both. Files lie in
 * `upload/`, named by the id of the row that owns them. Stored passwords are encrypted with keys in `custom/blowfish`,
 * which SuiteCRM makes, silently anew, when it needs one that is not there: so the keys are part of every backup. Studio
 * and the Module Builder write into `custom` and `modules`, so the program is backed up whole, without its caches.
 */
const configurationFile = "config.php";
const overrideFile = "config_override.php";
const environmentFile = ".env.local";

/** In the folder of SuiteCRM 7, which is `public/legacy` in 8. */
const legacyCaches = ["cache/", "*.log", configurationFile, overrideFile];
const ownCaches = ["/cache/", "/logs/", "/tmp/", `/${environmentFile}`];

/** Names of keys in `custom/blowfish`, in rot13: of outgoing and of incoming mail. */
const outgoingKey = "custom/blowfish/BhgObhaqRznvy.php";
const incomingKey = "custom/blowfish/VaobhaqRznvy.php";

export const suitecrm: Platform = {
  name: "suitecrm",
  title: "SuiteCRM",
  detect,
  parts,
  neutralise: () => ({
    statements: neutraliseStatements,
    config: neutraliseConfiguration,
    summary: neutraliseSummary,
  }),
  relocate: relocated,
  model: suitecrmModel,
  maintenance: { on: "web-server", off: "web-server-off" },
  installed: async ({ config = [] }) => {
    const place = config.find(({ name }) => name === configurationFile);
    return place && (await installedVersion(dirname(place.path)));
  },
  secrets,
  afterRestore: ["suitecrm-config", "suitecrm-rights", "suitecrm-repair", "suitecrm-cron"],
};

async function detect(folder: string): Promise<readonly DetectedCrm[]> {
  for (const place of ["public/legacy", "."]) {
    const path = join(folder, place, configurationFile);
    const text = await readText(path);
    if (text === undefined || !text.includes("$sugar_config")) continue;
    const { database } = readDatabase(text, await readText(join(dirname(path), overrideFile)), path);
    return [detected("suitecrm", database.url, path, await installedVersion(dirname(path)))];
  }
  return [];
}

async function parts(description: CrmDescription): Promise<CrmParts> {
  const { path, text } = await readConfiguration(description, configurationFile);
  const legacy = dirname(path);
  const override = await readText(join(legacy, overrideFile));
  const { database, uploads } = readDatabase(text, override, path);
  const root = rootOf(legacy);
  const inside = relative(root, legacy);
  const uploadFolder = resolve(legacy, uploads);
  const version = await installedVersion(legacy);
  const environment = inside === "" ? undefined : await readText(join(root, environmentFile));
  return {
    ...(version === undefined ? {} : { version }),
    databases: [databasePart("main", database, description.database)],
    folders: withFiles(
      [
        {
          name: programFolder,
          path: root,
          excludes: [
            ...legacyCaches.map((pattern) => `/${join(inside, pattern)}`),
            ...(inside === "" ? [] : ownCaches),
            ...insideOf(root, uploadFolder),
          ],
        },
        { name: "upload", path: uploadFolder, excludes: ["/import/", "/upgrades/", "*.log"] },
      ],
      description,
    ),
    config: [
      { name: configurationFile, path },
      ...(override === undefined ? [] : [{ name: overrideFile, path: join(legacy, overrideFile) }]),
      ...(environment === undefined ? [] : [{ name: environmentFile, path: join(root, environmentFile) }]),
    ],
    emptyTables: [],
    uncovered: otherDatabase(environment, database),
    keys: await keysOf(text, legacy, root),
    attachments: attachmentRule,
  };
}

/** The folder of SuiteCRM 8 above `public/legacy`; of SuiteCRM 7 the folder itself. */
function rootOf(legacy: string): string {
  return basename(legacy) === "legacy" && basename(dirname(legacy)) === "public" ? dirname(dirname(legacy)) : legacy;
}

function readDatabase(
  text: string,
  override: string | undefined,
  path: string,
): { readonly database: DatabaseAddress; readonly uploads: string } {
  const [own, over] = [readPhp(text), readPhp(override ?? "")];
  const given = (...keys: readonly string[]) => over.get("sugar_config", ...keys) ?? own.get("sugar_config", ...keys);
  const type = given("dbconfig", "db_type") ?? "mysql";
  if (type !== "mysql") throw new HoldfastError("database-unsupported", { url: `${type}:`, reason: path });
  const database = addressOf({
    scheme: "mariadb",
    host: given("dbconfig", "db_host_name"),
    port: given("dbconfig", "db_port"),
    user: given("dbconfig", "db_user_name"),
    password: given("dbconfig", "db_password"),
    name: needed(given("dbconfig", "db_name"), path, "dbconfig.db_name"),
  });
  return { database, uploads: given("upload_dir") ?? "upload/" };
}

/** SuiteCRM 8 names its database twice; only one of them can be backed up. */
function otherDatabase(environment: string | undefined, own: DatabaseAddress): CrmParts["uncovered"] {
  const named = readEnv(environment ?? "").get("DATABASE_URL");
  const name = named === undefined ? undefined : placeOf(named)?.name;
  return name === undefined || name === placeOf(own.url)?.name
    ? []
    : [{ subject: `${environmentFile}: ${name}`, reason: "suitecrm-two-databases" }];
}

/** `suitecrm_version.php` beside `config.php`; nothing is run. */
async function installedVersion(legacy: string): Promise<string | undefined> {
  const text = await readText(join(legacy, "suitecrm_version.php"));
  return text === undefined ? undefined : readPhp(text).get("suitecrm_version");
}

async function keysOf(text: string, legacy: string, root: string): Promise<readonly KeyPart[]> {
  const blowfish = join(legacy, "custom/blowfish");
  const tokens = join(legacy, "Api/V8/OAuth2/private.key");
  const state = (isThere: boolean) => (isThere ? "found" : "missing");
  const hasKeys = existsSync(blowfish) && readdirSync(blowfish).some((name) => name.endsWith(".php"));
  const clients = [{ table: "oauth2clients", column: "id" }];
  const shared: readonly KeyPart[] = [
    {
      name: "custom/blowfish",
      path: blowfish,
      state: state(hasKeys),
      use: "mail-passwords",
      usedBy: [
        { table: "outbound_email", column: "mail_smtppass" },
        { table: "inbound_email", column: "email_password" },
      ],
    },
    {
      name: "Api/V8/OAuth2/private.key",
      path: tokens,
      state: state(existsSync(tokens)),
      use: "program-sign-in",
      usedBy: clients,
    },
    {
      name: "oauth2_encryption_key",
      path: join(legacy, configurationFile),
      state: state(readPhp(text).get("sugar_config", "oauth2_encryption_key") !== undefined),
      use: "program-sign-in",
      usedBy: clients,
    },
  ];
  if (root === legacy) return shared;
  const values = await Promise.all(
    [".env", environmentFile].map(async (name) => readEnv((await readText(join(root, name))) ?? "").get("APP_SECRET")),
  );
  const found = values.some((value) => value !== undefined && value !== "");
  return [...shared, { name: "APP_SECRET", path: join(root, environmentFile), state: state(found), use: "sign-in" }];
}

/** Rows whose file has their id for its name: where a column says that there is one. `kind`: where it is kept. */
const owners: Readonly<Record<string, Owner>> = {
  notes: { column: "filename", suffix: "" },
  document_revisions: { column: "filename", suffix: "", kind: "doc_type" },
  contacts: { column: "photo", suffix: "_photo" },
  leads: { column: "photo", suffix: "_photo" },
  prospects: { column: "photo", suffix: "_photo" },
  users: { column: "photo", suffix: "_photo" },
};

interface Owner {
  readonly column: string;
  readonly suffix: string;
  readonly kind?: string;
}

/** Modules for files that the Module Builder made are not known by name, but by what it gives them. */
function ownerOf({ name, columns }: TableSchema): Owner | undefined {
  const isOfFiles = ["id", "deleted", "filename", "file_mime_type"].every((one) =>
    columns.some((column) => column.name === one),
  );
  return owners[name] ?? (isOfFiles ? { column: "filename", suffix: "" } : undefined);
}

/** Files of deleted rows are moved to `deleted/`; what no row names may be a module's own. */
const attachmentRule: AttachmentRule = {
  ownsFiles: (table) => ownerOf(table) !== undefined,
  *files(table: TableSchema, batch: RowBatch, rules: FieldRules): Iterable<OwnedFile> {
    for (const { id, suffix, place, row } of ownersIn(table, batch, rules)) {
      if (place === undefined) yield { folder: "upload", path: nameFromText(`${id}${suffix}`), row };
    }
  },
  *outside(table: TableSchema, batch: RowBatch, rules: FieldRules): Iterable<Uncovered> {
    for (const { place } of ownersIn(table, batch, rules)) {
      if (place !== undefined) yield { subject: place, reason: "kept-outside" };
    }
  },
  ownable: () => false,
};

function* ownersIn(table: TableSchema, batch: RowBatch, rules: FieldRules) {
  const owner = ownerOf(table);
  if (!owner) return;
  const columns = ["id", owner.column, "deleted", ...(owner.kind === undefined ? [] : [owner.kind])];
  for (const { texts, row } of rowValues(rules, table, batch, columns)) {
    const [id, name, deleted, kind] = texts;
    if (id === undefined || !/^[\w-]+$/.test(id) || name === undefined || name === "" || isTrue(deleted)) continue;
    const place = kind === undefined || kind === "" || kind === "Sugar" ? undefined : kind;
    yield { id, suffix: owner.suffix, place, row };
  }
}

/** Folders that are usually named from SuiteCRM's own, as it comes: in full they are those of the CRM that a copy is of. */
const usualFolders: readonly (readonly [key: string, usual: string])[] = [
  ["cache_dir", "cache/"],
  ["import_dir", "cache/import/"],
  ["tmp_dir", "cache/xml/"],
  ["log_dir", "."],
];

/** The restored copy finds its database, in both places that name it, and writes into no folder of another. */
function relocated(name: string, text: string, { databases, folders }: PlacedParts): string | undefined {
  const place = placeOf(databases[0]?.url ?? "");
  if (!place) return undefined;
  if (name === environmentFile) {
    const before = readEnv(text).get("DATABASE_URL") ?? "";
    const old = placeOf(before);
    const moved = new URL(`mysql://${phpHost({ ...place, socket: undefined })}`);
    moved.username = encodeURIComponent(place.user || old?.user || "");
    moved.password = encodeURIComponent(old?.password ?? "");
    if (place.port) moved.port = place.port;
    moved.pathname = `/${encodeURIComponent(place.name)}`;
    if (place.socket !== undefined) moved.searchParams.set("unix_socket", place.socket);
    for (const [key, value] of optionsOf(before)) moved.searchParams.append(key, value);
    return setEnv(text, "DATABASE_URL", moved.href);
  }
  const php = readPhp(text);
  const overrides = name === overrideFile ? php.keys("sugar_config", "dbconfig") : undefined;
  if (name !== configurationFile && overrides === undefined) return undefined;
  const upload = folders.find((folder) => folder.name === "upload")?.path;
  const moved = [...usualFolders, ...(upload === undefined ? [] : [["upload_dir", `${upload}/`] as const])].filter(
    ([key]) => php.get("sugar_config", key)?.startsWith("/"),
  );
  const here = moved.reduce((result, [key, value]) => setPhp(result, ["sugar_config", key], value), text);
  const values: readonly (readonly [string, string])[] = [
    ["db_host_name", phpHost(place)],
    ["db_port", place.port ?? ""],
    ["db_name", place.name],
    ...(place.user ? [["db_user_name", place.user] as const] : []),
  ];
  return values
    .filter(([key]) => overrides?.includes(key) ?? true)
    .reduce((result, [key, value]) => setPhp(result, ["sugar_config", "dbconfig", key], value), here);
}

/** Passwords of mail servers: Blowfish in ECB mode with the key file's key, base64. */
async function secrets(files: CrmFiles): Promise<readonly StoredSecret[]> {
  const keyOf = async (path: string): Promise<string | undefined> => {
    const text = await suitecrmFile(files, path);
    return text === undefined ? undefined : readPhp(text).get("key", "0");
  };
  const secret = (table: string, column: string, key: string | undefined): StoredSecret => ({
    table,
    column,
    open: (value) => {
      if (value === "" || !/^[A-Za-z0-9+/]+=*$/.test(value)) return "plain";
      const plain = blowfishDecrypt(Buffer.from(key ?? ""), Buffer.from(value, "base64"));
      return readable(plain?.subarray(0, plain.length - (/\0*$/.exec(plain.toString("latin1"))?.[0].length ?? 0)));
    },
  });
  return [
    secret("outbound_email", "mail_smtppass", await keyOf(outgoingKey)),
    secret("inbound_email", "email_password", await keyOf(incomingKey)),
  ];
}
