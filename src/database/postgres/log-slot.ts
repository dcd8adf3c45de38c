import { setTimeout as delay } from "node:timers/promises";
import type { GapReason, LogPoint } from "../change-feed.ts";
import { HoldfastError, isHoldfastError } from "../../lib/errors.ts";
import type { PostgresConnection } from "./connection.ts";
import { parsePlace, placeText, positionOf } from "./log-position.ts";

/** How long a slot may stay taken by a session of ours that has died: the server finds out by and by. */
const takenMs = 70_000;

export interface OpenedSlot {
  /** From here on the log is told. */
  readonly position: string;
  /** Up to here the server was told that all is safe: of what is behind it, some may be in memory only. */
  readonly acknowledged: string;
  /** Why not from where it was asked for. */
  readonly startedAnew?: GapReason;
}

/** The settings without which there is no following, said before anything is made. */
export async function checkLogSettings(connection: PostgresConnection): Promise<void> {
  const [row = []] = await connection.rows(
    `SELECT current_setting('wal_level'), (SELECT rolsuper OR rolreplication FROM pg_roles WHERE rolname = current_user),
       pg_is_in_recovery()`,
  );
  const [level, mayReplicate, isStandby] = row;
  const { path, login } = connection;
  if (isStandby === "t") throw new HoldfastError("follow-settings", { path, setting: "primary", value: "standby" });
  if (level !== "logical") {
    throw new HoldfastError("follow-settings", { path, setting: "wal_level = logical", value: level ?? "" });
  }
  if (mayReplicate !== "t") {
    throw new HoldfastError("follow-rights", { path, user: login.user, publication: "REPLICATION" });
  }
}

/**
 * Takes up the slot that is there, or makes one. `from`: behind which the log is wanted; absent: it does not matter. `isUseless`: of the
 * one that is there nothing is wanted; it tells of no publication that was made after what it tells, say.
 */
export async function openSlot(
  connection: PostgresConnection,
  name: string,
  { from, isUseless: mayNotStay }: { readonly from: string | undefined; readonly isUseless: boolean },
  signal: AbortSignal,
): Promise<OpenedSlot> {
  let isUseless = mayNotStay;
  const until = performance.now() + takenMs;
  for (;;) {
    const [slot] = await connection.rows(
      `SELECT confirmed_flush_lsn::text, active_pid, wal_status, plugin, database = current_database()
       FROM pg_replication_slots WHERE slot_name = $1`,
      [name],
    );
    if (!slot) {
      const position = await makeSlot(connection, name);
      return { position, acknowledged: position, ...(from !== undefined && { startedAnew: "slot-lost" as const }) };
    }
    const [confirmed, pid, status, plugin, here] = slot;
    if (plugin !== "pgoutput" || here !== "t") {
      throw new HoldfastError("follow-taken", { path: connection.path, subject: name });
    }
    if (pid !== null) {
      if (performance.now() > until) {
        throw new HoldfastError("follow-taken", { path: connection.path, subject: name, reason: `session ${pid}` });
      }
      await delay(250, undefined, { signal });
      continue;
    }
    const place = parsePlace(confirmed ?? undefined);
    if (status === "lost" || place === undefined || isUseless) {
      isUseless = false;
      await connection.rows("SELECT pg_drop_replication_slot($1)", [name]);
      continue;
    }
    const acknowledged = positionOf(place);
    const isBehind = from !== undefined && acknowledged > from;
    if (isBehind) return { position: acknowledged, acknowledged, startedAnew: "acknowledged-elsewhere" };
    return { position: from ?? acknowledged, acknowledged };
  }
}

/** Waits for transactions that are under way to end. */
async function makeSlot(connection: PostgresConnection, name: string): Promise<string> {
  try {
    const place = parsePlace(
      (await connection.value("SELECT lsn FROM pg_create_logical_replication_slot($1, 'pgoutput')", [name])) ??
        undefined,
    );
    return positionOf(place ?? 0n);
  } catch (error) {
    if (!isHoldfastError(error, "database-unreadable")) throw error;
    throw new HoldfastError("follow-settings", {
      path: connection.path,
      setting: "max_replication_slots",
      value: String(error.facts["reason"] ?? ""),
    });
  }
}

/** Bytes of log that the server keeps for the slot; `undefined`: there is no such slot. */
export async function slotLag(connection: PostgresConnection, name: string): Promise<number | undefined> {
  const bytes = await connection.value(
    "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) FROM pg_replication_slots WHERE slot_name = $1",
    [name],
  );
  return bytes === null ? undefined : Number(bytes);
}

/** Where the log is now. */
export async function endOfLog(session: PostgresConnection): Promise<LogPoint> {
  const [row = []] = await session.rows(
    "SELECT clock_timestamp()::text, pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::text",
  );
  return { position: positionOf(BigInt(row[1] ?? 0)), time: new Date(row[0] ?? "").toISOString() };
}

const writtenEveryMs = 20;
const longestWriteMs = 1000;

/**
 * As `endOfLog`, and written by now: a backup is where the log is written to when it begins, and one that begins behind a gap must not seem
 * to be in it.
 */
export async function writtenEndOfLog(session: PostgresConnection): Promise<LogPoint> {
  const end = await endOfLog(session);
  for (const until = performance.now() + longestWriteMs; performance.now() < until; await delay(writtenEveryMs)) {
    if ((await session.value(`SELECT pg_current_wal_lsn() >= '${placeText(end.position)}'`)) === "t") break;
  }
  return end;
}
