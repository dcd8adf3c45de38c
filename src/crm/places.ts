import { dirname, join, relative } from "node:path";

/** Paths of a CRM's parts where they were captured, by any key that the caller likes. Absolute. */
export type PartPaths = Readonly<Record<string, string>>;

/**
 * Where parts go in a restore into another folder: as they lay to each other, below the deepest folder that they had
 * in common. So links from one part to another by relative path go on working, and a platform that keeps its files
 * beside its database (Tryton) finds both. Parts that had nothing in common keep their whole path: `/etc/a.conf`
 * becomes `<target>/etc/a.conf`.
 */
export function placesBelow(target: string, parts: PartPaths): PartPaths {
  const common = commonFolder(Object.values(parts));
  return Object.fromEntries(Object.entries(parts).map(([key, path]) => [key, join(target, relative(common, path))]));
}

function commonFolder(paths: readonly string[]): string {
  const [first, ...others] = paths;
  if (first === undefined) return "/";
  let folder = dirname(first);
  while (folder !== "/" && !others.every((path) => path.startsWith(`${folder}/`))) folder = dirname(folder);
  return folder;
}
