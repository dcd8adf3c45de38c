import { existsSync, readdirSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import type { DatabaseAddress, RowBatch, TableSchema } from "../database/database.ts";
import { nameFromText } from "../lib/byte-name.ts";
import { HoldfastError } from "../lib/errors.ts";
import { rowTexts, type FieldRules } from "./column-texts.ts";
import { type Ini, IniError, readIni, setIniOption } from "./ini.ts";
import { databasePart, detected, readConfiguration, readText, withFiles } from "./known-crm.ts";
import { neutraliseConfiguration, neutraliseStatements, neutraliseSummary } from "./odoo-clone.ts";
import { odooModel } from "./odoo-model.ts";
import type {
  AttachmentRule,
  CrmDescription,
  CrmParts,
  DetectedCrm,
  OwnedFile,
  PlacedParts,
  Platform,
  Uncovered,
} from "./platform.ts";
import { addressOf, placeOf } from "./server-url.ts";

/**
 * Odoo 13 and later, on PostgreSQL.
 *
 * `odoo.conf` names the server and `data_dir`; `data_dir/filestore/<database>` holds attachments, named by the SHA-1 of
 * their content, so one file may serve many rows. Odoo removes files some time after their last row, so a file without a
 * row is nothing unusual. The program is installed by its own package and is not backed up, modules of your own are:
 * folders of `addons_path` that do not hold Odoo's own, and the one in `data_dir` where Odoo looks for some too.
 */
const configurationFile = "odoo.conf";
const places = [configurationFile, `config/${configurationFile}`, "odoo-server.conf"];
const systemPlaces = ["/etc/odoo/odoo.conf", "/etc/odoo-server.conf", "/etc/odoo.conf"];

export const odoo: Platform = {
  name: "odoo",
  title: "Odoo",
  detect,
  parts,
  neutralise: () => ({
    statements: neutraliseStatements,
    config: (name, text) => (name === configurationFile ? neutraliseConfiguration(text) : undefined),
    summary: neutraliseSummary,
  }),
  // Odoo finds a filestore by the name of its database.
  folderPath: ({ name, path }, [database]) => {
    const place = placeOf(database?.url ?? "");
    return name === "filestore" && place ? join(dirname(path), place.name) : path;
  },
  relocate: (name, text, placed) => (name === configurationFile ? relocated(text, placed) : undefined),
  model: odooModel,
  maintenance: { on: "odoo", off: "odoo-off" },
  installed: async ({ config = [] }) => {
    const place = config.find(({ name }) => name === configurationFile);
    const text = place && (await readText(place.path));
    return await installedVersion(text === undefined ? [] : addonsOf(readConfig(text, configurationFile)));
  },
  versionParts: 2,
  afterRestore: ["odoo-config", "odoo-rights", "odoo-start", "odoo-assets"],
};

async function detect(folder: string): Promise<readonly DetectedCrm[]> {
  for (const path of [...places.map((place) => join(folder, place)), ...systemPlaces]) {
    const text = await readText(path);
    if (text === undefined || !/^\s*\[options\]/m.test(text)) continue;
    const ini = readConfig(text, path);
    if (systemPlaces.includes(path) && dirname(path) !== folder && dataFolder(ini) !== folder) continue;
    // That of Odoo's own package, and of Debian's, says no more than whose database it is.
    if (["db_host", "addons_path", "data_dir", "db_user"].every((name) => option(ini, name) === undefined)) continue;
    const version = await installedVersion(addonsOf(ini));
    return namesOf(ini).map((name) => detected("odoo", databaseOf(ini, name).url, path, version));
  }
  return [];
}

async function parts(description: CrmDescription): Promise<CrmParts> {
  const { path, text } = await readConfiguration(description, configurationFile);
  const ini = readConfig(text, path);
  const name = databaseName(ini, description);
  const version = await installedVersion(addonsOf(ini));
  return {
    ...(version === undefined ? {} : { version }),
    databases: [databasePart("main", databaseOf(ini, name), description.database)],
    folders: withFiles(
      [
        { name: "filestore", path: join(dataFolder(ini), "filestore", name), excludes: ["/checklist/"] },
        ...ownAddons(ini, version).map((folder, at) => ({
          name: at === 0 ? "addons" : `addons-${at + 1}`,
          path: folder,
          excludes: ["__pycache__/", "*.pyc"],
        })),
      ],
      description,
    ),
    config: [{ name: configurationFile, path }],
    emptyTables: ["bus_bus"],
    uncovered: ini.sections
      .filter((section) => /^fs_storage\b/.test(section))
      .map((section) => ({ subject: section, reason: "kept-outside" })),
    attachments: attachmentRule,
  };
}

function readConfig(text: string, path: string): Ini {
  try {
    return readIni(text);
  } catch (error) {
    if (!(error instanceof IniError)) throw error;
    throw new HoldfastError("crm-configuration-unreadable", { path, line: error.line }, error);
  }
}

/** Odoo writes what is not set as `False`. */
function option(ini: Ini, name: string): string | undefined {
  const value = ini.get("options", name);
  return value === undefined || value === "" || /^(false|none)$/i.test(value) ? undefined : value;
}

/** As Odoo's own default where the file says nothing: of Debian's package, of its container, or of a user. */
function dataFolder(ini: Ini): string {
  const named = option(ini, "data_dir");
  if (named !== undefined) return named;
  const usual = ["/var/lib/odoo/.local/share/Odoo", "/var/lib/odoo", join(homedir(), ".local/share/Odoo")];
  return usual.find((folder) => existsSync(join(folder, "filestore"))) ?? "/var/lib/odoo";
}

/** Databases that the file names, else those that have a filestore. */
function namesOf(ini: Ini): readonly string[] {
  const named = (option(ini, "db_name") ?? "").split(",").map((name) => name.trim());
  if (named.some((name) => name !== "")) return named.filter((name) => name !== "");
  const folder = join(dataFolder(ini), "filestore");
  return existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => !name.startsWith("."))
        .toSorted()
    : [];
}

