import { homedir } from "node:os";
import { dirname, join, normalize, resolve } from "node:path";
import type { TableSchema } from "../database/database.ts";
import { HoldfastError } from "../lib/errors.ts";
import { type Ini, IniError, readIni, setIniOption } from "./ini.ts";

/** What `trytond.conf` says of where things are, with trytond's own defaults. */
export interface TrytonConfig {
  /** Scheme of `[database] uri`: `sqlite`, `postgresql`. */
  readonly engine: string;
  /** `[database] uri`, with its password: never shown. */
  readonly uri: string;
  /** `[database] path`, absolute. */
  readonly path: string;
  /** Prefixes of file stores that are named in the file; a store without one has the database's name as prefix. */
  readonly prefixes: readonly string[];
  readonly ini: Ini;
}

export interface Store {
  /** Name below `files/` in a snapshot. */
  readonly name: string;
  readonly path: string;
}

/**
 * Reads the text as data. A relative `path` is taken from the file's own folder: trytond takes it from the folder it
 * was started in, which nobody can know. The environment (`TRYTOND_…`) is not asked: it is the server's, not ours.
 */
export function readTrytonConfig(text: string, file: string): TrytonConfig {
  const ini = parsed(text, file);
  const uri = ini.get("database", "uri") ?? "sqlite://";
  const path = ini.get("database", "path") ?? join(homedir(), "db");
  const prefixes = [
    ...ini.sections.map((section) => ini.get(section, "store_prefix")),
    ini.get("database", "avatar_prefix"),
  ];
  return {
    engine: /^([a-z0-9]+)/i.exec(uri)?.[1]?.toLowerCase() ?? "",
    uri,
    path: resolve(dirname(file), path),
    prefixes: [...new Set(prefixes.filter((prefix) => prefix !== undefined))],
    ini,
  };
}

function parsed(text: string, file: string): Ini {
  try {
    return readIni(text);
  } catch (error) {
    if (!(error instanceof IniError)) throw error;
    throw new HoldfastError("crm-configuration-unreadable", { path: file, line: error.line }, error);
  }
}

/** Where a store lies: `prefix` absent means the database's name. trytond refuses a prefix that leads out of `path`. */
export function storeOf(config: TrytonConfig, database: string, prefix: string | undefined): Store {
  const path = normalize(join(config.path, prefix ?? database));
  if (path !== config.path && !path.startsWith(`${config.path}/`)) {
    throw new HoldfastError("crm-configuration-unreadable", { path: prefix ?? database });
  }
  const trimmed = path.replace(/\/+$/, "");
  if (trimmed === join(config.path, database)) return { name: "filestore", path: trimmed };
  const label = trimmed === config.path ? "all" : (prefix ?? database).replaceAll(/[^\p{L}\p{N}._-]+/gu, "-");
  return { name: `filestore-${label}`, path: trimmed };
}

/** A column that names files, and the prefix of their store. */
export interface FileColumn {
  readonly column: string;
  readonly prefix: string | undefined;
}

/**
 * The columns of a table that name files of a store. trytond has no list of them in the database, but a convention: a
 * binary column `x` with the text column `x_id` beside it, or `file_id`. Whether they are in use says the section
 * named like the module (`filestore`, and `store_prefix`); attachments and avatars have names of their own.
 */
export function fileColumns({ ini }: TrytonConfig, table: TableSchema): readonly FileColumn[] {
  const names = new Map(table.columns.map(({ name, type }) => [name, type.toUpperCase()]));
  const columns = [...names.keys()].filter((name) => {
    if (!name.endsWith("_id") || !/^(VARCHAR|CHARACTER VARYING)/.test(names.get(name) ?? "")) return false;
    return name === "file_id" || /^(BLOB|BYTEA)$/.test(names.get(name.slice(0, -"_id".length)) ?? "");
  });
  const use = columns.length === 0 ? undefined : storeUse(ini, table.name);
  return use?.inUse === true ? columns.map((column) => ({ column, prefix: use.prefix })) : [];
}

function storeUse(ini: Ini, table: string): { readonly inUse: boolean; readonly prefix: string | undefined } {
  if (table === "ir_avatar" || table === "ir_avatar_cache") {
    return {
      inUse: boolean(ini.get("database", "avatar_filestore")) ?? false,
      prefix: ini.get("database", "avatar_prefix"),
    };
  }
  const section = table === "ir_attachment" ? "attachment" : sectionOf(ini, table);
  if (section === undefined) return { inUse: true, prefix: undefined };
  return { inUse: boolean(ini.get(section, "filestore")) ?? true, prefix: ini.get(section, "store_prefix") };
}

/** The module's section: the longest one with which the table's name begins. */
function sectionOf(ini: Ini, table: string): string | undefined {
  return ini.sections
    .filter((section) => table === section || table.startsWith(`${section}_`))
    .toSorted((a, b) => b.length - a.length)[0];
}

/** As Python's `getboolean`; `undefined` where there is no such option or it says neither. */
function boolean(text: string | undefined): boolean | undefined {
  if (text === undefined) return undefined;
  if (/^(1|yes|true|on)$/i.test(text)) return true;
  return /^(0|no|false|off)$/i.test(text) ? false : undefined;
}

/** The configuration for a restore whose database and stores lie in `path`. */
export function moveTrytonPath(text: string, path: string): string {
  return setIniOption(text, "database", "path", path);
}
