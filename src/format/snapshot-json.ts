import { HoldfastError } from "../lib/errors.ts";
import { goJsonString } from "./go-json.ts";
import {
  asCount,
  asId,
  asObject,
  asOptionalString,
  asString,
  asStrings,
  asUint32,
  parseJson,
  type JsonObject,
} from "./json-fields.ts";
import type { Snapshot, SnapshotSummary } from "./snapshot.ts";
import { isTime } from "./time.ts";

/** The JSON of a snapshot file, fields in restic's order, to be sealed as `unpacked.ts` does. */
export function snapshotJson(snapshot: Snapshot): string {
  const fields: string[] = [`"time":"${snapshot.time}"`];
  const add = (name: string, value: string | undefined): void => {
    if (value !== undefined && value !== "") fields.push(`"${name}":${goJsonString(value)}`);
  };
  const addNumber = (name: string, value: number | undefined): void => {
    if (value !== undefined && value !== 0) fields.push(`"${name}":${value}`);
  };
  const addList = (name: string, values: readonly string[] | undefined): void => {
    if (values !== undefined && values.length > 0) fields.push(`"${name}":${listJson(values)}`);
  };
  add("parent", snapshot.parent);
  add("tree", snapshot.tree);
  fields.push(`"paths":${listJson(snapshot.paths)}`);
  add("hostname", snapshot.hostname);
  add("username", snapshot.username);
  addNumber("uid", snapshot.uid);
  addNumber("gid", snapshot.gid);
  addList("excludes", snapshot.excludes);
  addList("tags", snapshot.tags);
  add("original", snapshot.original);
  add("program_version", snapshot.programVersion);
  if (snapshot.summary !== undefined) fields.push(`"summary":${summaryJson(snapshot.summary)}`);
  return `{${fields.join(",")}}`;
}

/** A snapshot as stored; `repository-damaged` for anything that restic could not read either. */
export function parseSnapshot(bytes: Uint8Array): Snapshot {
  const json = parseJson(bytes, "snapshot");
  const parent = optionalId(json, "parent");
  const original = optionalId(json, "original");
  const hostname = asOptionalString(json["hostname"], "snapshot: hostname");
  const username = asOptionalString(json["username"], "snapshot: username");
  const programVersion = asOptionalString(json["program_version"], "snapshot: program_version");
  const excludes = asStrings(json["excludes"], "snapshot: excludes");
  const tags = asStrings(json["tags"], "snapshot: tags");
  const summary = json["summary"] ?? undefined;
  return {
    time: time(json["time"], "snapshot: time"),
    ...(parent !== undefined && { parent }),
    tree: asId(json["tree"], "snapshot: tree"),
    paths: asStrings(json["paths"], "snapshot: paths"),
    ...(hostname !== undefined && { hostname }),
    ...(username !== undefined && { username }),
    uid: asUint32(json["uid"] ?? 0, "snapshot: uid"),
    gid: asUint32(json["gid"] ?? 0, "snapshot: gid"),
    ...(excludes.length > 0 && { excludes }),
    ...(tags.length > 0 && { tags }),
    ...(original !== undefined && { original }),
    ...(programVersion !== undefined && { programVersion }),
    ...(summary !== undefined && { summary: parseSummary(asObject(summary, "snapshot: summary")) }),
  };
}

const counts = {
  filesNew: "files_new",
  filesChanged: "files_changed",
  filesUnmodified: "files_unmodified",
  dirsNew: "dirs_new",
  dirsChanged: "dirs_changed",
  dirsUnmodified: "dirs_unmodified",
  dataBlobs: "data_blobs",
  treeBlobs: "tree_blobs",
  dataAdded: "data_added",
  dataAddedPacked: "data_added_packed",
  totalFilesProcessed: "total_files_processed",
  totalBytesProcessed: "total_bytes_processed",
} as const;
type CountName = keyof typeof counts;
const countNames = Object.keys(counts) as readonly CountName[];

function summaryJson(summary: SnapshotSummary): string {
  return JSON.stringify({
    backup_start: summary.backupStart,
    backup_end: summary.backupEnd,
    ...Object.fromEntries(countNames.map((name) => [counts[name], summary[name]])),
  });
}

function parseSummary(json: JsonObject): SnapshotSummary {
  const numbers = Object.fromEntries(
    countNames.map((name) => [name, asCount(json[counts[name]], `snapshot: summary ${counts[name]}`)]),
  ) as Record<CountName, number>;
  return {
    backupStart: time(json["backup_start"], "snapshot: summary backup_start"),
    backupEnd: time(json["backup_end"], "snapshot: summary backup_end"),
    ...numbers,
  };
}

function time(value: unknown, field: string): string {
  const text = asString(value, field);
  if (!isTime(text)) throw new HoldfastError("repository-damaged", { reason: field });
  return text;
}

function optionalId(json: JsonObject, name: string): string | undefined {
  const value = json[name];
  return value === undefined || value === null ? undefined : asId(value, `snapshot: ${name}`);
}

function listJson(values: readonly string[]): string {
  return `[${values.map(goJsonString).join(",")}]`;
}
