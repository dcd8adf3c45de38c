import { hash } from "node:crypto";
import { stat } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import type { Change, ChangeFeed, FeedOptions, LogPoint, SnapshotPoint, TableId } from "../change-feed.ts";
import type { DatabaseSnapshot, RowKey, TableSchema } from "../database.ts";
import { keyOf } from "../rows.ts";
import { connectSqlite } from "./connect.ts";
import { sqliteDataSuffixes, sqliteFiles } from "./location.ts";
import { rowHash } from "./row-hash.ts";

/** SQLite has no log; all that happens in one file is one history. */
const history = "sqlite";
/** A time stamp younger than this may hide a second write. */
const clockStepMs = 50;

/**
 * The changes of a SQLite database as differences between what it held each time that it was looked at: everything between two looks
 * is one transaction, and what was changed back in between was never there. A hash of each row is kept in memory. Nothing is held
 * open between two looks.
 */
export class DifferenceFeed implements ChangeFeed {
  readonly history = history;
  readonly start: LogPoint;
  readonly startedAnew?: "unwatched";
  readonly #url: string;
  readonly #options: FeedOptions;
  #known: Look;
  #seen: string;
  #last: LogPoint;

  private constructor(url: string, options: FeedOptions, look: Look, seen: string) {
    this.#url = url;
    this.#options = options;
    this.#known = look;
    this.#seen = seen;
    this.start = look.point;
    this.#last = look.point;
    // Nobody saw what happened while nobody looked.
    if (options.from !== undefined) this.startedAnew = "unwatched";
  }

  static async open(url: string, options: FeedOptions): Promise<DifferenceFeed> {
    const seen = await witness(url);
    const look = await lookAt(url, undefined, undefined, options.signal);
    return new DifferenceFeed(url, options, look, seen);
  }

