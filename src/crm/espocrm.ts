import { createHash } from "node:crypto";
import { basename, dirname, join } from "node:path";
import type { DatabaseAddress, RowBatch, TableSchema } from "../database/database.ts";
import { nameFromText } from "../lib/byte-name.ts";
import { HoldfastError } from "../lib/errors.ts";
import { isTrue, rowValues, type FieldRules } from "./column-texts.ts";
import type { CrmFiles } from "./crm-files.ts";
import { neutraliseConfiguration, neutraliseStatements, neutraliseSummary } from "./espocrm-clone.ts";
import { espocrmModel } from "./espocrm-model.ts";
import { databasePart, detected, needed, readConfiguration, readText, withFiles } from "./known-crm.ts";
import { decipher, readable } from "./open-secret.ts";
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
import { addressOf, phpHost, placeOf } from "./server-url.ts";

/**
 * EspoCRM, on MariaDB, MySQL or PostgreSQL.
 *
 * `data/config-internal.php` names the database and holds the keys (`cryptKey`, `hashSecretKey`, `passwordSalt`); older
 * versions keep all in `data/config.php`. Attachments lie in `data/upload`, named by the id of their row, or of the row
 * that they are a copy of. Extensions write into the program's own folders, so it is backed up whole, without caches.
 */
const mainFile = "config.php";
/** The later ones stand over the earlier ones. */
const files = [mainFile, "state.php", "config-override.php", "config-internal.php", "config-internal-override.php"];
const caches = ["/data/cache/", "/data/logs/", "/data/tmp/", "/data/.backup/", "/data/upload/"];

export const espocrm: Platform = {
  name: "espocrm",
  title: "EspoCRM",
  detect,
  parts,
  neutralise: () => ({
    statements: neutraliseStatements,
    config: neutraliseConfiguration,
    summary: neutraliseSummary,
  }),
  relocate: (name, text, placed) => (files.includes(name) ? relocated(text, placed) : undefined),
  model: espocrmModel,
  maintenance: { on: "espocrm", off: "espocrm-off" },
  installed: async ({ config = [] }) => {
    const place = config.find(({ name }) => name === mainFile);
    return place && readPhp((await readText(place.path)) ?? "").get("return", "version");
  },
  secrets,
  afterRestore: ["espocrm-config", "espocrm-rights", "espocrm-rebuild", "espocrm-cron"],
};

async function detect(folder: string): Promise<readonly DetectedCrm[]> {
  for (const data of [join(folder, "data"), folder]) {
    for (const name of ["config-internal.php", mainFile]) {
      const path = join(data, name);
      const text = await readText(path);
      if (text === undefined || readPhp(text).keys("return", "database").length === 0) continue;
      const { given } = await readAll(data);
      return [detected("espocrm", databaseOf(given, path).url, path, given("version"))];
    }
  }
  return [];
}

type Given = (...path: readonly string[]) => string | undefined;

/** What all configuration files together say. */
async function readAll(data: string): Promise<{ readonly given: Given; readonly there: readonly string[] }> {
  const texts = await Promise.all(files.map(async (name) => ({ name, text: await readText(join(data, name)) })));
  const read = texts.flatMap(({ name, text }) => (text === undefined ? [] : [{ name, php: readPhp(text) }]));
  return {
    given: (...path) =>
      read.toReversed().reduce<string | undefined>((v, { php }) => v ?? php.get("return", ...path), undefined),
    there: read.map(({ name }) => name),
  };
}

async function parts(description: CrmDescription): Promise<CrmParts> {
  const { path } = await readConfiguration(description, "data/config-internal.php");
  const data = dirname(path);
  const { given, there } = await readAll(data);
  const version = given("version");
  const root = dirname(data);
  return {
    ...(version === undefined ? {} : { version }),
    databases: [databasePart("main", databaseOf(given, path), description.database)],
    folders: withFiles(
      [
        {
          name: programFolder,
          path: root,
          excludes: [...caches, ...there.map((name) => `/${basename(data)}/${name}`)],
        },
        { name: "upload", path: join(data, "upload"), excludes: ["/thumbs/"] },
      ],
      description,
    ),
    config: there.map((name) => ({ name, path: join(data, name) })),
    emptyTables: [],
    uncovered: [],
    keys: keysOf(given, path),
    attachments: attachmentRule,
  };
}

