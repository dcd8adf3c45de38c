import { isIP } from "node:net";

/** How far the rule of 3-2-1 is kept: three copies of the data, on two kinds of place, one of them elsewhere. */
export interface CopyPlaces {
  /** With the live data itself. */
  readonly copies: number;
  /** Kinds of place, the disk of the CRM among them. */
  readonly kinds: number;
  /** Places whose address is of another site. Of a mounted disk or a medium nobody can tell. */
  readonly elsewhere: number;
}

/** What locations tell by themselves; whether the copies are there and fresh is not looked at here. */
export function copyPlaces(locations: readonly string[]): CopyPlaces {
  const places = [...new Set(locations)];
  return {
    copies: places.length + 1,
    kinds: new Set(["disk", ...places.map(kindOf)]).size,
    elsewhere: places.filter(isElsewhere).length,
  };
}

function kindOf(location: string): string {
  return /^([a-z][a-z0-9+-]+):/i.exec(location)?.[1]?.toLowerCase() ?? "disk";
}

/** By its address: a cloud, or a host that is neither this machine nor of a network of one's own. */
function isElsewhere(location: string): boolean {
  const kind = kindOf(location);
  if (kind === "azure" || kind === "gs") return true;
  if (kind !== "s3" && kind !== "rest" && kind !== "sftp") return false;
  const rest = location.slice(kind.length + 1).replace(/^(?:https?:)?\/\//, "");
  const [, bracketed, named = ""] = /^(?:[^/@]*@)?(?:\[([^\]]+)\]|([^/:]+))/.exec(rest) ?? [];
  const host = (bracketed ?? named).toLowerCase();
  // A name without a dot is one of this network, or an alias that may be.
  if (isIP(host) === 0) return host.includes(".") && !/\.(?:local|lan|home|internal|localhost)$/.test(host);
  return !/^(?:127\.|10\.|192\.168\.|169\.254\.|172\.(?:1[6-9]|2\d|3[01])\.|0\.|::1$|fe[89ab]|f[cd])/.test(host);
}