function databaseName(ini: Ini, { name, database }: CrmDescription): string {
  if (database !== undefined) return placeOf(database)?.name ?? database;
  const names = namesOf(ini);
  const [only] = names;
  if (only === undefined)
    throw new HoldfastError("crm-configuration-unreadable", { crm: name, path: configurationFile, reason: "db_name" });
  if (names.length === 1) return only;
  throw new HoldfastError("crm-database-ambiguous", { crm: name, path: dataFolder(ini), found: names.join(", ") });
}

function databaseOf(ini: Ini, name: string): DatabaseAddress {
  return addressOf({
    scheme: "postgresql",
    // Without a host, Odoo takes the machine's own socket.
    host: option(ini, "db_host") ?? "/var/run/postgresql",
    port: option(ini, "db_port"),
    user: option(ini, "db_user"),
    password: option(ini, "db_password"),
    name,
  });
}

function addonsOf(ini: Ini): readonly string[] {
  const paths = (option(ini, "addons_path") ?? "").split(",").map((path) => path.trim());
  return paths.filter((path) => path !== "").map((path) => resolve(path));
}

/** Odoo's own folders hold `base` or `web`, and come with its package. It makes one in `data_dir`, which is empty where nobody uses it. */
function ownAddons(ini: Ini, version: string | undefined): readonly string[] {
  const isOdoos = (folder: string) => ["base", "web"].some((name) => existsSync(join(folder, name, "__manifest__.py")));
  const ofData = version === undefined ? [] : [join(dataFolder(ini), "addons", version)];
  return [
    ...addonsOf(ini).filter((folder) => existsSync(folder) && !isOdoos(folder)),
    ...ofData.filter((folder) => existsSync(folder) && hasEntries(folder)),
  ];
}

/** One that cannot be read is told by the backup. */
function hasEntries(folder: string): boolean {
  try {
    return readdirSync(folder).length > 0;
  } catch {
    return true;
  }
}

