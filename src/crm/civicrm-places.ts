import { existsSync } from "node:fs";
import { basename, dirname, join, posix, relative, resolve } from "node:path";
import type { RowBatch, TableSchema } from "../database/database.ts";
import { nameFromText } from "../lib/byte-name.ts";
import { rowTexts, rowValues, type FieldRules } from "./column-texts.ts";
import { insideOf } from "./known-crm.ts";
import type { PhpFile } from "./php-data.ts";
import type { AttachmentRule, CrmParts, OwnedFile, Uncovered } from "./platform.ts";
import { unescaped } from "./server-url.ts";

/**
 * Where CiviCRM is in which CMS, and where it keeps files. Its settings name a folder as `[cms.root]/private/attachment`,
 * `[civicrm.files]/custom/`, relative to `[civicrm.files]`, or in full; `$civicrm_paths` says where these begin.
 */
export const settingsFile = "civicrm.settings.php";

/** Of Joomla, what its cron jobs begin with. */
export const bootFile = "civicrm.config.php";

/** What Joomla's second one is called in a backup: that for visitors, which names the same places. */
export const siteSettingsFile = "civicrm.settings.site.php";

/** Whether a configuration file is one of them, by its name in a backup. */
export function isSettings(name: string): boolean {
  return name === settingsFile || name === siteSettingsFile;
}

/** Where `civicrm.settings.php` is below the CMS. */
export const settingsPlaces = [
  // Backdrop has it beside its own.
  ".",
  // Of 4.6 and before; where it is still there, newer versions read this one.
  "wp-content/plugins/civicrm",
  "wp-content/uploads/civicrm",
  "sites/default",
  "web/sites/default",
  // Joomla has a second one for visitors.
  "administrator/components/com_civicrm",
  // Standalone.
  "private",
];

interface Cms {
  readonly root: string;
  /** What of the CMS is its own: not the program that everybody has. */
  readonly folders: CrmParts["folders"];
  readonly configuration: readonly string[];
}

const caches = ["/templates_c/", "/ConfigAndLog/"];

/** What of the CMS and of CiviCRM is backed up; all of it beside `configuration`. */
export function placesOf(php: PhpFile, path: string): Pick<Cms, "folders" | "configuration"> {
  const cms = cmsOf(php, path);
  const files = filesFolder(php, path);
  const own = { name: "civicrm", path: files, excludes: [...caches, `/${settingsFile}`] };
  const around = (cms?.folders ?? []).filter((folder) => folder.path !== files);
  return {
    folders: [
      ...around.map((folder) => ({ ...folder, excludes: [...folder.excludes, ...insideOf(folder.path, files)] })),
      own,
    ],
    configuration: cms?.configuration ?? [],
  };
}

function cmsOf(php: PhpFile, path: string): Cms | undefined {
  const [, wordpress] = /^(.*)\/wp-content\//.exec(path) ?? [];
  if (wordpress !== undefined) {
    const beside = join(wordpress, "wp-config.php");
    const configuration = existsSync(beside) ? beside : join(dirname(wordpress), "wp-config.php");
    const content = join(wordpress, "wp-content");
    const excludes = ["/cache/", "/upgrade/", "*.log", `/${relative(content, path)}`];
    return {
      root: wordpress,
      folders: [{ name: "cms", path: content, excludes }],
      configuration: [configuration],
    };
  }
  const [, drupal] = /^(.*)\/sites\/[^/]+\//.exec(path) ?? [];
  if (drupal !== undefined) {
    const site = basename(dirname(path));
    const made = ["/*/files/css/", "/*/files/js/", "/*/files/php/"];
    const excludes = [`/${site}/settings.php`, `/${site}/${settingsFile}`, ...made];
    return {
      root: drupal,
      folders: [{ name: "cms", path: join(drupal, "sites"), excludes }],
      configuration: [join(dirname(path), "settings.php")],
    };
  }
  const [, joomla] = /^(.*)\/administrator\/components\/com_civicrm\//.exec(path) ?? [];
  // Its extensions lie among its own program, each in several places.
  if (joomla !== undefined) {
    const other = `components/com_civicrm/${settingsFile}`;
    const temporary = ["/cache/", "/administrator/cache/", "/administrator/logs/", "/tmp/"];
    const own = [
      "configuration.php",
      other,
      `administrator/${other}`,
      // It only says where the other one is, in full.
      `administrator/components/com_civicrm/civicrm/${bootFile}`,
    ];
    const excludes = [...temporary, ...own.map((file) => `/${file}`)];
    return {
      root: joomla,
      folders: [{ name: "cms", path: joomla, excludes }],
      configuration: own.map((file) => join(joomla, file)),
    };
  }
  const folder = dirname(path);
  if (existsSync(join(folder, "core/modules/layout/layout.module"))) {
    const excludes = ["/core/", "/settings.php", `/${settingsFile}`, "/files/css/", "/files/js/"];
    return {
      root: folder,
      folders: [{ name: "cms", path: folder, excludes }],
      configuration: [join(folder, "settings.php")],
    };
  }
  return standalone(php, folder);
}

/** Without a CMS: what is not for visitors in `private`, extensions beside it. */
function standalone(php: PhpFile, folder: string): Cms | undefined {
  const root = dirname(folder);
  const isStandalone = php.get("CIVICRM_UF") === "Standalone" || existsSync(join(root, "civicrm.standalone.php"));
  if (!isStandalone || basename(folder) !== "private") return undefined;
  return {
    root,
    folders: [
      { name: "private", path: folder, excludes: ["/cache/", "/log/", "/tmp/", `/${settingsFile}`] },
      { name: "ext", path: join(root, "ext"), excludes: [] },
    ],
    configuration: [],
  };
}

