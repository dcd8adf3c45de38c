import { setTimeout as delay } from "node:timers/promises";
import { HoldfastError, isHoldfastError } from "../../lib/errors.ts";
import type { ConnectOptions } from "../database.ts";
import { quoteText } from "./identifier.ts";
import type { Target } from "./location.ts";
import { Session } from "./session.ts";

/** How long a lock is waited for without a word. */
const silentMs = 1500;

/** Tables that are named of those that may hold up a lock of the whole server. */
const mostNamed = 3;

/** Does a piece of work that may have to wait for somebody's lock; `table`: for one of that table. */
export type LockWatch = <T>(work: () => Promise<T>, table?: string) => Promise<T>;

/** Tells when the server says that a session of ours waits for a lock, and names what is locked when that took too long. */
export function lockWatch(target: Target, onWait: ConnectOptions["onWait"], signal: AbortSignal): LockWatch {
  return async (work, table) => {
    const over = new AbortController();
    const watching = AbortSignal.any([signal, over.signal]);
    const watch = async (): Promise<void> => {
      await delay(silentMs, undefined, { signal: watching });
      await using session = await Session.open(target, undefined, watching);
      const [row] = await session.query(
        "SELECT STATE FROM information_schema.PROCESSLIST WHERE (STATE LIKE 'Waiting for %lock%' OR STATE LIKE 'Waiting for %flush%') " +
          `AND USER=SUBSTRING_INDEX(CURRENT_USER(),'@',1)${table === undefined ? "" : ` AND INFO LIKE ${quoteText(`%${table}%`)}`} LIMIT 1`,
      );
      if (!row) return;
      const subject = table ?? (await tablesInUse(session));
      onWait?.({ ...(subject !== undefined && { subject }), ...(row[0] !== null && { reason: row[0] }) });
    };
    const watched = watch().catch(() => undefined); // whoever may not look hears it at the end
    try {
      return await work();
    } catch (error) {
      if (!isHoldfastError(error, "database-busy")) throw error;
      // Whoever holds it still does.
      const subject = table ?? (await namedOn(target, signal));
      throw new HoldfastError("database-busy", { ...error.facts, ...(subject !== undefined && { subject }) }, error);
    } finally {
      over.abort();
      await watched;
    }
  };
}

async function namedOn(target: Target, signal: AbortSignal): Promise<string | undefined> {
  try {
    await using session = await Session.open(target, undefined, signal);
    return await tablesInUse(session);
  } catch {
    return undefined; // that it is busy is what is told then
  }
}

/** A lock of the whole server waits for whoever has locked a table, or is at work in one. */
async function tablesInUse(session: Session): Promise<string | undefined> {
  const rows = await session.query("SHOW OPEN TABLES WHERE In_use>0");
  const names = rows.map(([database, table]) => `${database}.${table}`);
  return names.length === 0 ? undefined : names.slice(0, mostNamed).join(", ");
}
