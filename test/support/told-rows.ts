import assert from "node:assert/strict";
import type { Change, ChangeFeed, FeedPlace } from "../../src/database/change-feed.ts";
import { mysqlEngine } from "../../src/database/mysql/mysql.ts";
import type { MariadbServer } from "./mariadb-server.ts";

/** What a feed of a database on MariaDB tells: rows as the transactions leave them that are committed, and what it cannot tell. */
export class ToldRows implements AsyncDisposable {
  readonly #server: MariadbServer;
  readonly #feed: ChangeFeed;
  readonly #changes: AsyncIterator<readonly Change[]>;
  readonly #rows = new Map<string, Map<string, string>>();
  #open: Change[] = [];
  #digest: string | undefined;
  #point: { readonly position: string; readonly time: string };
  /** Since this was asked last. */
  #gaps: string[] = [];
  outside: readonly string[] = [];
  readonly sequences = new Map<string, string>();
  /** What they are called, in their order. */
  readonly transactions: string[] = [];

  private constructor(server: MariadbServer, feed: ChangeFeed) {
    this.#server = server;
    this.#feed = feed;
    this.#point = feed.start;
    this.#changes = feed.changes()[Symbol.asyncIterator]();
  }

  /** `from`: where another one stopped. */
  static async of(server: MariadbServer, database: string, from?: FeedPlace): Promise<ToldRows> {
    assert.ok(mysqlEngine.log);
    const options = { name: database, mostLagBytes: 2 ** 40, intervalMs: 300, silenceMs: 60_000 };
    const place = { signal: AbortSignal.timeout(120_000), ...(from && { from }) };
    const feed = await mysqlEngine.log.follow({ url: server.url(database) }, { ...options, ...place });
    assert.equal(from && feed.startedAnew, undefined);
    const told = new ToldRows(server, feed);
    await told.#next();
    return told;
  }

  get place(): FeedPlace {
    return { history: this.#feed.history, ...this.#point, tables: this.#digest };
  }

  /** Waits until all is told that the server's log has by now; gives the gaps. */
  async now(): Promise<readonly string[]> {
    const [file = "", offset = ""] = (await this.#server.sql("SHOW MASTER STATUS")).trim().split("\t");
    const number = /\.(\d+)$/.exec(file)?.[1] ?? "";
    const end = `${number.padStart(10, "0")}:${offset.padStart(12, "0")}`;
    while (this.#point.position < end) await this.#next();
    return [...new Set(this.#gaps.splice(0))];
  }

  /** Rows of a table, in the order of their texts. */
  rows(table: string): readonly string[] {
    return [...(this.#rows.get(table)?.values() ?? [])].toSorted().map((line) => line.replaceAll("\t", "="));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#feed[Symbol.asyncDispose]();
  }

  async #next(): Promise<void> {
    const next = await this.#changes.next();
    assert.ok(next.done !== true);
    for (const change of next.value) this.#add(change);
  }

  #add(change: Change): void {
    switch (change.type) {
      case "begin":
        this.#open = [];
        this.transactions.push(change.transaction);
        break;
      case "commit":
        for (const one of this.#open) this.#apply(one);
        this.#point = change.point;
        break;
      case "reached":
        this.#point = change.point;
        break;
      case "gap":
        this.#gaps.push(...change.tables.map(({ name }) => `${change.reason} ${name}`));
        break;
      case "tables":
        this.outside = change.outside.map(({ name, reason }) => `${reason} ${name}`);
        this.#digest = change.digest;
        break;
      case "sequences":
        for (const { name, value } of change.sequences) this.sequences.set(name, value);
        break;
      default:
        this.#open.push(change);
    }
  }

  #apply(change: Change): void {
    if (change.type !== "write" && change.type !== "delete" && change.type !== "truncate") return;
    const rows = this.#rows.get(change.table.name) ?? new Map<string, string>();
    this.#rows.set(change.table.name, rows);
    if (change.type === "truncate") rows.clear();
    else if (change.type === "delete") rows.delete(change.key);
    else {
      if (change.oldKey !== undefined) rows.delete(change.oldKey);
      rows.set(change.after.split("\t").slice(0, change.table.keyLength).join("\t"), change.after);
    }
  }
}