/** `[civicrm.files]`: as it is set, above the compiled templates, or where it is by itself. */
function filesFolder(php: PhpFile, path: string): string {
  const set = php.get("civicrm_paths", "civicrm.files", "path");
  if (set?.startsWith("/")) return set.replace(/(?<=.)\/+$/, "");
  const folder = dirname(path);
  if (standalone(php, folder)) return join(dirname(folder), "public");
  const compiled = php.get("CIVICRM_TEMPLATE_COMPILEDIR");
  if (compiled?.startsWith("/")) return dirname(compiled.replace(/\/+$/, ""));
  return basename(folder) === "civicrm" ? folder : join(folder, "files/civicrm");
}

/** Settings that name folders whose files are nowhere else. */
export const folderSettings = [
  "customFileUploadDir",
  "imageUploadDir",
  "extensionsDir",
  "customTemplateDir",
  "customPHPPathDir",
];

/**
 * `uri` is a name in the folder of custom files; a contact's picture is named by its address, with `&amp;` in it. Which folder
 * that is, the settings say: those in the file stand over those in the database.
 */
export function attachmentRule(php: PhpFile, path: string, folders: CrmParts["folders"]): AttachmentRule {
  const inFile = (name: string) =>
    ["domain", "Directory Preferences"]
      .map((group) => php.get("civicrm_setting", group, name))
      .find((value) => value !== undefined);
  const domain = php.get("CIVICRM_DOMAIN_ID") ?? "1";
  const set = new Map<string, string>();
  const valueOf = (name: string) => inFile(name) ?? set.get(name);
  const absolute = (value: string): string | undefined => {
    const [, start, rest = value] = /^\[([\w.]+)\]\/?(.*)$/.exec(value) ?? [];
    const root = start === undefined ? filesFolder(php, path) : rootOf(php, path, start);
    return rest.startsWith("/") ? resolve(rest) : root && resolve(root, rest);
  };
  const covered = (place: string) =>
    folders
      .filter((folder) => place === folder.path || place.startsWith(`${folder.path}/`))
      .toSorted((a, b) => b.path.length - a.path.length)
      .map((folder) => ({ folder: folder.name, inside: relative(folder.path, place) }))[0];
  const custom = () => {
    const place = absolute(valueOf("customFileUploadDir") || "custom") ?? filesFolder(php, path);
    return covered(place) ?? alike(folders, place);
  };
  return {
    ownsFiles: (table) => table.name === "civicrm_file" || table.name === "civicrm_contact",
    places: {
      tellsOf: (table) => table.name === "civicrm_setting",
      see(table, batch, rules) {
        for (const { texts } of rowValues(rules, table, batch, ["name", "value", "domain_id"])) {
          const [name = "", value, of] = texts;
          const [, text] = /^s:\d+:"(.*)";$/s.exec(value ?? "") ?? [];
          if (text !== undefined && folderSettings.includes(name) && of === domain) set.set(name, text);
        }
      },
    },
    *files(table: TableSchema, batch: RowBatch, rules: FieldRules): Iterable<OwnedFile> {
      const { folder, inside } = custom();
      const isFile = table.name === "civicrm_file";
      for (const { texts, row } of rowTexts(rules, table, batch, [isFile ? "uri" : "image_URL"])) {
        const text = texts[0] ?? "";
        const name = isFile ? text : unescaped(/[?&;]photo=([^&]+)/.exec(text)?.[1] ?? "");
        if (name && !name.includes("://"))
          yield { folder, path: nameFromText(posix.join(inside, posix.basename(name))), row };
      }
    },
    *outside(table: TableSchema): Iterable<Uncovered> {
      // One of the tables is enough.
      for (const name of table.name === "civicrm_file" ? folderSettings : []) {
        const place = absolute(valueOf(name) || ".");
        if (place !== undefined && !covered(place)) yield { subject: place, reason: "other-folder" };
      }
    },
    ownable: () => false,
  };
}

/** Where a path of the settings begins that names no other place. */
function rootOf(php: PhpFile, path: string, name: string): string | undefined {
  const set = php.get("civicrm_paths", name, "path");
  if (set?.startsWith("/")) return set;
  const cms = cmsOf(php, path);
  if (name === "civicrm.files") return filesFolder(php, path);
  if (name === "cms.root" || name === "cms") return php.get("CIVICRM_CMSDIR") ?? cms?.root;
  if (name === "civicrm.root") return php.get("civicrm_root");
  if (name !== "civicrm.private") return undefined;
  return cms?.folders.find((folder) => folder.name === "private")?.path ?? filesFolder(php, path);
}

/** Of a copy, whose database names the place that the original has: the folder that is called as one on the way. */
function alike(folders: CrmParts["folders"], place: string): { readonly folder: string; readonly inside: string } {
  const names = place.split("/");
  for (let at = names.length - 1; at > 0; at--) {
    const folder = folders.find(({ name, path }) => name !== "cms" && [name, basename(path)].includes(names[at] ?? ""));
    if (folder) return { folder: folder.name, inside: names.slice(at + 1).join("/") };
  }
  return { folder: basename(place), inside: "" };
}
