import { readFileSync } from "node:fs";

/** What numbers of users and groups are called on this machine. */
export interface People {
  readonly user: (uid: number) => string | undefined;
  readonly group: (gid: number) => string | undefined;
}

/**
 * Reads `/etc/passwd` and `/etc/group` once. Names that only a directory service knows stay unknown, as they do for a
 * static restic: numbers are what a restore uses.
 */
export function readPeople(passwdFile = "/etc/passwd", groupFile = "/etc/group"): People {
  const users = namesByNumber(passwdFile);
  const groups = namesByNumber(groupFile);
  return { user: (uid) => users.get(uid), group: (gid) => groups.get(gid) };
}

/** Both files have the name in the first field and the number in the third; the first line of a number counts. */
function namesByNumber(file: string): ReadonlyMap<number, string> {
  const names = new Map<number, string>();
  for (const line of textOf(file).split("\n")) {
    const [name, , number] = line.split(":");
    if (!name || number === undefined || !/^\d+$/.test(number)) continue;
    if (!names.has(Number(number))) names.set(Number(number), name);
  }
  return names;
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return ""; // a container without the file: numbers only
  }
}