  async *changes(): AsyncGenerator<readonly Change[], void> {
    yield [knownOf(this.#known.tables)];
    for (;;) {
      await delay(this.#options.intervalMs, undefined, { signal: this.#options.signal });
      const before = pointNow(this.#last);
      const seen = await witness(this.#url);
      if (seen === this.#seen) {
        this.#last = before;
        yield [{ type: "reached", point: before }];
        continue;
      }
      this.#seen = seen;
      const look = await lookAt(this.#url, this.#known, this.#last, this.#options.signal);
      const changes: Change[] = [];
      if (look.altered.length > 0) {
        changes.push(
          { type: "gap", tables: look.altered, reason: "schema", from: this.#last, to: look.point },
          knownOf(look.tables),
        );
      }
      if (look.changes.length > 0) {
        const { position, time } = look.point;
        changes.push({ type: "begin", transaction: position, time }, ...look.changes, {
          type: "commit",
          point: look.point,
        });
      } else changes.push({ type: "reached", point: look.point });
      this.#known = { ...look, changes: [] };
      this.#last = look.point;
      yield changes;
    }
  }

  /** There is no log that could be shortened. */
  async acknowledge(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}
}

interface KnownTable {
  readonly table: TableSchema;
  /** Hashes of lines by their keys. */
  readonly rows: Map<RowKey, bigint>;
}

interface Look {
  readonly point: LogPoint;
  readonly tables: ReadonlyMap<string, KnownTable>;
  readonly changes: readonly Change[];
  /** SQL of tables and unique keys. */
  readonly definitions: ReadonlySet<string>;
  /** Tables that came, went, have other columns, or take rows by now that they did not take before. */
  readonly altered: readonly TableId[];
}

/** Reads the whole database at one moment. */
async function lookAt(
  url: string,
  before: Look | undefined,
  last: LogPoint | undefined,
  signal: AbortSignal,
): Promise<Look> {
  await using source = await connectSqlite(url, signal);
  await using snapshot = await source.snapshot(signal);
  // Its own moment, not one a moment later: what was committed in between is not in it.
  const point = pointAt(snapshotPoint(snapshot.position)?.time ?? "", last);
  const tables = new Map<string, KnownTable>();
  const changes: Change[] = [];
  const altered: TableId[] = [];
  const definitions = new Set([...snapshot.schema.before, ...snapshot.schema.after.filter(isUniqueKey)]);
  // Names are found in any case.
  const gone = [...(before?.definitions ?? [])].filter((sql) => !definitions.has(sql)).map((sql) => sql.toLowerCase());
  for (const table of snapshot.schema.tables) {
    const was = before?.tables.get(table.name);
    const same = was?.table.fingerprint === table.fingerprint ? was : undefined;
    const isFreed = gone.some((sql) => sql.includes(table.name.toLowerCase()));
    if (before && (!same || isFreed)) altered.push({ schema: table.schema, name: table.name });
    const rows =
      table.keyLength === 0 ? new Map<RowKey, bigint>() : await readTable(snapshot, table, same, changes, signal);
    tables.set(table.name, { table: same?.table ?? table, rows });
  }
  for (const [name, { table }] of before?.tables ?? []) {
    if (!tables.has(name)) altered.push({ schema: table.schema, name });
  }
  return { point, tables, changes, definitions, altered };
}

function isUniqueKey(sql: string): boolean {
  return /^\s*CREATE\s+UNIQUE\s+INDEX\b/i.test(sql);
}

async function readTable(
  snapshot: DatabaseSnapshot,
  table: TableSchema,
  was: KnownTable | undefined,
  changes: Change[],
  signal: AbortSignal,
): Promise<Map<RowKey, bigint>> {
  const rows = new Map<RowKey, bigint>();
  const told = was?.table ?? table;
  for await (const { lines, release } of snapshot.reader(table).read({}, signal)) {
    for (let at = 0; at < lines.length;) {
      const end = lines.indexOf(10, at);
      const key = keyOf(lines, table.keyLength, at, end);
      const sum = rowHash(lines, at, end);
      rows.set(key, sum);
      if (was && was.rows.get(key) !== sum) {
        const after = lines.toString("latin1", at, end);
        changes.push({ type: "write", table: told, after, ...(!was.rows.has(key) && { row: "new" as const }) });
      }
      at = end + 1;
    }
    release?.();
  }
  for (const key of was?.rows.keys() ?? []) if (!rows.has(key)) changes.push({ type: "delete", table: told, key });
  return rows;
}

function knownOf(tables: ReadonlyMap<string, KnownTable>): Change {
  const all = [...tables.values()].map(({ table }) => table);
  const outside = all.flatMap(({ schema, name, keyLength }) =>
    keyLength === 0 ? [{ schema, name, reason: "no-identity" as const }] : [],
  );
  const digest = hash("sha256", JSON.stringify(all.map(({ name, fingerprint }) => [name, fingerprint])));
  return { type: "tables", digest, outside };
}

function pointNow(last: LogPoint): LogPoint {
  return pointAt(new Date().toISOString(), last);
}

/** Times of this machine are positions; none is before the last. */
function pointAt(time: string, last: LogPoint | undefined): LogPoint {
  const ms = Math.max(Date.parse(time), last === undefined ? 0 : Number(last.position));
  return { position: String(ms).padStart(15, "0"), time: new Date(ms).toISOString() };
}

/** Changes whenever the files of the database may have. */
async function witness(url: string): Promise<string> {
  const parts = await Promise.all(
    sqliteFiles(url, sqliteDataSuffixes).map(async (path) => {
      const found = await stat(path, { bigint: true }).catch(() => undefined);
      if (!found) return "";
      const isYoung = Date.now() - Number(found.mtimeMs) < clockStepMs;
      return `${found.ino} ${found.size} ${found.mtimeNs}${isYoung ? ` ${performance.now()}` : ""}`;
    }),
  );
  return parts.join(", ");
}

/** From the position of a snapshot, which may come from anywhere. */
export function snapshotPoint(position: string): SnapshotPoint | undefined {
  const at = new Date(/(?:^| )begun=(\S+)/.exec(position)?.[1] ?? "");
  if (Number.isNaN(at.getTime())) return undefined;
  const here = String(at.getTime()).padStart(15, "0");
  return {
    history,
    position: here,
    time: at.toISOString(),
    holds: (transaction) => transaction.position <= here,
  };
}
