import { createHash } from "node:crypto";
import { PostgresConnection } from "../../src/database/postgres/connection.ts";

/** A state of a database right after one commit. */
export interface Committed {
  readonly transaction: string;
  /** RFC 3339, by the server's clock, microseconds. */
  readonly time: string;
  /** Of all rows of all tables. */
  readonly hash: string;
}

const { signal } = new AbortController();

/** The one who writes to a database, and looks at the whole of it after each commit. The server keeps times of commits. */
export class PostgresWorkload implements AsyncDisposable {
  readonly #session: PostgresConnection;

  private constructor(session: PostgresConnection) {
    this.#session = session;
  }

  static async open(url: string): Promise<PostgresWorkload> {
    const session = await PostgresConnection.open({ url }, { environment: {}, signal });
    await session.run("SET search_path TO public; SET synchronous_commit = on");
    return new PostgresWorkload(session);
  }

  async commit(sql: string): Promise<Committed> {
    await this.#session.run("BEGIN");
    await this.#session.run(sql);
    const transaction = (await this.#session.value("SELECT pg_current_xact_id()::text")) ?? "";
    await this.#session.run("COMMIT");
    const format = 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"';
    const time = await this.#session.value(
      `SELECT to_char(pg_xact_commit_timestamp('${transaction}'::xid) AT TIME ZONE 'UTC', '${format}')`,
    );
    return { transaction, time: time ?? "", hash: await this.hash() };
  }

  /** Statements outside of a transaction, or that fail. */
  async run(sql: string): Promise<void> {
    await this.#session.run(sql);
  }

  async hash(): Promise<string> {
    const names = await this.#session.rows(
      "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY relname",
    );
    const hash = createHash("sha256");
    for (const [name] of names) {
      hash.update(`${name}\n`);
      const lines: string[] = [];
      for await (const batch of this.#session.copyOut(`COPY ${name} TO STDOUT`, 1 << 20, name ?? "")) {
        lines.push(...batch.lines.toString("latin1").split("\n").slice(0, -1));
      }
      hash.update(lines.toSorted().join("\n"), "latin1");
    }
    return hash.digest("hex");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session[Symbol.asyncDispose]();
  }
}
