import type { DatabaseRights } from "../database.ts";
import { closedRightsTables, rightsTables } from "./given-rights.ts";
import { grantsOf, hasRight, mayReadProcedures } from "./grants.ts";
import { quoteName } from "./identifier.ts";
import type { Target } from "./location.ts";
import type { Session } from "./session.ts";

/** A right that a backup needs, and whether it is one over the whole server. */
interface Needed {
  readonly right: string;
  readonly scope: "server" | "database";
}

const mariadb: readonly Needed[] = [
  { right: "SELECT", scope: "database" },
  { right: "SHOW VIEW", scope: "database" },
  { right: "TRIGGER", scope: "database" },
  { right: "EVENT", scope: "database" },
  { right: "RELOAD", scope: "server" }, // BACKUP STAGE
  { right: "BINLOG MONITOR", scope: "server" }, // the position in the log
];

const mysql: readonly Needed[] = [
  { right: "SELECT", scope: "database" },
  { right: "SHOW VIEW", scope: "database" },
  { right: "TRIGGER", scope: "database" },
  { right: "EVENT", scope: "database" },
  { right: "RELOAD", scope: "server" }, // FLUSH TABLES WITH READ LOCK
  { right: "REPLICATION CLIENT", scope: "server" },
  { right: "SHOW_ROUTINE", scope: "server" }, // the bodies of other users' routines
];

/** MariaDB shows the bodies of routines to whoever may read them in `mysql.proc`; from 11.3 on it has a right for it. */
const showRoutine = { right: "SHOW CREATE ROUTINE", scope: "database" } as const;

/** What this user lacks for a whole backup: without TRIGGER, say, triggers vanish without an error. */
export async function rightsOf(session: Session, { database }: Target): Promise<DatabaseRights> {
  const { flavour, number, user } = session.server;
  const grants = await grantsOf(session);
  const hasRoutineRight = number >= 110_300;
  const needed = flavour === "mysql" ? mysql : hasRoutineRight ? [...mariadb, showRoutine] : mariadb;
  const missing = needed
    .filter(({ right, scope }) => !hasRight(grants, right, scope === "database" ? database : undefined))
    .map(({ right, scope }) => ({ subject: scope === "server" ? "*.*" : database, right }));
  const procedures = { subject: "mysql.proc", right: "SELECT" };
  if (flavour === "mariadb" && !hasRoutineRight && !(await mayReadProcedures(session))) missing.push(procedures);
  for (const table of await closedRightsTables(session)) missing.push({ subject: `mysql.${table}`, right: "SELECT" });
  return { user, missing, script: script(needed, database, flavour === "mariadb" && !hasRoutineRight) };
}

function script(needed: readonly Needed[], database: string, procedures: boolean): string {
  const rights = (scope: Needed["scope"]): string =>
    needed
      .filter((one) => one.scope === scope)
      .map(({ right }) => right)
      .join(", ");
  // In a grant, `_` and `%` of a name are patterns.
  const place = quoteName(database.replaceAll(/[\\_%]/g, String.raw`\$&`));
  return [
    "CREATE USER IF NOT EXISTS 'holdfast'@'localhost' IDENTIFIED BY 'CHOOSE A PASSWORD';",
    `GRANT ${rights("database")} ON ${place}.* TO 'holdfast'@'localhost';`,
    `GRANT ${rights("server")} ON *.* TO 'holdfast'@'localhost';`,
    // Who may what in the database; no passwords stand there.
    ...[...(procedures ? ["proc"] : []), ...rightsTables].map(
      (table) => `GRANT SELECT ON mysql.${table} TO 'holdfast'@'localhost';`,
    ),
    "",
  ].join("\n");
}
