import { HoldfastError } from "../lib/errors.ts";
import { goJsonString } from "./go-json.ts";
import { asBoolean, asString, asUint32, parseJson } from "./json-fields.ts";
import { isTime } from "./time.ts";

/** A process, told apart from every other. Written by Holdfast only, as a field `holdfast` that restic passes over. */
export interface LockOwner {
  /** The kernel's id of this run of the system. */
  readonly boot: string;
  readonly pidNamespace: string;
  readonly pid: number;
  /** Clock ticks from the boot to the start of the process. */
  readonly started: string;
}

/** What a lock says of its holder. */
export interface LockFile {
  /** RFC 3339: when it was made or last renewed. */
  readonly time: string;
  readonly exclusive: boolean;
  readonly hostname: string;
  readonly username: string;
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
  readonly owner?: LockOwner;
  /** Its holder does nothing but wait to be alone. Written by Holdfast only, as `holdfastWaits`: to restic it is a shared one. */
  readonly waits?: boolean;
}

export function lockJson(lock: LockFile): string {
  const { time, exclusive, hostname, username, pid, uid, gid } = lock;
  let json = `{"time":"${time}","exclusive":${exclusive},"hostname":${goJsonString(hostname)}`;
  json += `,"username":${goJsonString(username)},"pid":${pid}`;
  if (uid !== 0) json += `,"uid":${uid}`;
  if (gid !== 0) json += `,"gid":${gid}`;
  if (lock.owner !== undefined) json += `,"holdfast":${JSON.stringify(lock.owner)}`;
  if (lock.waits === true) json += `,"holdfastWaits":true`;
  return `${json}}`;
}

export function parseLock(bytes: Uint8Array): LockFile {
  const json = parseJson(bytes, "lock");
  const time = asString(json["time"], "lock: time");
  if (!isTime(time)) throw new HoldfastError("repository-damaged", { reason: "lock: time" });
  const owner = parseOwner(json["holdfast"]);
  return {
    time,
    exclusive: asBoolean(json["exclusive"] ?? false, "lock: exclusive"),
    hostname: asString(json["hostname"] ?? "", "lock: hostname"),
    username: asString(json["username"] ?? "", "lock: username"),
    pid: asUint32(json["pid"] ?? 0, "lock: pid"),
    uid: asUint32(json["uid"] ?? 0, "lock: uid"),
    gid: asUint32(json["gid"] ?? 0, "lock: gid"),
    ...(owner !== undefined && { owner }),
    ...(json["holdfastWaits"] === true && { waits: true }),
  };
}

/** Another version's owner may look different: then it is nobody that we know. */
function parseOwner(value: unknown): LockOwner | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { boot, pidNamespace, pid, started } = value as Readonly<Record<string, unknown>>;
  if (typeof boot !== "string" || typeof pidNamespace !== "string" || typeof started !== "string") return undefined;
  return typeof pid === "number" ? { boot, pidNamespace, pid, started } : undefined;
}