/** `version_info` of `release.py` of the installed program; nothing is run. */
async function installedVersion(addons: readonly string[]): Promise<string | undefined> {
  const roots = [
    ...addons.flatMap((folder) => [join(folder, ".."), join(folder, "../odoo")]),
    "/usr/lib/python3/dist-packages/odoo",
  ];
  for (const root of roots) {
    const text = await readText(join(root, "release.py"));
    const [, major, minor] = /version_info\s*=\s*\(\s*['"]?(?:saas~)?(\d+)['"]?\s*,\s*(\d+)/.exec(text ?? "") ?? [];
    if (major !== undefined) return `${major}.${minor ?? "0"}`;
  }
  return undefined;
}

const attachmentRule: AttachmentRule = {
  ownsFiles: (table) => table.name === "ir_attachment",
  *files(table: TableSchema, batch: RowBatch, rules: FieldRules): Iterable<OwnedFile> {
    for (const { texts, row } of rowTexts(rules, table, batch, ["store_fname"])) {
      const [path = ""] = texts;
      if (/^[0-9a-f]{2,3}\/[0-9a-f]{40}$/.test(path)) yield { folder: "filestore", path: nameFromText(path), row };
    }
  },
  *outside(table: TableSchema, batch: RowBatch, rules: FieldRules): Iterable<Uncovered> {
    // Modules that keep files elsewhere write `s3://bucket/…`, or the name of a storage before the colon; Odoo's own, from 18
    // on, write the address.
    const cloud = ["type", "url"].every((name) => table.columns.some((one) => one.name === name))
      ? ["type", "url"]
      : [];
    const kept = (subject: string): Uncovered => ({ subject, reason: "kept-outside" });
    for (const { texts } of rowTexts(rules, table, batch, ["store_fname", ...cloud])) {
      const [name, type, url] = texts;
      const [, place] = /^(\w+:\/\/[^/]*)/.exec(name ?? "") ?? [];
      if (place !== undefined) yield kept(place.startsWith("s3:") ? place : place.replace(/\/\/.*/, "//"));
      const [bucket] = type === "cloud_storage" ? (/^https:\/\/[^/?#]+(?:\/[^/?#]*)?/.exec(url ?? "") ?? [type]) : [];
      if (bucket !== undefined) yield kept(bucket);
    }
  },
  ownable: () => false,
};

/** The restored copy finds its server, its database and its filestore; a clone answers only for its own database. */
function relocated(text: string, { databases, folders }: PlacedParts): string {
  const place = placeOf(databases[0]?.url ?? "");
  const store = folders.find(({ name }) => name === "filestore");
  const ini = readIni(text);
  const addons = option(ini, "addons_path") === undefined ? undefined : placedAddons(addonsOf(ini), folders);
  const values: readonly (readonly [string, string])[] = [
    ...(place
      ? ([
          ["db_host", place.host === "/var/run/postgresql" ? "False" : (place.host ?? "False")],
          ["db_port", place.port || "False"],
          ["db_name", place.name],
          ["dbfilter", `^${place.name.replaceAll(/[^\w-]/g, String.raw`\$&`)}$`],
        ] as const)
      : []),
    ...(place?.user ? [["db_user", place.user] as const] : []),
    // From 18 on what is only read may come from a standby, which is another server's.
    ...(place && ini.get("options", "db_replica_host") !== undefined ? [["db_replica_host", "False"] as const] : []),
    ...(store ? [["data_dir", dirname(dirname(store.path))] as const] : []),
    ...(addons ? [["addons_path", addons.join(",")] as const] : []),
  ];
  return values.reduce((result, [key, value]) => setIniOption(result, "options", key, value), text);
}

/** Where folders of modules lie now: what is not in the copy stays where it was, such as Odoo's own. Its folders end as they did before. */
function placedAddons(before: readonly string[], folders: PlacedParts["folders"]): readonly string[] {
  const now = new Map<string, string>();
  for (const { path } of folders.filter(({ name }) => /^addons(?:-\d+)?$/.test(name))) {
    const likeness = before.map((old) => sameEnd(old, path));
    const most = Math.max(0, ...likeness);
    const old = before[likeness.indexOf(most)];
    if (most > 0 && old !== undefined && likeness.filter((one) => one === most).length === 1) now.set(old, path);
  }
  return before.map((old) => now.get(old) ?? old);
}

/** How many names two paths have in common, from the end. */
function sameEnd(one: string, other: string): number {
  const [left, right] = [one.split("/").toReversed(), other.split("/").toReversed()];
  const differs = left.findIndex((name, at) => name === "" || name !== right[at]);
  return differs < 0 ? left.length : differs;
}
