import { basename, dirname } from "node:path";
import { bootFile, folderSettings, isSettings } from "./civicrm-places.ts";
import { readPhp, setPhp, type PhpFile } from "./php-data.ts";
import type { PlacedParts } from "./platform.ts";
import { optionsOf, phpHost, placeOf } from "./server-url.ts";

/** The restored copy finds its databases and its folders, and the CMS its own. */
export function relocated(name: string, text: string, { databases, folders }: PlacedParts): string | undefined {
  const place = (database: string) => placeOf(databases.find((one) => one.name === database)?.url ?? "");
  const [main, cms, log] = [place("main"), place("cms") ?? place("main"), place("log")];
  const root = folders.find((folder) => folder.name === "cms")?.path;
  if (name === bootFile) return relocatedBoot(text, root);
  if (name === "wp-config.php" && cms) {
    const values = { DB_NAME: cms.name, DB_HOST: hostOf(cms), ...(cms.user && { DB_USER: cms.user }) };
    return Object.entries({ ...values, ...wordpressFolders(readPhp(text), root) }).reduce(
      (result, [key, value]) => setPhp(result, [key], value),
      text,
    );
  }
  if (name === "settings.php" && cms) return relocatedDrupal(text, cms);
  if (name === "configuration.php" && cms) return relocatedJoomla(text, cms, root);
  if (!isSettings(name)) return undefined;
  const php = readPhp(text);
  let result = text;
  for (const [constant, now] of [
    ["CIVICRM_DSN", main],
    ["CIVICRM_UF_DSN", cms],
    ["CIVICRM_LOGGING_DSN", log],
  ] as const) {
    const old = php.get(constant);
    if (now && old && placeOf(old)) result = setPhp(result, [constant], dsn(now, old));
  }
  return relocatedPlaces(php, folders).reduce((now, [at, value]) => setPhp(now, at, value), result);
}

type ServerPlace = NonNullable<ReturnType<typeof placeOf>>;

function hostOf(place: ServerPlace): string {
  return `${phpHost(place)}${place.port ? `:${place.port}` : ""}`;
}

/** As PEAR's DB reads it, with the password that was there, and what else it said: `new_link=true`, `ssl=1`. */
function dsn(now: ServerPlace, before: string): string {
  const old = placeOf(before);
  const login = `${encodeURIComponent(now.user || old?.user || "")}:${encodeURIComponent(old?.password ?? "")}`;
  const place = now.socket === undefined ? hostOf(now) : `unix(${now.socket})`;
  const options = new URLSearchParams(optionsOf(before).map(([name, value]) => [name, value])).toString();
  return `mysql://${login}@${place}/${encodeURIComponent(now.name)}${options && `?${options}`}`;
}

/** Where its content is written out in full, and what lies in it. */
function wordpressFolders(php: PhpFile, root: string | undefined): Readonly<Record<string, string>> {
  const old = php.get("WP_CONTENT_DIR");
  if (root === undefined || !old?.startsWith("/") || basename(old) !== basename(root)) return {};
  const names = ["WP_CONTENT_DIR", "WP_PLUGIN_DIR", "WPMU_PLUGIN_DIR", "WP_LANG_DIR", "WP_TEMP_DIR", "WP_DEBUG_LOG"];
  return Object.fromEntries(
    names.flatMap((name) => {
      const now = moved(php.get(name) ?? "", [[old, root]]);
      return now === undefined ? [] : [[name, now]];
    }),
  );
}

function relocatedDrupal(text: string, place: ServerPlace): string {
  const at = ["databases", "default", "default"];
  const php = readPhp(text);
  const had = (name: string): boolean => php.get(...at, name) !== undefined;
  const values = {
    database: place.name,
    host: place.host || "localhost",
    ...((place.port || had("port")) && { port: place.port ?? "" }),
    // An empty one would be one.
    ...((place.socket !== undefined || had("unix_socket")) && { unix_socket: place.socket ?? null }),
    ...(place.user && { username: place.user }),
  };
  // Backdrop has it in one.
  const old = php.get("database");
  if (old && placeOf(old)) return setPhp(text, ["database"], dsn(place, old));
  if (!had("database")) return text;
  return Object.entries(values).reduce((result, [key, value]) => setPhp(result, [...at, key], value), text);
}

