import type { DatabaseAddress, DatabaseHolder, ServerHome } from "../database.ts";
import { contentsOf } from "./contents.ts";
import { othersIn } from "./holders.ts";
import { quoteName, quoteText } from "./identifier.ts";
import { identityOf, isEmpty, tablesDigest } from "./identity.ts";
import { databaseOf, longestName, targetOf, withDatabase } from "./location.ts";
import { readMarker } from "./marker.ts";
import { brokenViews } from "./programs.ts";
import { isThere, renameDatabase } from "./rename.ts";
import { Session } from "./session.ts";

/** A database beside another one: what a restore builds, and what it keeps. Events sleep there. */
const besideName = /_holdfast_(?:new|old)_\w+$/;

const extended: ServerHome["extended"] = (address, ending) =>
  withDatabase(address, databaseOf(address.url).slice(0, Math.max(0, longestName - ending.length)) + ending);

export const mysqlHome: ServerHome = {
  kind: "server",
  extended,
  beside: (address, id, role) => extended(address, `_holdfast_${role}_${id.replaceAll(/\W/g, "")}`.slice(0, 40)),
  identity: (address, signal) => onServer(address, signal, (session, database) => identityOf(session, database)),
  witness: (address, signal) => onServer(address, signal, witnessOf),
  async contents(address, signal) {
    const target = await targetOf(address);
    await using session = await Session.open(target, target.database, signal);
    return await contentsOf(session);
  },
  rename: (address, to, signal) => {
    const place = databaseOf(to.url);
    return onServer(address, signal, (session, from) => renameDatabase(session, from, place, eventsIn(place)));
  },
  leftByRename: (address, signal) =>
    onServer(address, signal, async (session, database) => {
      await session.run(`USE ${quoteName(database)}`);
      return brokenViews(session);
    }),
  emptyAt: (address, signal) =>
    onServer(address, signal, async (session, database) => {
      if (!(await isThere(session, database)) || !(await isEmpty(session, database))) return undefined;
      const [shown] = await session.query(`SHOW CREATE DATABASE ${quoteName(database)}`);
      return shown?.[1] ?? undefined;
    }),
  makeEmpty: (address, how, signal) =>
    onServer(address, signal, async (session, database) => {
      if (!(await isThere(session, database))) await session.run(how);
    }),
  settle: (to, signal) =>
    onServer(to, signal, async (session, place) => {
      const marker = await readMarker(session, place);
      if (marker) await renameDatabase(session, marker.source, place, eventsIn(place));
    }),
  drop: (address, signal) =>
    onServer(address, signal, (session, database) => session.run(`DROP DATABASE IF EXISTS ${quoteName(database)}`)),
  async privateServer(place, signal) {
    const { privateMariadb } = await import("./private-server.ts");
    return privateMariadb(place, signal);
  },
};

export function holdersOf(address: DatabaseAddress, signal: AbortSignal): Promise<readonly DatabaseHolder[]> {
  return onServer(address, signal, othersIn);
}

function eventsIn(database: string): "asleep" | "awake" {
  return besideName.test(database) ? "asleep" : "awake";
}

async function onServer<T>(
  address: DatabaseAddress,
  signal: AbortSignal,
  work: (session: Session, database: string) => Promise<T>,
): Promise<T> {
  const target = await targetOf(address);
  await using session = await Session.open(target, undefined, signal);
  return await work(session, target.database);
}

/**
 * The server notes when each table was changed last, to the second. While that is this very second, what comes later in it
 * would look the same, so it is waited for. How long tables are is no witness: InnoDB estimates it anew some seconds after
 * a change, by itself.
 */
async function witnessOf(session: Session, database: string): Promise<string> {
  const [changed] = await session.query(
    `SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA=${quoteText(database)} AND UPDATE_TIME >= NOW()`,
  );
  if (changed?.[0] !== "0") await session.run("DO SLEEP(1.001 - MICROSECOND(SYSDATE(6)) / 1000000)");
  return tablesDigest(session, database, "TABLE_NAME, CREATE_TIME, UPDATE_TIME, AUTO_INCREMENT");
}
