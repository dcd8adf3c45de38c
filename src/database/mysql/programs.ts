import { isHoldfastError } from "../../lib/errors.ts";
import type { DatabaseSchema } from "../database.ts";
import { saysBrokenView } from "./broken-view.ts";
import { quoteName, quoteText } from "./identifier.ts";
import type { Row, Session } from "./session.ts";
import { closedRightsTables, givenRights } from "./given-rights.ts";
import { grantsOf, hasRight, mayReadProcedures } from "./grants.ts";
import { isRefused } from "./failure.ts";

export type Uncovered = DatabaseSchema["uncovered"][number];

/**
 * What runs inside the database: routines, views, triggers and events, as statements in an order in which each finds what it
 * needs. Each stands with the SQL mode and character set under which it was made, since both change what it means.
 * What the server does not show to this user is named in `uncovered`: it says nothing of that by itself.
 */
export async function programs(
  session: Session,
  views: readonly string[],
  uncovered: Uncovered[],
): Promise<{ readonly after: readonly string[]; readonly grants: readonly string[] }> {
  for (const subject of await unseen(session)) uncovered.push({ subject, reason: "mysql-no-right" });
  const routines = await routineStatements(session, uncovered);
  const viewList = await viewStatements(session, views, uncovered);
  const triggers = await triggerStatements(session, uncovered);
  const events = await eventStatements(session, uncovered);
  return {
    after: [...routines, ...viewList, ...triggers, ...events],
    grants: await givenRights(session),
  };
}

/** Kinds of programs that the server leaves out of its lists for this user, without a word. */
async function unseen(session: Session): Promise<readonly string[]> {
  const grants = await grantsOf(session);
  const [[database = ""] = []] = (await session.query("SELECT DATABASE()")) as readonly (readonly string[])[];
  const has = (...rights: readonly string[]): boolean => rights.some((right) => hasRight(grants, right, database));
  const routines = has("SHOW CREATE ROUTINE", "EXECUTE", "SHOW_ROUTINE") || (await mayReadProcedures(session));
  return [
    ...(has("TRIGGER") ? [] : ["triggers"]),
    ...(has("EVENT") ? [] : ["events"]),
    ...(routines ? [] : ["routines"]),
    // The CRM's own user, who could not give them back either, sees his own; one that was made for backups should see all.
    ...(hasRight(grants, "RELOAD") && (await closedRightsTables(session)).length > 0 ? ["rights of others"] : []),
  ];
}

/** The row of `SHOW CREATE`; `undefined` when this user may not see it. */
async function showCreate(
  session: Session,
  what: string,
  name: string,
  uncovered: Uncovered[],
): Promise<Row | undefined> {
  try {
    const [row] = await session.query(`SHOW CREATE ${what} ${quoteName(name)}`);
    return row;
  } catch (error) {
    if (!isRefused(error)) throw error;
    uncovered.push({ subject: name, reason: "mysql-no-right" });
    return undefined;
  }
}

async function routineStatements(session: Session, uncovered: Uncovered[]): Promise<string[]> {
  const rows = await session.query(
    "SELECT ROUTINE_TYPE, ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA=DATABASE() " +
      "ORDER BY FIELD(ROUTINE_TYPE,'PACKAGE','PACKAGE BODY','FUNCTION','PROCEDURE'), ROUTINE_NAME",
  );
  const statements: string[] = [];
  for (const [type, name] of rows) {
    const shown = await showCreate(session, type ?? "", name ?? "", uncovered);
    if (!shown) continue;
    const [, mode, created, , collation] = shown;
    // Without the right to see it the server gives the name and no body.
    if (created === null || created === undefined) uncovered.push({ subject: name ?? "", reason: "mysql-no-right" });
    else statements.push(...under(mode, collation), created);
  }
  return statements;
}

