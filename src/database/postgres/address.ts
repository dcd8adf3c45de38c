import { homedir } from "node:os";
import { join } from "node:path";

import { HoldfastError } from "../../lib/errors.ts";
import type { DatabaseAddress } from "../database.ts";
import { shownUrl } from "../shown-url.ts";

/** libpq's modes of TLS; what each checks stands in `tls.ts`. */
const sslModes = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] as const;
export type SslMode = (typeof sslModes)[number];

/** Everything that is needed to log in to a database, as libpq would work it out; without the password. */
export interface Login {
  /** Host name, or the folder of a socket. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  readonly sslMode: SslMode;
  readonly sslRootCert?: string;
  readonly sslCert?: string;
  readonly sslKey?: string;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** Stands for no host while a URL is taken apart. */
const noHost = "socket.invalid";
const defaultSocketFolder = "/var/run/postgresql";

export function isPostgresUrl(url: string): boolean {
  return /^postgres(ql)?:\/\//i.test(url);
}

/** The longest name that PostgreSQL keeps, in bytes: it cuts a longer one, and takes it for another database. */
export const longestName = 63;

/** What the URL leaves out comes from libpq's environment variables, then from libpq's defaults. */
export function loginOf(url: string, environment: Environment): Login {
  const parsed = parsedUrl(url);
  const option = (name: string, variable: string) => parsed.searchParams.get(name) ?? environment[variable] ?? "";
  const user = decode(parsed.username, url) || option("user", "PGUSER") || environment["USER"] || "postgres";
  const sslMode = (option("sslmode", "PGSSLMODE") || "prefer") as SslMode;
  if (!sslModes.includes(sslMode)) throw new HoldfastError("database-unsupported", { url, reason: "sslmode" });
  const port = Number(parsed.port || option("port", "PGPORT") || 5432);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new HoldfastError("database-unsupported", { url, reason: "port" });
  }
  const rootCert = option("sslrootcert", "PGSSLROOTCERT");
  const cert = option("sslcert", "PGSSLCERT");
  const key = option("sslkey", "PGSSLKEY");
  const database = decode(parsed.pathname.slice(1), url) || option("dbname", "PGDATABASE") || user;
  if (Buffer.byteLength(database) > longestName) {
    throw new HoldfastError("database-name-long", { name: database, bytes: longestName });
  }
  return {
    host: decode(parsed.hostname.replace(noHost, ""), url) || option("host", "PGHOST") || defaultSocketFolder,
    port,
    user,
    database,
    sslMode,
    ...(rootCert && { sslRootCert: rootCert }),
    ...(cert && { sslCert: cert }),
    ...(key && { sslKey: key }),
  };
}

/** The same server and login, another database. */
export function withDatabase(address: DatabaseAddress, database: string): DatabaseAddress {
  const parsed = parsedUrl(address.url);
  parsed.pathname = `/${encodeURIComponent(database)}`;
  // Not unless it is there: all others would be written anew with it.
  if (parsed.searchParams.has("dbname")) parsed.searchParams.delete("dbname");
  return { ...address, url: parsed.href.replace(`@${noHost}/`, "@/") };
}

/** Where libpq looks for passwords. */
export function passwordFile(environment: Environment): string {
  return environment["PGPASSFILE"] ?? join(environment["HOME"] ?? homedir(), ".pgpass");
}

function parsedUrl(url: string): URL {
  // A user without a host, as with a socket, is nothing that a URL may have.
  const whole = url.replace(/^([^:/]+:\/\/[^/?#]*@)(?=[/?#]|$)/, `$1${noHost}`);
  if (!isPostgresUrl(url) || !URL.canParse(whole)) {
    throw new HoldfastError("database-unsupported", { url: shownUrl(url) });
  }
  const parsed = new URL(whole);
  if (parsed.password !== "" || parsed.searchParams.has("password")) {
    // A password has no place in it; were one there, no message must repeat it.
    throw new HoldfastError("database-unsupported", { url: shownUrl(url), reason: "password" });
  }
  return parsed;
}

function decode(text: string, url: string): string {
  try {
    return decodeURIComponent(text.replace(/^\[(.*)\]$/, "$1"));
  } catch {
    throw new HoldfastError("database-unsupported", { url });
  }
}
