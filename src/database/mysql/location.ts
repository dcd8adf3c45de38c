import { existsSync } from "node:fs";
import { homedir, userInfo } from "node:os";
import { join } from "node:path";
import { HoldfastError } from "../../lib/errors.ts";
import type { DatabaseAddress } from "../database.ts";
import { shownUrl } from "../shown-url.ts";
import { readOptionFile, type ClientOptions } from "./option-file.ts";

/** Where Debian's server, and most others, listen on this machine. */
const systemSockets = ["/run/mysqld/mysqld.sock", "/var/run/mysqld/mysqld.sock", "/tmp/mysql.sock"];

/** How far the server's certificate is trusted; as `--ssl-mode` of MySQL's client. */
export type TlsMode = "disabled" | "preferred" | "required" | "verify-ca" | "verify-identity";

export interface Target {
  /** As the operator wrote it, without secrets. */
  readonly location: string;
  readonly database: string;
  readonly user: string;
  readonly password: string | undefined;
  /** A socket on this machine, else host and port. */
  readonly socket: string | undefined;
  readonly host: string;
  readonly port: number;
  readonly tls: { readonly mode: TlsMode; readonly ca?: string; readonly cert?: string; readonly key?: string };
}

export function isMysqlUrl(url: string): boolean {
  return /^(mysql|mariadb):\/\//.test(url);
}

/** The database's name alone; fails like `targetOf`. */
export function databaseOf(url: string): string {
  return checkedUrl(url).database;
}

/** The same URL with another database. */
export function withDatabase(address: DatabaseAddress, database: string): DatabaseAddress {
  const { url } = checkedUrl(address.url);
  url.pathname = `/${encodeURIComponent(database)}`;
  return { ...address, url: url.href };
}

/**
 * `mariadb://user@host:3306/name?socket=…&ssl-mode=…&ssl-ca=…&ssl-cert=…&ssl-key=…&defaults-file=…`. What the URL does
 * not say comes from `~/.my.cnf`, or from the file that it names; the password from the address, the URL, the file, in
 * this order. `localhost` without a port means the server's socket, as it does to MariaDB's own client.
 */
export async function targetOf(address: DatabaseAddress): Promise<Target> {
  const { url, user, password: inUrl, database, location } = checkedUrl(address.url);
  const query = url.searchParams;
  const options = await readOptionFile(query.get("defaults-file") ?? join(homedir(), ".my.cnf"));
  const asked = (name: string): string | undefined => query.get(name) ?? options.get(name);
  const host = bareHost(url.hostname) || (options.get("host") ?? "localhost");
  const port = Number(url.port || (options.get("port") ?? 3306));
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw unusable(location);
  return {
    location,
    database,
    user: user || (options.get("user") ?? userInfo().username),
    password: address.password ?? (inUrl === "" ? options.get("password") : inUrl),
    socket: socketOf(url, host, options),
    host,
    port,
    tls: {
      mode: tlsMode(query, options, location),
      ...fileOption("ca", asked("ssl-ca")),
      ...fileOption("cert", asked("ssl-cert")),
      ...fileOption("key", asked("ssl-key")),
    },
  };
}

interface CheckedUrl {
  readonly url: URL;
  readonly user: string;
  /** Empty: it does not say. */
  readonly password: string;
  readonly database: string;
  readonly location: string;
}

/** A name of a database has at most so many characters. */
export const longestName = 64;

function checkedUrl(text: string): CheckedUrl {
  if (!isMysqlUrl(text) || !URL.canParse(text)) throw unusable(text);
  const url = new URL(text);
  const location = shownUrl(text);
  const [user, password, database] = [url.username, url.password, url.pathname.slice(1)].map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      throw unusable(location);
    }
  }) as [string, string, string];
  if (database === "" || database.includes("\0")) throw unusable(location);
  if (Array.from(database).length > longestName) {
    throw new HoldfastError("database-name-long", { name: database, letters: longestName });
  }
  return { url, user, password, database, location };
}

function unusable(text: string): HoldfastError {
  return new HoldfastError("database-unsupported", { location: shownUrl(text) });
}

function bareHost(host: string): string {
  return decodeURIComponent(host).replace(/^\[(.*)\]$/, "$1");
}

function socketOf(url: URL, host: string, options: ClientOptions): string | undefined {
  const named = url.searchParams.get("socket");
  if (named !== null) return named;
  if (host !== "localhost" || url.port !== "") return undefined;
  return options.get("socket") ?? systemSockets.find((path) => existsSync(path));
}

function tlsMode(query: URLSearchParams, options: ClientOptions, location: string): TlsMode {
  const mode = query.get("ssl-mode") ?? options.get("ssl-mode");
  if (mode !== null && mode !== undefined) {
    const found = tlsModes.find((one) => one === mode.toLowerCase().replaceAll("_", "-"));
    if (!found) throw unusable(location);
    return found;
  }
  if (options.has("ssl-verify-server-cert")) return "verify-identity";
  return query.has("ssl-ca") || options.has("ssl-ca") ? "verify-ca" : "preferred";
}

const tlsModes: readonly TlsMode[] = ["disabled", "preferred", "required", "verify-ca", "verify-identity"];

function fileOption(name: "ca" | "cert" | "key", path: string | undefined): Partial<Record<typeof name, string>> {
  return path === undefined ? {} : { [name]: path };
}
