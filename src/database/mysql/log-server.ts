import { hash } from "node:crypto";
import { HoldfastError } from "../../lib/errors.ts";
import type { LogPoint, OutsideTable, SequenceState } from "../change-feed.ts";
import type { TableSchema } from "../database.ts";
import { isRefused } from "./failure.ts";
import { quoteName, quoteText } from "./identifier.ts";
import { inspectDatabase } from "./inspect.ts";
import type { Target } from "./location.ts";
import { positionOf } from "./log-position.ts";
import { tablesOfOldUuids } from "./log-fixed.ts";
import { canFollow } from "./log-values.ts";
import type { Session } from "./session.ts";

/** What whoever follows asks the server: its settings, where its log is, and which tables the log tells. */

/** Engines whose rows are of one moment with the log. */
const transactional = /^(innodb|rocksdb)$/i;

/** What has to be set on the server, said before anything is read; and where its log is now. */
export async function checkSettings(
  session: Session,
  { location }: Target,
): Promise<LogEnd & { readonly server: string }> {
  const values = new Map(
    (
      await session.query(
        "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('log_bin','binlog_format','binlog_row_image','binlog_row_metadata'," +
          "'binlog_row_value_options','server_id')",
      )
    ).map(([name, value]) => [name ?? "", value ?? ""]),
  );
  const needed = [
    ["log_bin", "ON"],
    ["binlog_format", "ROW"],
    ["binlog_row_image", "FULL"],
    ["binlog_row_metadata", "FULL"],
    ["binlog_row_value_options", ""],
  ] as const;
  for (const [name, wanted] of needed) {
    const value = values.get(name);
    // Of some of them one of the two servers knows nothing.
    if (value === undefined ? name.startsWith("binlog_row_m") : value.toUpperCase() !== wanted) {
      throw new HoldfastError("follow-settings", {
        path: location,
        setting: `${name} = ${wanted}`,
        value: value ?? "none",
      });
    }
  }
  await checkReplica(session, location);
  const now = await logEnd(session).catch((error: unknown) => {
    throw new HoldfastError(
      "follow-rights",
      { path: location, user: session.server.user, publication: "REPLICATION" },
      error,
    );
  });
  // Even one that leaves this database in leaves statements out that change it, by where whoever typed them was.
  for (const [setting, value] of now.filters) {
    if (value) throw new HoldfastError("follow-settings", { path: location, setting: `${setting} = ''`, value });
  }
  return { ...now, server: values.get("server_id") ?? "" };
}

/** What a replica is sent stands in its own log only where it is told to put it there: else nothing would ever seem to change. */
async function checkReplica(session: Session, path: string): Promise<void> {
  // The newer name is MySQL's.
  const [row] = await session.query(
    "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('log_slave_updates','log_replica_updates')",
  );
  const [name, value] = row ?? [];
  if (value !== "OFF" || !(await isReplica(session))) return;
  throw new HoldfastError("follow-settings", { path, setting: `${name} = ON`, value });
}

/** Whether the server is sent what happens on another one; who may not be told that is told whether it is at work just now. */
async function isReplica(session: Session): Promise<boolean> {
  const list = session.server.flavour === "mysql" ? "SHOW REPLICA STATUS" : "SHOW ALL SLAVES STATUS";
  try {
    return (await session.query(list)).length > 0;
  } catch (error) {
    if (!isRefused(error)) throw error;
    const [row] = await session.query("SHOW GLOBAL STATUS LIKE 'Slaves_running'");
    return Number(row?.[1] ?? 0) > 0;
  }
}

interface LogEnd {
  readonly file: string;
  readonly offset: number;
  readonly time: string;
  /** Of what it is by the server's settings, each with its name; empty where it is of everything. */
  readonly filters: readonly (readonly [setting: string, value: string | null | undefined])[];
}

/** Where the server's log is now; what was committed before its time stands before. */
async function logEnd(session: Session): Promise<LogEnd> {
  const newer = session.server.flavour === "mysql" && session.server.number >= 80_200;
  const [time] = await session.query("SELECT UTC_TIMESTAMP(6)");
  const [row] = await session.query(newer ? "SHOW BINARY LOG STATUS" : "SHOW MASTER STATUS");
  const at = new Date(`${time?.[0]?.replace(" ", "T")}Z`).toISOString();
  const filters = [["binlog_do_db", row?.[2]] as const, ["binlog_ignore_db", row?.[3]] as const];
  return { file: row?.[0] ?? "", offset: Number(row?.[1] ?? 4), time: at, filters };
}

export async function pointNow(session: Session): Promise<LogPoint> {
  const end = await logEnd(session);
  return { position: positionOf(end), time: end.time };
}

export async function logFiles(session: Session): Promise<readonly string[]> {
  return (await session.query("SHOW BINARY LOGS")).map(([name]) => name ?? "");
}

/** Tables that can be followed, and those that cannot. */
export async function followed(
  session: Session,
): Promise<{ readonly tables: readonly TableSchema[]; readonly outside: readonly OutsideTable[] }> {
  const { schema } = await inspectDatabase(session, "rows");
  const names = schema.tables.map(({ name }) => quoteText(name)).join(",");
  const kinds = new Map(
    names === ""
      ? []
      : (
          await session.query(
            `SELECT TABLE_NAME, IFNULL(ENGINE,''), TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA=DATABASE() AND TABLE_NAME IN (${names})`,
          )
        ).map(([name, engine, type]) => [name ?? "", { engine: engine ?? "", type }]),
  );
  const cascaded = new Set(
    (
      await session.query(
        "SELECT TABLE_NAME FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA=DATABASE() " +
          "AND (DELETE_RULE IN ('CASCADE','SET NULL') OR UPDATE_RULE IN ('CASCADE','SET NULL'))",
      )
    ).map(([name]) => name),
  );
  const oldUuids = await tablesOfOldUuids(session, schema.tables);
  const outside: OutsideTable[] = [];
  const tables = schema.tables.filter((table) => {
    const reason =
      table.keyLength === 0
        ? "no-identity"
        : !transactional.test(kinds.get(table.name)?.engine ?? "")
          ? "engine"
          : kinds.get(table.name)?.type === "SYSTEM VERSIONED"
            ? "history"
            : cascaded.has(table.name)
              ? "cascade"
              : table.columns.every(canFollow) && !oldUuids.has(table)
                ? undefined
                : "type";
    if (reason !== undefined) outside.push({ schema: table.schema, name: table.name, reason });
    return reason === undefined;
  });
  return { tables, outside };
}

/** Where MariaDB's sequences go on. */
export async function sequencesOf(session: Session): Promise<readonly SequenceState[]> {
  const names = await session.query(
    "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA=DATABASE() AND TABLE_TYPE='SEQUENCE'",
  );
  const sequences: SequenceState[] = [];
  for (const [name] of names) {
    const [row] = await session.query(`SELECT next_not_cached_value FROM ${quoteName(name ?? "")}`);
    sequences.push({ name: name ?? "", value: row?.[0] ?? "1" });
  }
  return sequences;
}

/** Stands for all tables and their columns. */
export function digestOf(tables: readonly TableSchema[], outside: readonly OutsideTable[]): string {
  return hash("sha256", JSON.stringify([tables.map(({ name, fingerprint }) => [name, fingerprint]), outside]));
}
