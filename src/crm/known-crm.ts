import { readFile } from "node:fs/promises";
import { relative } from "node:path";
import type { DatabaseAddress } from "../database/database.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { CrmDescription, DatabasePart, DetectedCrm } from "./platform.ts";
import { placeOf } from "./server-url.ts";

/** What the platforms share that read a CRM's own configuration file. */

/** The text of `configuration:`; fails with `crm-configuration-unreadable`. */
export async function readConfiguration(
  { name, configuration }: CrmDescription,
  usual: string,
): Promise<{ readonly path: string; readonly text: string }> {
  const path = configuration ?? usual;
  try {
    return { path, text: await readFile(path, "utf8") };
  } catch (error) {
    throw new HoldfastError("crm-configuration-unreadable", { crm: name, path }, error);
  }
}

export async function readText(path: string): Promise<string | undefined> {
  return await readFile(path, "utf8").catch(() => undefined);
}

/** A value that a configuration must give. */
export function needed(value: string | undefined, path: string, name: string): string {
  if (value !== undefined && value !== "") return value;
  throw new HoldfastError("crm-configuration-unreadable", { path, reason: name });
}

/** The database that the CRM's configuration names, unless `holdfast.yaml` names another login or server. */
export function databasePart(name: string, own: DatabaseAddress, named?: string): DatabasePart {
  // The password belongs to the CRM's user on the CRM's server, and goes nowhere else.
  return named === undefined || named === own.url ? { name, ...own } : { name, url: named };
}

export function detected(
  platform: string,
  url: string,
  configuration: string,
  version: string | undefined,
): DetectedCrm {
  const database = placeOf(url)?.name ?? platform;
  return {
    platform,
    name: database.replaceAll(/[^\p{L}\p{N}._-]+/gu, "-").replace(/^[._-]+/, "") || platform,
    database: url,
    files: [],
    configuration,
    attachments: [],
    ...(version === undefined ? {} : { version }),
  };
}

/** Folders of `holdfast.yaml`, and those of the CRM itself, with what is left out of each. */
export function withFiles(
  own: readonly { readonly name: string; readonly path: string; readonly excludes: readonly string[] }[],
  { files, excludes }: CrmDescription,
) {
  return [
    ...own.map((folder) => ({ ...folder, excludes: [...folder.excludes, ...excludes] })),
    ...files.map(({ name, path }) => ({ name, path, excludes })),
  ];
}

/** The pattern that leaves one folder out of another, where it lies in it: it is a part of its own. */
export function insideOf(folder: string, path: string): readonly string[] {
  const way = relative(folder, path);
  return way === "" || way === ".." || way.startsWith("../") ? [] : [`/${way}/`];
}
