import { basename, dirname } from "node:path";
import type { DatabaseAddress } from "../database/database.ts";
import { isPostgresUrl } from "../database/postgres/address.ts";
import { isHoldfastError } from "../lib/errors.ts";
import { setIniOption } from "./ini.ts";
import type { PlacedParts } from "./platform.ts";
import { unescaped } from "./server-url.ts";
import { knownBy } from "./tryton-install.ts";

/** `[database] uri` of trytond: a server and a login with its password, but no database. */
interface ServerUri {
  /** `user@host:5432`, without the password. */
  readonly login: string;
  readonly password?: string;
}

function readUri(uri: string): ServerUri {
  const authority = /^[a-z0-9]+:\/\/([^/?#]*)/i.exec(uri)?.[1] ?? "";
  const at = authority.lastIndexOf("@");
  const [user = "", ...password] = at < 0 ? [] : authority.slice(0, at).split(":");
  const login = at < 0 ? authority : `${user}@${authority.slice(at + 1)}`;
  // As trytond does (`unquote_plus`).
  const decoded = unescaped(password.join(":").replaceAll("+", " "));
  return { login, ...(password.length > 0 && { password: decoded }) };
}

/** The address of a database of this server: trytond's own login, unless `holdfast.yaml` names another. */
export function trytonAddress(uri: string, named: string): DatabaseAddress {
  const { login, password } = readUri(uri);
  const own = `postgresql://${login}/${encodeURIComponent(named)}`;
  if (!isPostgresUrl(named)) return { url: own, ...(password !== undefined && { password }) };
  // The password belongs to trytond's user on trytond's server, and goes nowhere else.
  const same = readUri(named).login === login;
  return { url: named, ...(same && password !== undefined && { password }) };
}

/** `crm` of `postgresql://tryton@db/crm?sslmode=require` or of `crm`. */
export function nameOfDatabase(named: string): string {
  return isPostgresUrl(named) ? unescaped(basename(named.replace(/[?#].*$/s, ""))) : named;
}

/** What a look for Tryton's databases found. */
export interface FoundDatabases {
  readonly names: readonly string[];
  /** Names of databases that could not be asked whether they are Tryton's. */
  readonly unasked: readonly string[];
}

/** Tryton's databases on the server; fails when it cannot be asked which it has. */
export async function databasesOn(
  uri: string,
  environment: Readonly<Record<string, string | undefined>>,
  signal: AbortSignal,
): Promise<FoundDatabases> {
  const { PostgresConnection } = await import("../database/postgres/connection.ts");
  const ask = async (database: string, sql: string, values: readonly string[]) => {
    await using connection = await PostgresConnection.open(trytonAddress(uri, database), { environment, signal });
    return await connection.rows(sql, values);
  };
  const all = await ask(
    "postgres",
    "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY 1",
    [],
  );
  const names: string[] = [];
  const unasked: string[] = [];
  for (const name of all.flatMap(([one]) => one ?? [])) {
    const sql = "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relname = ANY ($1::text[])";
    try {
      const [row] = await ask(name, sql, [`{${knownBy.join(",")}}`]);
      if (row?.[0] === String(knownBy.length)) names.push(name);
    } catch (error) {
      if (!isHoldfastError(error)) throw error;
      unasked.push(name);
    }
  }
  return { names, unasked };
}

/**
 * `trytond.conf` for a restore: the server that the database is on now, and the folder of the file stores. A store is
 * named like its database unless a prefix says otherwise: so it does where the database has another name now.
 */
export function moveTrytonServer(text: string, uri: string, placed: PlacedParts): string {
  const [database] = placed.databases;
  if (!database) return text;
  const { login } = readUri(database.url);
  // trytond's password is good for trytond's server only.
  const server = login === readUri(uri).login ? uri : `postgresql://${login}/`;
  const moved = setIniOption(text, "database", "uri", server);
  const store = placed.folders.find(({ name }) => name === "filestore");
  if (!store) return moved;
  const withPath = setIniOption(moved, "database", "path", dirname(store.path));
  const prefix = basename(store.path);
  return prefix === nameOfDatabase(database.url)
    ? withPath
    : setIniOption(withPath, "attachment", "store_prefix", prefix);
}
