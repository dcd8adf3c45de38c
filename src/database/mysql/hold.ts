import { HoldfastError, isHoldfastError } from "../../lib/errors.ts";
import { serverCode } from "./failure.ts";
import { quoteName } from "./identifier.ts";
import { isReadHere } from "./inspect.ts";
import type { Session } from "./session.ts";

/** Tables that one statement opens. */
const openedAtOnce = 50;

/** Whoever is in the way of a table for longer may wait for one of our own sessions: a new moment lets him through. */
const holdSeconds = 1;

/** Somebody altered or emptied a table since the moment, dropped it since it was listed, or is about to. */
const inTheWay = new Set(["ER_TABLE_DEF_CHANGED", "ER_NO_SUCH_TABLE", "ER_LOCK_WAIT_TIMEOUT"]);

/**
 * Keeps everybody from altering and emptying tables while these sessions have their moment, each session for itself: one that
 * came to a table only later would queue behind whoever waits to alter it, and he for another session of ours. The server sees
 * no deadlock in that. Fails with `database-busy` where a new moment is needed.
 */
export async function holdTables(
  sessions: readonly Session[],
  unread: readonly string[],
  lockWaitSeconds: number,
): Promise<void> {
  const [first] = sessions;
  const found = await first?.query(
    "SELECT TABLE_NAME, IFNULL(ENGINE,'') FROM information_schema.TABLES " +
      "WHERE TABLE_SCHEMA=DATABASE() AND TABLE_TYPE IN ('BASE TABLE','SYSTEM VERSIONED') ORDER BY TABLE_NAME",
  );
  const read = (found ?? []).filter(([name, engine]) => isReadHere(engine ?? "") && !unread.includes(name ?? ""));
  const tables = read.map(([name]) => quoteName(name ?? ""));
  await Promise.all(sessions.map((session) => holdFor(session, tables, lockWaitSeconds)));
}

async function holdFor(session: Session, tables: readonly string[], lockWaitSeconds: number): Promise<void> {
  await session.run(`SET SESSION lock_wait_timeout=${Math.min(holdSeconds, lockWaitSeconds)}`);
  for (let at = 0; at < tables.length; at += openedAtOnce) {
    // A row is asked for: only then the server looks whether there was such a table at the moment.
    const some = tables.slice(at, at + openedAtOnce).map((table) => `(SELECT 1 FROM ${table} LIMIT 1)`);
    try {
      await session.run(some.join(" UNION ALL "));
    } catch (error) {
      if (!isHoldfastError(error) || !inTheWay.has(serverCode(error.cause) ?? "")) throw error;
      throw new HoldfastError("database-busy", error.facts, error);
    }
  }
  await session.run(`SET SESSION lock_wait_timeout=${lockWaitSeconds}`);
}