function databaseOf(given: Given, path: string): DatabaseAddress {
  const platform = given("database", "platform") ?? given("database", "driver") ?? "Mysql";
  const scheme = /^(pdo_)?(postgres|pgsql)/i.test(platform)
    ? "postgresql"
    : /^(pdo_)?mysql/i.test(platform)
      ? "mariadb"
      : undefined;
  if (scheme === undefined) throw new HoldfastError("database-unsupported", { url: `${platform}:`, reason: path });
  return addressOf({
    scheme,
    host: given("database", "host"),
    port: given("database", "port"),
    user: given("database", "user"),
    password: given("database", "password"),
    name: needed(given("database", "dbname"), path, "database.dbname"),
  });
}

function keysOf(given: Given, path: string): readonly KeyPart[] {
  const key = (name: string, use: string): KeyPart => ({
    name,
    path,
    state: given(name) === undefined || given(name) === "" ? "missing" : "found",
    use,
  });
  return [
    key("cryptKey", "mail-passwords"),
    key("hashSecretKey", "links"),
    // Newer versions keep what they need beside each password, in a form that begins with `$`.
    { ...key("passwordSalt", "sign-in"), usedBy: [{ table: "user", column: "password", like: /^[^$]/ }] },
  ];
}

const ownStorage = "EspoUploadDir";

/** Espo removes files some time after their row was deleted, so a file without a row is nothing unusual. */
const attachmentRule: AttachmentRule = {
  ownsFiles: (table) => table.name === "attachment",
  *files(table: TableSchema, batch: RowBatch, rules: FieldRules): Iterable<OwnedFile> {
    for (const { id, storage, row } of attachmentsIn(table, batch, rules)) {
      if (storage === ownStorage) yield { folder: "upload", path: nameFromText(id), row };
    }
  },
  *outside(table: TableSchema, batch: RowBatch, rules: FieldRules): Iterable<Uncovered> {
    for (const { storage } of attachmentsIn(table, batch, rules)) {
      if (storage !== ownStorage) yield { subject: storage, reason: "kept-outside" };
    }
  },
  ownable: () => false,
};

function* attachmentsIn(table: TableSchema, batch: RowBatch, rules: FieldRules) {
  for (const { texts, row } of rowValues(rules, table, batch, ["id", "source_id", "storage", "deleted"])) {
    const [own, source, storage, deleted] = texts;
    const id = source || own;
    if (id === undefined || !/^[\w-]+$/.test(id) || isTrue(deleted)) continue;
    yield { id, storage: storage || ownStorage, row };
  }
}

/** The restored copy finds its database, in whichever file names one, and writes no log of another. */
function relocated(before: string, { databases }: PlacedParts): string | undefined {
  const place = placeOf(databases[0]?.url ?? "");
  const log = ["return", "logger", "path"];
  const text = readPhp(before)
    .get(...log)
    ?.startsWith("/")
    ? setPhp(before, log, "data/logs/espo.log")
    : before;
  if (!place || readPhp(text).keys("return", "database").length === 0) return text;
  const host = place.scheme === "mariadb" ? phpHost(place) : place.host || "localhost";
  const values: readonly (readonly [string, string])[] = [
    ["host", host],
    ["port", place.port ?? ""],
    ["dbname", place.name],
    ...(place.user ? [["user", place.user] as const] : []),
  ];
  return values.reduce((result, [key, value]) => setPhp(result, ["return", "database", key], value), text);
}

/** Passwords of mail accounts: AES-256 in CBC mode, the key is the SHA-256 of `cryptKey`, the vector stands at the end. */
async function secrets({ config }: CrmFiles): Promise<readonly StoredSecret[]> {
  const texts = await Promise.all(files.map(config));
  const found = texts.flatMap((text) => (text === undefined ? [] : [readPhp(text).get("return", "cryptKey")]));
  const cryptKey = found.findLast((value) => value !== undefined) ?? "";
  const key = createHash("sha256").update(cryptKey).digest();
  const open: StoredSecret["open"] = (value) => {
    const bytes = Buffer.from(value, "base64");
    if (value === "" || !/^[A-Za-z0-9+/]+=*$/.test(value) || bytes.length < 32 || bytes.length % 16 !== 0)
      return "plain";
    return readable(decipher("aes-256-cbc", key, bytes.subarray(-16), bytes.subarray(0, -16)));
  };
  return ["email_account", "inbound_email"].flatMap((table) =>
    ["password", "smtp_password"].map((column) => ({ table, column, open })),
  );
}
