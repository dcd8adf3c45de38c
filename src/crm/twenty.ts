import { createHash, hkdfSync } from "node:crypto";
import { existsSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import type { DatabaseAddress, RowBatch, TableSchema } from "../database/database.ts";
import { nameFromText } from "../lib/byte-name.ts";
import { HoldfastError } from "../lib/errors.ts";
import { rowTexts, rowValues, type FieldRules } from "./column-texts.ts";
import type { CrmFiles } from "./crm-files.ts";
import { readEnv, setEnv } from "./env-file.ts";
import { databasePart, detected, readConfiguration, readText, withFiles } from "./known-crm.ts";
import { decipher, readable } from "./open-secret.ts";
import type {
  AttachmentRule,
  CrmDescription,
  CrmParts,
  DetectedCrm,
  OwnedFile,
  PlacedParts,
  Platform,
  StoredSecret,
  Uncovered,
} from "./platform.ts";
import { addressOf, optionsOf, placeOf, type ServerPlace } from "./server-url.ts";
import { neutraliseConfiguration, neutraliseStatements, neutraliseSummary } from "./twenty-clone.ts";
import { twentyModel } from "./twenty-model.ts";

/**
 * Twenty, on PostgreSQL, with Docker Compose or without.
 *
 * `.env` names the database and holds the keys (`ENCRYPTION_KEY`, or `APP_SECRET` of older versions) that tokens and
 * passwords in the database are encrypted with. Files lie in a volume, or on S3: then they are named as not covered. The
 * schema `core` holds what all workspaces share, and one schema a workspace its records. Redis holds a queue and caches.
 */
const configurationFile = ".env";
const composeFiles = ["docker-compose.yml", "docker-compose.yaml", "compose.yml", "compose.yaml"];

export const twenty: Platform = {
  name: "twenty",
  title: "Twenty",
  detect,
  parts,
  neutralise: () => ({
    statements: neutraliseStatements,
    config: (name, text) => (name === configurationFile ? neutraliseConfiguration(text) : undefined),
    summary: neutraliseSummary,
  }),
  relocate: (name, text, placed) =>
    name === configurationFile
      ? relocated(text, placed)
      : composeFiles.includes(name)
        ? relocatedCompose(text)
        : undefined,
  model: twentyModel,
  maintenance: { on: "twenty", off: "twenty-off" },
  installed: async ({ config = [] }) => {
    const place = config.find(({ name }) => name === configurationFile);
    return place && versionOf(readEnv((await readText(place.path)) ?? ""));
  },
  versionParts: 2,
  secrets,
  afterRestore: ["twenty-config", "twenty-start", "twenty-redis"],
};

async function detect(folder: string): Promise<readonly DetectedCrm[]> {
  for (const place of [".", "packages/twenty-server", "packages/twenty-docker"]) {
    const path = join(folder, place, configurationFile);
    const text = await readText(path);
    if (text === undefined) continue;
    const values = readEnv(text);
    const compose = await Promise.all(composeFiles.map(async (name) => readText(join(dirname(path), name))));
    const isTwenty =
      compose.some((one) => one?.includes("twentycrm/twenty") === true) ||
      (values.has("PG_DATABASE_URL") && (values.has("SERVER_URL") || values.has("APP_SECRET")));
    if (isTwenty)
      return [{ ...detected("twenty", databaseOf(values, path).url, path, versionOf(values)), name: "twenty" }];
  }
  return [];
}

async function parts(description: CrmDescription): Promise<CrmParts> {
  const { path, text } = await readConfiguration(description, configurationFile);
  const values = readEnv(text);
  const version = versionOf(values);
  const isLocal = (values.get("STORAGE_TYPE") || "local").toLowerCase() === "local";
  const named = description.files.some(({ name }) => name === "storage");
  const own = isLocal && !named ? [{ name: "storage", path: storageFolder(values, path), excludes: [] }] : [];
  const key = values.get("ENCRYPTION_KEY") || values.get("APP_SECRET");
  const compose = composeFiles.filter((name) => existsSync(join(dirname(path), name))).slice(0, 1);
  return {
    ...(version === undefined ? {} : { version }),
    databases: [databasePart("main", databaseOf(values, path), description.database)],
    folders: withFiles(own, description),
    config: [configurationFile, ...compose].map((name) => ({
      name,
      path: name === configurationFile ? path : join(dirname(path), name),
    })),
    emptyTables: [],
    uncovered: [...(isLocal ? [] : [outsideStorage(values)]), { subject: "Redis", reason: "queue", loses: "nothing" }],
    keys: [
      {
        name: values.has("ENCRYPTION_KEY") ? "ENCRYPTION_KEY" : "APP_SECRET",
        path,
        state: key === undefined ? "missing" : "found",
        use: "stored-tokens",
      },
    ],
    attachments: attachmentRule(),
  };
}

function databaseOf(values: ReadonlyMap<string, string>, path: string): DatabaseAddress {
  const given = (name: string) => values.get(`PG_DATABASE_${name}`) || undefined;
  const named = given("URL");
  const place = named === undefined ? undefined : placeOf(named);
  if (place?.scheme === "postgresql") return withTls(addressOf(place), named ?? "");
  if (named !== undefined) throw new HoldfastError("crm-configuration-unreadable", { path, reason: "PG_DATABASE_URL" });
  // As `docker-compose.yml` puts it together.
  return addressOf({
    scheme: "postgresql",
    host: given("HOST") ?? "db",
    port: given("PORT") ?? "5432",
    user: given("USER") ?? "postgres",
    password: given("PASSWORD") ?? "postgres",
    name: given("NAME") ?? "default",
  });
}

/**
 * As the CRM's own URL says it; what Twenty calls `no-verify` is `require` to all others. Files of certificates that are not here are in
 * its container.
 */
function withTls(address: DatabaseAddress, said: string): DatabaseAddress {
  const url = new URL(address.url);
  for (const [name, value] of optionsOf(said)) {
    if (name === "sslmode") url.searchParams.set(name, value === "no-verify" ? "require" : value);
    else if (certificateNames.has(name) && existsSync(value)) url.searchParams.set(name, value);
  }
  return { ...address, url: url.href };
}

const certificateNames = new Set(["sslrootcert", "sslcert", "sslkey"]);

/** The image's tag where it is a version: `latest` says nothing. */
function versionOf(values: ReadonlyMap<string, string>): string | undefined {
  return /^v?(\d+\.\d+(?:\.\d+)?)/.exec(values.get("TAG") ?? "")?.[1];
}

/** Where the server keeps files, or where Docker keeps the volume that the server has there. */
function storageFolder(values: ReadonlyMap<string, string>, path: string): string {
  const home = dirname(path);
  const named = values.get("STORAGE_LOCAL_PATH") || ".local-storage";
  const project = values.get("COMPOSE_PROJECT_NAME") || "twenty";
  const candidates = [
    resolve(home, named),
    resolve(home, "packages/twenty-server", named),
    `/var/lib/docker/volumes/${project}_server-local-data/_data`,
    `/var/lib/docker/volumes/${basename(home)}_server-local-data/_data`,
  ];
  return candidates.find((folder) => existsSync(folder)) ?? resolve(home, named);
}

function outsideStorage(values: ReadonlyMap<string, string>): Uncovered {
  const bucket = values.get("STORAGE_S3_NAME") ?? "";
  return { subject: bucket === "" ? (values.get("STORAGE_TYPE") ?? "s3") : `s3://${bucket}`, reason: "kept-outside" };
}

/**
 * A file lies in the folder of its workspace and, in that, of the application that made it. Applications are named in a
 * table of their own. From 2.19 on what an application
 * brings for all workspaces lies in a folder beside theirs. Until 1.17, and where nothing was moved since, an attachment names its file itself.
 */
function attachmentRule(): AttachmentRule {
  const applications = new Map<string, string>();
  const inCore = (table: TableSchema, name: string) => table.schema === "core" && table.name === name;
  return {
    ownsFiles: (table) => inCore(table, "file") || ofAttachments(table),
    places: {
      tellsOf: (table) => inCore(table, "application"),
      see(table, batch, rules) {
        for (const { texts } of rowTexts(rules, table, batch, ["id", "universalIdentifier"])) {
          const [id, folder] = texts;
          if (id !== undefined && folder !== undefined) applications.set(id, folder);
        }
      },
    },
    *files(table: TableSchema, batch: RowBatch, rules: FieldRules): Iterable<OwnedFile> {
      if (table.name === "attachment") {
        yield* attachmentFiles(table, batch, rules);
        return;
      }
      const more = ["deletedAt", "status", "applicationRegistrationId"].filter((name) =>
        table.columns.some((one) => one.name === name),
      );
      for (const { texts, row } of rowValues(rules, table, batch, ["path", "workspaceId", "applicationId", ...more])) {
        const [path, workspace, application] = texts;
        const [deleted, status, registration] = ["deletedAt", "status", "applicationRegistrationId"].map((name) =>
          more.includes(name) ? texts[3 + more.indexOf(name)] : undefined,
        );
        const folder = applications.get(application ?? "");
        const home =
          workspace === undefined
            ? registration && "server"
            : folder === undefined
              ? undefined
              : `${workspace}/${folder}`;
        if (!path || !home) continue;
        // What was announced and did not arrive yet has a row, and no file.
        if (deleted !== undefined || status === "PENDING" || path.split("/").includes("..")) continue;
        yield { folder: "storage", path: nameFromText(`${home}/${path}`), row };
      }
    },
    ownable: () => false,
  };
}

function ofAttachments({ schema, name, columns }: TableSchema): boolean {
  return (
    /^workspace_[0-9a-z]+$/.test(schema) && name === "attachment" && columns.some((one) => one.name === "fullPath")
  );
}

/** What has a file of its own, as `[{"fileId": …}]`, is in the table of files. */
function* attachmentFiles(table: TableSchema, batch: RowBatch, rules: FieldRules): Iterable<OwnedFile> {
  const workspace = workspaceOf(table.schema);
  const more = table.columns.some(({ name }) => name === "file") ? ["file"] : [];
  for (const { texts, row } of rowValues(rules, table, batch, ["fullPath", ...more])) {
    const [path = "", file = "[]"] = texts;
    const [name] = /^attachment\/[^/?]+/.exec(path) ?? [];
    if (name !== undefined && file === "[]")
      yield { folder: "storage", path: nameFromText(`workspace-${workspace}/${name}`), row };
  }
}

/** The id that a workspace's schema is called by, as a number in digits and letters. */
function workspaceOf(schema: string): string {
  const digits = Array.from(schema.slice("workspace_".length), (sign) => BigInt(Number.parseInt(sign, 36)));
  const hex = digits.reduce((sum, digit) => sum * 36n + digit, 0n).toString(16);
  return hex.padStart(32, "0").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** The restored copy finds its database and its files, and reads from no standby of another; the password stays as it was. */
function relocated(text: string, { databases, folders }: PlacedParts): string {
  const place = placeOf(databases[0]?.url ?? "");
  const storage = folders.find(({ name }) => name === "storage");
  const values = readEnv(text);
  const old = placeOf(values.get("PG_DATABASE_URL") ?? "");
  let result = text;
  if (place && values.get("PG_DATABASE_URL")) {
    const now = { ...place, user: place.user || old?.user, password: old?.password };
    for (const name of ["PG_DATABASE_URL", "PG_DATABASE_REPLICA_URL"]) {
      const before = values.get(name);
      if (before) result = setEnv(result, name, urlOf(now, [databases[0]?.url ?? "", before]));
    }
  } else if (place) {
    const replica = values.get("PG_DATABASE_REPLICA_URL");
    if (replica) {
      const user = place.user || values.get("PG_DATABASE_USER") || "postgres";
      const now = { ...place, user, password: values.get("PG_DATABASE_PASSWORD") || "postgres" };
      result = setEnv(result, "PG_DATABASE_REPLICA_URL", urlOf(now, [databases[0]?.url ?? "", replica]));
    }
    result = setEnv(result, "PG_DATABASE_HOST", place.host ?? "localhost");
    result = setEnv(result, "PG_DATABASE_PORT", place.port || "5432");
    result = setEnv(result, "PG_DATABASE_NAME", place.name);
    if (place.user) result = setEnv(result, "PG_DATABASE_USER", place.user);
  }
  return storage ? setEnv(result, "STORAGE_LOCAL_PATH", storage.path) : result;
}

/** Twenty's older Compose file takes all of the database's place from `.env` but its name, which is that of the live one. */
function relocatedCompose(text: string): string {
  const url =
    /^(\s*(?:- *)?PG_DATABASE_URL *[:=] *["']?postgres(?:ql)?:\/\/\S*\$\{PG_DATABASE_HOST\S*\/)default(?=["'?\s]|$)/gm;
  return text.replaceAll(url, (_, before: string) => `${before}\${PG_DATABASE_NAME:-default}`);
}

/** With the options of URLs, of which the first that says something decides: how the new place is reached, then how the old one was. */
function urlOf(place: ServerPlace, told: readonly string[]): string {
  const url = new URL(addressOf(place).url.replace(/^postgresql:/, "postgres:"));
  url.password = encodeURIComponent(place.password ?? "");
  for (const [name, value] of told.flatMap(optionsOf)) {
    if (!url.searchParams.has(name)) url.searchParams.append(name, value);
  }
  return url.href;
}

/**
 * `enc:v2:<key's id>:<base64 of vector, text and seal>`: AES-256 in GCM mode with a key that HKDF makes from `ENCRYPTION_KEY`
 * for the workspace. Values of older versions have no mark and no seal, so they prove nothing.
 */
async function secrets({ config }: CrmFiles): Promise<readonly StoredSecret[]> {
  const values = readEnv((await config(configurationFile)) ?? "");
  const keys = ["ENCRYPTION_KEY", "FALLBACK_ENCRYPTION_KEY", "APP_SECRET"].flatMap((name) => values.get(name) || []);
  const open: StoredSecret["open"] = (value, workspace) => {
    const [, id, payload] = /^enc:v2:([0-9a-f]{8}):(.+)$/.exec(value) ?? [];
    if (id === undefined || payload === undefined) return "plain";
    const key = keys.find((one) => createHash("sha256").update(one).digest("hex").startsWith(id));
    if (key === undefined) return "closed";
    const info = (context: string) => Buffer.from(`twenty:enc:v2:${context}`);
    const bytes = Buffer.from(payload, "base64");
    const opened = [workspace, "instance"]
      .filter((context) => context !== undefined)
      .map((context) => Buffer.from(hkdfSync("sha256", Buffer.from(key), Buffer.alloc(32), info(context), 32)))
      .map((derived) =>
        decipher("aes-256-gcm", derived, bytes.subarray(0, 12), bytes.subarray(12, -16), bytes.subarray(-16)),
      );
    return readable(opened.find((plain) => plain !== undefined));
  };
  return [
    { table: "connectedAccount", column: "accessToken", context: "workspaceId", open },
    { table: "connectedAccount", column: "refreshToken", context: "workspaceId", open },
    { table: "webhook", column: "secret", context: "workspaceId", open },
    { table: "applicationVariable", column: "value", context: "workspaceId", open },
    { table: "signingKey", column: "privateKey", open },
  ];
}
