import { resolve } from "node:path";

/** A repository's location is a path, unless it begins with a kind of storage (`memory:`, `s3:`, …). */
export function resolveLocation(location: string, folder: string): string {
  // A folder of volumes is a path too, and is kept in plans.
  const [, volumes] = /^volumes:(?!tape:)(.+)$/s.exec(location) ?? [];
  if (volumes !== undefined) return `volumes:${resolve(folder, volumes)}`;
  return isPath(location) ? resolve(folder, location) : location;
}

export function isPath(location: string): boolean {
  return !/^[a-z][a-z0-9+-]+:/i.test(location);
}