/** Fields of a class, each with a text. Two of them name folders, which are usually in Joomla's own. */
function relocatedJoomla(text: string, place: ServerPlace, root: string | undefined): string {
  const field = (name: string) =>
    new RegExp(String.raw`((?:public|var)\s+\$${name}\s*=\s*)(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")`);
  const [temporary = "", log = ""] = ["tmp_path", "log_path"].map((name) => {
    const [, , single, double] = field(name).exec(text) ?? [];
    return single ?? double;
  });
  // What both are below, and is more than the file system's own `/tmp`.
  const old = `${dirname(temporary)}/`;
  const isMoved = root !== undefined && old !== "//" && temporary.startsWith(old) && log.startsWith(old);
  const values = {
    db: place.name,
    host: hostOf(place),
    ...(place.user && { user: place.user }),
    ...(isMoved && {
      tmp_path: `${root}/${temporary.slice(old.length)}`,
      log_path: `${root}/${log.slice(old.length)}`,
    }),
  };
  return Object.entries(values).reduce(
    (result, [name, value]) =>
      result.replace(field(name), (_, before: string) => `${before}'${value.replaceAll(/['\\]/g, String.raw`\$&`)}'`),
    text,
  );
}

const joomlaProgram = "/administrator/components/com_civicrm/";

/** Joomla's `civicrm.config.php` includes the settings by their full path. */
function relocatedBoot(text: string, root: string | undefined): string {
  const [, old] = new RegExp(`['"](/[^'"]*)${joomlaProgram}civicrm\\.settings\\.php['"]`).exec(text) ?? [];
  if (root === undefined || old === undefined) return text;
  return text.replaceAll(new RegExp(String.raw`(['"])([^'"]*)`, "g"), (whole, quote: string, path: string) =>
    path === old || path.startsWith(`${old}/`) ? `${quote}${root}${path.slice(old.length)}` : whole,
  );
}

/** Of WordPress and Drupal only a folder in it is in the backup. */
function rootAbove(content: string | undefined): string | undefined {
  return content && ["wp-content", "sites"].includes(basename(content)) ? dirname(content) : content;
}

/** The folder `cms` that the program lies in, where it lies in it. Drupal's is among what Composer brings, since 8. */
function contentAround(program: string | undefined): string | undefined {
  const [, wordpressOrDrupal, joomla, backdrop] =
    /^(?:(.*\/(?:wp-content|sites))\/|(.*)\/administrator\/components\/com_civicrm\/|(.*)\/modules\/civicrm\/?$)/.exec(
      program ?? "",
    ) ?? [];
  return wordpressOrDrupal ?? joomla ?? backdrop;
}

type Move = readonly [from: string | undefined, to: string | undefined];

function moved(value: string, moves: readonly Move[]): string | undefined {
  for (const [from, to] of moves) {
    const old = from?.replace(/\/+$/, "");
    if (old && to && (value === old || value.startsWith(`${old}/`))) return `${to}${value.slice(old.length)}`;
  }
  return undefined;
}

/** What the settings file says of places, of the copy: pairs of a path and a new value. A program that is not in it stays where it was. */
function relocatedPlaces(
  php: PhpFile,
  folders: PlacedParts["folders"],
): readonly (readonly [readonly string[], string])[] {
  const placed = (name: string) => folders.find((folder) => folder.name === name)?.path;
  const compiled = php.get("CIVICRM_TEMPLATE_COMPILEDIR");
  const path = (name: string) => php.get("civicrm_paths", name, "path");
  const [files, secret] = [placed("civicrm"), placed("private")];
  const content: Move = [contentAround(php.get("civicrm_root")), placed("cms")];
  const data: readonly Move[] = [
    [path("civicrm.files") ?? (compiled && dirname(compiled)), files],
    [path("civicrm.private"), secret ?? files],
    [path("cms.root"), secret ? dirname(secret) : rootAbove(placed("cms"))],
    content,
  ];
  const program = new Set(["civicrm.root", "civicrm.vendor", "civicrm.bower", "civicrm.packages"]);
  const groups = ["domain", "Directory Preferences"];
  const settings = [
    ["CIVICRM_TEMPLATE_COMPILEDIR"],
    ["civicrm_root"],
    ...php.keys("civicrm_paths").map((name) => ["civicrm_paths", name, "path"]),
    ...groups.flatMap((group) => [...folderSettings, "uploadDir"].map((name) => ["civicrm_setting", group, name])),
  ];
  return settings.flatMap((at) => {
    const isProgram = at[0] === "civicrm_root" || (at[0] === "civicrm_paths" && program.has(at[1] ?? ""));
    const now = moved(php.get(...at) ?? "", isProgram ? [content] : data);
    return now === undefined ? [] : [[at, now] as const];
  });
}
