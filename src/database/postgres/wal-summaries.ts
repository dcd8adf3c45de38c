import { setTimeout as delay } from "node:timers/promises";
import type { PostgresConnection } from "./connection.ts";

/**
 * Blocks of tables that were changed since a place in the log, from the summaries that PostgreSQL 17 and later keep with
 * `summarize_wal`. A summary ends at a checkpoint, so one is asked for, where this user may.
 * https://www.postgresql.org/docs/17/functions-info.html#FUNCTIONS-INFO-WAL-SUMMARY
 */
const firstVersion = 170_000;
/** How long the server may take to summarise what it has just written. */
const patienceMs = 5000;
/** A smaller table is looked through as quickly, without a checkpoint. */
const smallPages = 1000;

/** A stretch of blocks, up to before `to`. */
export interface Blocks {
  readonly from: number;
  readonly to: number;
}

/** Why blocks cannot be told; for a person: a key of `words`. `undefined`: they can. */
export async function summariesLack(session: PostgresConnection): Promise<"version" | "off" | "right" | undefined> {
  if (session.version < firstVersion) return "version";
  const [row = []] = await session.rows(
    `SELECT current_setting('summarize_wal'), pg_has_role('pg_checkpoint', 'USAGE'), pg_is_in_recovery()`,
  );
  const [summarised, mayCheckpoint, inRecovery] = row;
  if (summarised !== "on" || inRecovery !== "f") return "off";
  return mayCheckpoint === "t" ? undefined : "right";
}

/** The summaries up to the moment of one snapshot, looked up once for all its tables. */
export class WalSummaries {
  readonly #session: PostgresConnection;
  #ready: Promise<boolean> | undefined;

  constructor(session: PostgresConnection) {
    this.#session = session;
  }

  /** Blocks of a table's file that may have changed since `lsn`; `undefined`: it cannot be told, or they are too many. */
  async changedBlocks(table: string, file: string, lsn: string): Promise<readonly Blocks[] | undefined> {
    const session = this.#session;
    const pages = Number(
      await session.value("SELECT pg_relation_size($1::regclass) / current_setting('block_size')::integer", [table]),
    );
    if (pages < smallPages || !(await (this.#ready ??= this.#reach()))) return undefined;
    const rows = await session.rows(
      `SELECT DISTINCT c.relblocknumber, c.is_limit_block
       FROM pg_available_wal_summaries() AS s CROSS JOIN LATERAL pg_wal_summary_contents(s.tli, s.start_lsn, s.end_lsn) AS c
       WHERE s.end_lsn > $1::pg_lsn AND c.relfilenode = $2::oid AND c.relforknumber = 0
         AND c.reldatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
       ORDER BY 1`,
      [lsn, file],
    );
    if (!(await this.#covers(lsn)) || rows.some(([, limit]) => limit === "t") || rows.length * 4 > pages)
      return undefined;
    return joined(rows.map(([block]) => Number(block)));
  }

  /** Whether what was written up to now is summarised, or is after a checkpoint. */
  async #reach(): Promise<boolean> {
    const session = this.#session;
    if ((await summariesLack(session)) !== undefined) return false;
    const end = await session.value("SELECT pg_current_wal_insert_lsn()");
    await session.run("CHECKPOINT");
    for (const from = performance.now(); performance.now() - from < patienceMs; await delay(20)) {
      const there = await session.value("SELECT max(end_lsn) >= $1::pg_lsn FROM pg_available_wal_summaries()", [end]);
      if (there === "t") return true;
    }
    return false;
  }

  /** Whether no summary is missing from there on; old ones are removed. */
  async #covers(lsn: string): Promise<boolean> {
    const whole = await this.#session.value(
      `SELECT bool_and(coalesce(start_lsn <= before, start_lsn <= $1::pg_lsn))
       FROM (SELECT start_lsn, max(end_lsn) OVER (ORDER BY start_lsn ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
         FROM pg_available_wal_summaries() WHERE end_lsn > $1::pg_lsn) AS steps`,
      [lsn],
    );
    return whole === "t";
  }
}

/** Neighbours, and blocks that are nearly so, in one. */
function joined(blocks: readonly number[]): readonly Blocks[] {
  const found: { from: number; to: number }[] = [];
  for (const block of blocks) {
    const last = found.at(-1);
    if (last && block - last.to < 4) last.to = block + 1;
    else found.push({ from: block, to: block + 1 });
  }
  return found;
}
