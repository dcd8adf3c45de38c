import type { DatabaseAddress } from "../database/database.ts";

/** A database on a server as configuration files of CRMs say it, in parts. */
export interface ServerPlace {
  readonly scheme: "mariadb" | "postgresql";
  /** Host name, address or, for PostgreSQL, the folder of a socket; empty: this machine. */
  readonly host?: string | undefined;
  readonly port?: string | undefined;
  /** Path of a socket, for MariaDB. */
  readonly socket?: string | undefined;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly name: string;
}

/** The URL that Holdfast reads, without the password, which comes beside it. */
export function addressOf(place: ServerPlace): DatabaseAddress {
  const { scheme, host = "", port = "", socket, user = "", password, name } = place;
  const url = new URL(`${scheme}://localhost`);
  // PHP takes `localhost:/path/to/socket` and `host:3307`, too.
  const [, bare = host, beside] = /^(\[[^\]]*\]|[^:]*):(.+)$/.exec(host) ?? [];
  const path = socket || (beside?.startsWith("/") ? beside : undefined);
  const isFolder = host.startsWith("/");
  url.hostname = path !== undefined || isFolder || bare === "" ? "localhost" : bare;
  const named = beside !== undefined && /^\d+$/.test(beside) ? beside : port;
  if (/^\d+$/.test(named) && named !== "0" && (scheme === "postgresql" || url.hostname !== "localhost")) {
    url.port = named;
  }
  url.username = encodeURIComponent(user);
  url.pathname = `/${encodeURIComponent(name)}`;
  if (path !== undefined) url.searchParams.set("socket", path);
  else if (isFolder) url.searchParams.set("host", host);
  return { url: url.href, ...(password !== undefined && password !== "" && { password }) };
}

/** The parts of a URL, as written by `addressOf` or by hand; `undefined`: it is none of a server. */
export function placeOf(text: string): ServerPlace | undefined {
  // PEAR's DB writes a socket where the host stands.
  const [whole, before, path, after] = /^(\w+:\/\/[^@]*@)unix\(([^)]*)\)(.*)$/.exec(text) ?? [];
  if (whole !== undefined) {
    const place = placeOf(`${before}localhost${after}`);
    return place && { ...place, ...(path !== undefined && { socket: path }) };
  }
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  const scheme = /^(mysql|mariadb):$/.test(url.protocol)
    ? "mariadb"
    : /^(postgres|postgresql):$/.test(url.protocol)
      ? "postgresql"
      : undefined;
  if (scheme === undefined) return undefined;
  const socket = url.searchParams.get("socket") ?? url.searchParams.get("unix_socket");
  return {
    scheme,
    host: url.searchParams.get("host") ?? unescaped(url.hostname),
    port: url.port,
    ...(socket !== null && { socket }),
    user: unescaped(url.username),
    password: unescaped(url.password),
    name: unescaped(url.pathname.slice(1)),
  };
}

/** As PHP and Python read it: a percent sign that begins no character stands for itself, as in the password `100%`. */
export function unescaped(text: string): string {
  return text.replaceAll(/(?:%[0-9a-f]{2})+/gi, (bytes) => Buffer.from(bytes.replaceAll("%", ""), "hex").toString());
}

/** Names by which a URL's query says which database it is, and who asks: they go where the database goes. */
const placeNames = new Set(["host", "hostaddr", "port", "dbname", "user", "password", "socket", "unix_socket"]);

/** What else the query of a URL says, such as `sslmode` or `serverVersion`: it stays when the database is another. */
export function optionsOf(text: string): readonly (readonly [name: string, value: string])[] {
  const [, query = ""] = /\?([^?#]*)/.exec(text) ?? [];
  return [...new URLSearchParams(query)].filter(([name]) => !placeNames.has(name));
}

/** Host as PHP takes it: with the socket behind it where there is one. */
export function phpHost({ host = "", socket }: ServerPlace): string {
  const bare = host === "" ? "localhost" : host;
  return socket === undefined ? bare : `${bare}:${socket}`;
}
