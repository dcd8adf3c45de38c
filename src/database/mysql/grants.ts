import type { Session } from "./session.ts";

/** What `SHOW GRANTS` says of this user. */
export async function grantsOf(session: Session): Promise<readonly string[]> {
  return (await session.query("SHOW GRANTS")).map(([grant]) => grant ?? "");
}

/** @param database absent: the right must be one over the whole server */
export function hasRight(grants: readonly string[], right: string, database?: string): boolean {
  return grants.some((grant) => {
    const match = /^GRANT (.+) ON (.+?) TO /.exec(grant);
    if (!match) return false;
    const [, rights = "", place = ""] = match;
    const isHere = place === "*.*" || (database !== undefined && matchesDatabase(place, database));
    return isHere && (rights.startsWith("ALL PRIVILEGES") || rights.split(", ").includes(right));
  });
}

/** `_` and `%` in the name of a database in a grant stand for any character and any text, unless escaped. */
function matchesDatabase(place: string, database: string): boolean {
  const name = /^`((?:[^`]|``)+)`\.\*$/.exec(place)?.[1]?.replaceAll("``", "`");
  if (name === undefined) return false;
  const pattern = name.replaceAll(/\\[_%]|[_%]|[^_%\\]+|\\/g, (part) =>
    part === "%"
      ? ".*"
      : part === "_"
        ? "."
        : RegExp.escape(part.length === 2 && part.startsWith("\\") ? part.slice(1) : part),
  );
  return new RegExp(`^${pattern}$`, "su").test(database);
}

/** Before 11.3 MariaDB shows the bodies of other users' routines to whoever may read this table. */
export async function mayReadProcedures(session: Session): Promise<boolean> {
  return session.query("SELECT 1 FROM mysql.proc LIMIT 1").then(
    () => true,
    () => false,
  );
}
