import { HoldfastError } from "../lib/errors.ts";

/** `rest:https://USER@HOST:PORT/PATH/` taken apart. */
export interface RestPlace {
  /** Ends with a slash and holds no login. */
  readonly url: string;
  /** As far as the location names one. */
  readonly user?: string;
}

/**
 * As restic writes it: `rest:https://[USER@]HOST[:PORT]/[PATH/]`, or `rest:http://…`. A password does not belong there:
 * a location stands in configurations, logs and process lists. What holds one is refused and not repeated.
 */
export function parseRestLocation(location: string): RestPlace {
  const url = /^rest:https?:\/\//i.test(location) ? URL.parse(location.slice("rest:".length)) : null;
  if (url === null || url.password !== "") throw refused(location, url === null ? undefined : "password");
  if (url.search !== "" || url.hash !== "" || location.includes("\\")) throw refused(location);
  const user = decoded(url.username);
  // Basic authentication ends the name at the first colon.
  if (user === undefined || user.includes(":")) throw refused(location);
  url.username = "";
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  return { url: url.href, ...(user !== "" && { user }) };
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

function refused(location: string, reason?: "password"): HoldfastError {
  const shown = location.replace(/^(rest:(?:https?:)?(?:\/\/)?)[^/]*@/i, "$1…@").replace(/[?#].*$/s, "");
  return new HoldfastError("storage-address", { location: shown, ...(reason && { reason }) });
}