/** Views that others select from come first. */
async function viewStatements(session: Session, views: readonly string[], uncovered: Uncovered[]): Promise<string[]> {
  const created = new Map<string, { readonly sql: string; readonly setting: readonly string[] }>();
  for (const name of views) {
    const shown = await showCreate(session, "VIEW", name, uncovered);
    if (shown && (await isBroken(session, name))) uncovered.push({ subject: name, reason: "mysql-view" });
    if (shown) created.set(name, { sql: shown[1] ?? "", setting: under("", shown[3]) });
  }
  const ordered: string[] = [];
  const visited = new Set<string>();
  const visit = (name: string): void => {
    const view = created.get(name);
    if (!view || visited.has(name)) return;
    visited.add(name);
    for (const other of tablesIn(view.sql)) visit(other);
    ordered.push(...view.setting, view.sql);
  };
  for (const name of created.keys()) visit(name);
  return ordered;
}

/** Views of the default database that no server would make again. */
export async function brokenViews(session: Session): Promise<readonly string[]> {
  const broken: string[] = [];
  const views = await session.query(
    "SELECT TABLE_NAME FROM information_schema.VIEWS WHERE TABLE_SCHEMA=DATABASE() ORDER BY TABLE_NAME",
  );
  for (const [view] of views) if (view && (await isBroken(session, view))) broken.push(view);
  return broken;
}

async function isBroken(session: Session, view: string): Promise<boolean> {
  try {
    await session.query(`SHOW COLUMNS FROM ${quoteName(view)}`);
    return false;
  } catch (error) {
    if (saysBrokenView(error)) return true;
    if (isRefused(error) || isHoldfastError(error, "database-unreadable")) return false;
    throw error;
  }
}

/** Names that a view reads from. In the server's own text of it columns always come with their table before a dot. */
function tablesIn(sql: string): readonly string[] {
  const names = sql.matchAll(/(?:\bfrom|\bjoin|,|\()\s*\(*`((?:[^`]|``)+)`(?!\.)/g);
  return [...names].map(([, name = ""]) => name.replaceAll("``", "`"));
}

async function triggerStatements(session: Session, uncovered: Uncovered[]): Promise<string[]> {
  const [[database = ""] = []] = (await session.query("SELECT DATABASE()")) as readonly (readonly string[])[];
  const rows = await session.query(
    "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA=DATABASE() " +
      "ORDER BY EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_ORDER",
  );
  const statements: string[] = [];
  for (const [name] of rows) {
    const shown = await showCreate(session, "TRIGGER", name ?? "", uncovered);
    if (shown) statements.push(...under(shown[1], shown[4]), unqualified(shown[2] ?? "", database));
  }
  return statements;
}

/** The server keeps a trigger as it was typed: with the database's name before the table's, where somebody typed it. */
function unqualified(sql: string, database: string): string {
  const body = sql.search(/\bFOR\s+EACH\s+ROW\b/i);
  const name = RegExp.escape(database);
  const quoted = RegExp.escape(quoteName(database));
  const head = sql
    .slice(0, body)
    .replaceAll(new RegExp(`(\\b(?:ON|TRIGGER)\\s+)(?:${quoted}|${name})\\s*\\.\\s*`, "gi"), "$1");
  return head + sql.slice(body);
}

async function eventStatements(session: Session, uncovered: Uncovered[]): Promise<string[]> {
  const rows = await session.query(
    "SELECT EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA=DATABASE() ORDER BY EVENT_NAME",
  );
  const statements: string[] = [];
  for (const [name] of rows) {
    const shown = await showCreate(session, "EVENT", name ?? "", uncovered);
    if (!shown) continue;
    const [, mode, zone, created, , collation] = shown;
    const inZone = `SET SESSION time_zone=${quoteText(zone ?? "SYSTEM")}`;
    statements.push(...under(mode, collation), inZone, created ?? "", "SET SESSION time_zone='+00:00'");
  }
  return statements;
}

/** The statement itself goes to the server in UTF-8; how its own texts compare is said by the collation. */
function under(mode: string | null | undefined, collation: string | null | undefined): readonly string[] {
  return [
    `SET SESSION sql_mode=${quoteText(mode ?? "")}`,
    ...(collation === null || collation === undefined
      ? []
      : [`SET SESSION collation_connection=${quoteText(collation)}`]),
  ];
}
