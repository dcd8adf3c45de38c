import { posix } from "node:path";
import { HoldfastError } from "../lib/errors.ts";

/** `sftp:USER@HOST:/PATH` taken apart. */
export interface SftpPlace {
  /** A name, an address, or what `~/.ssh/config` calls a host. */
  readonly host: string;
  readonly user?: string;
  /** Absent: what `~/.ssh/config` says, else 22. */
  readonly port?: number;
  /** Absolute, or relative to the folder that the user comes in at; never empty. */
  readonly path: string;
}

/**
 * As restic writes it: `sftp:[USER@]HOST:PATH`, or `sftp://[USER@]HOST[:PORT]/PATH`, where one more slash makes the path
 * absolute. A password does not belong there: what holds one is refused and not repeated.
 */
export function parseSftpLocation(location: string): SftpPlace {
  const place = location.startsWith("sftp://") ? fromUrl(location) : fromShort(location);
  if (place === undefined) throw refused(location);
  const { host, user = "", path } = place;
  // Both become arguments of a program.
  if (!isWord(host) || (user !== "" && !isWord(user))) throw refused(location);
  // oxlint-disable-next-line no-control-regex -- these are what no path should hold
  if (path === "" || path.startsWith("~") || /[\0-\x1f\x7f\ufffd]/.test(path)) throw refused(location);
  const { user: _user, ...rest } = place;
  return { ...rest, ...(user !== "" && { user }), path: posix.normalize(path).replace(/(?<=.)\/$/, "") };
}

function fromShort(location: string): SftpPlace | undefined {
  const [, login = "", host, path] = /^sftp:(?:([^/]*)@)?(\[[^\]/]+\]|[^/:@]+):(.*)$/s.exec(location) ?? [];
  if (host === undefined || path === undefined) return undefined;
  // A URL would hold a password there.
  if (login.includes(":")) throw refused(location, "password");
  return { host: host.replace(/^\[(.*)\]$/, "$1"), user: login, path };
}

function fromUrl(location: string): SftpPlace | undefined {
  const url = URL.parse(location);
  if (url === null || url.hostname === "") return undefined;
  if (url.password !== "") throw refused(location, "password");
  if (url.search !== "" || url.hash !== "") return undefined;
  const [user, path] = [decoded(url.username), decoded(location.replace(/^sftp:\/\/[^/]*\/?/, ""))];
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  return { host, user, ...(url.port !== "" && { port: Number(url.port) }), path };
}

/** Nothing that a program could take for an option, or `ssh` for more than a name. */
function isWord(text: string): boolean {
  // oxlint-disable-next-line no-control-regex -- as above
  return !/^-|[\s\0-\x1f\x7f\ufffd'"`$\\;&<>|(){}]/.test(text);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return "\ufffd";
  }
}

function refused(location: string, reason?: "password"): HoldfastError {
  const shown = location.replace(/^(sftp:(?:\/\/)?)[^/]*@/i, "$1…@").replace(/[?#].*$/s, "");
  return new HoldfastError("storage-address", { location: shown, ...(reason && { reason }) });
}
