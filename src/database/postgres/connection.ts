import { connect, type Socket } from "node:net";

import type pg from "pg";
import { HoldfastError } from "../../lib/errors.ts";
import type { DatabaseAddress, RowBatch } from "../database.ts";
import { type Environment, type Login, loginOf } from "./address.ts";
import { CopyIn } from "./copy-in.ts";
import { CopyOut } from "./copy-out.ts";
import { postgresFailure } from "./failure.ts";
import { lendingSocket } from "../lent-socket.ts";
import { passwordFor } from "./password.ts";
import { type SearchPath, searchingNothing } from "./daily-path.ts";
import { dailyPathSql } from "./settings.ts";
import { mayGoPlain, tlsOptions } from "./tls.ts";

/** The first version that is supported. */
const oldestVersion = 13;
const connectTimeoutMs = 15_000;
/** How long we wait for somebody else's lock before we give up and name it. */
export const lockTimeoutMs = 10_000;
/** The same for a session that shares its moment with others: whoever holds it up waits for them. */
export const stallMs = 50;

/**
 * What the text of values, and what SQL means, depends on, pinned: so that lines are the same whatever the server's, the
 * database's and the user's own settings are. https://www.postgresql.org/docs/current/runtime-config-client.html
 */
const pinned = [
  "DateStyle='ISO, YMD'",
  "IntervalStyle='postgres'",
  "TimeZone='UTC'",
  "extra_float_digits=3",
  "bytea_output='hex'",
  "xmlbinary='base64'",
  "xmloption='content'",
  "lc_monetary='C'",
  "search_path=''",
  "standard_conforming_strings=on",
  "row_security=off",
  "synchronize_seqscans=off",
  "statement_timeout=0",
  `lock_timeout=${lockTimeoutMs}`,
  "idle_in_transaction_session_timeout=0",
  "jit=off",
  "max_parallel_workers_per_gather=0",
];

export type Cell = string | null;
export type Row = readonly Cell[];

export interface OpenOptions {
  readonly environment: Environment;
  readonly signal: AbortSignal;
}

/** One session with a server: text in, text out. When `signal` fires, what runs is cancelled and the session ends. */
export class PostgresConnection implements AsyncDisposable {
  readonly login: Login;
  /** The URL, for messages. */
  readonly path: string;
  readonly version: number;
  readonly serverEncoding: string;
  /** `search_path` as it is for whoever logs in as this user. */
  readonly #ownPath: string;
  #searched: SearchPath = "nothing";
  readonly #client: pg.Client;
  readonly #signal: AbortSignal;
  /** What the server said when it ended this session while nothing was asked of it. */
  #ended: unknown;
  #free: Promise<void> = Promise.resolve();
  /** Memory of batches, used again. */
  readonly #spare: Buffer[] = [];

  private constructor(client: pg.Client, login: Login, path: string, signal: AbortSignal, facts: Row) {
    this.#client = client;
    this.login = login;
    this.path = path;
    this.#signal = signal;
    this.version = Number(facts[0]);
    this.serverEncoding = facts[1] ?? "";
    this.#ownPath = facts[2] ?? "";
    client.on("error", (error) => (this.#ended ??= error));
    signal.addEventListener("abort", this.#cancel);
  }

  static async open(address: DatabaseAddress, { environment, signal }: OpenOptions): Promise<PostgresConnection> {
    signal.throwIfAborted();
    const login = loginOf(address.url, environment);
    const path = address.url;
    try {
      const client = await logIn(address, login, environment, "statements");
      const opened = new PostgresConnection(client, login, path, signal, await begin(client, path));
      if (signal.aborted) await opened[Symbol.asyncDispose]();
      signal.throwIfAborted();
      return opened;
    } catch (error) {
      signal.throwIfAborted();
      throw postgresFailure(error, path, login.user);
    }
  }

  get state(): "open" | "gone" {
    const { connection } = this.#client as unknown as { readonly connection: { readonly stream: Socket } };
    return connection.stream.destroyed ? "gone" : "open";
  }

  /** Resolves when all that was asked of this session so far is over. */
  get free(): Promise<void> {
    return this.#free;
  }

  get versionText(): string {
    return `${Math.floor(this.version / 10_000)}.${this.version % 10_000}`;
  }

  /** The server's number of this session. */
  get pid(): number {
    return (this.#client as unknown as { readonly processID: number }).processID;
  }

  /** One statement with parameters; every value as the server writes it. */
  async rows(sql: string, values: readonly Cell[] = [], subject?: string): Promise<readonly Row[]> {
    return this.#told(async () => {
      const config = { text: await this.#asked(sql), values: [...values], rowMode: "array" as const, types: asText };
      return (await this.#client.query<Cell[]>(config)).rows;
    }, subject);
  }

  /** The first cell of the first row. */
  async value(sql: string, values: readonly Cell[] = [], subject?: string): Promise<Cell> {
    return (await this.rows(sql, values, subject))[0]?.[0] ?? null;
  }

  /** Statements without answers, several where they need no parameters. */
  async run(sql: string, subject?: string): Promise<void> {
    await this.#told(async () => {
      await this.#client.query(sql);
    }, subject);
  }

  async search(where: SearchPath): Promise<void> {
    if (this.#searched === where) return;
    this.#searched = where;
    // Before each statement anew.
    if (where !== "daily to plan")
      await this.run(where === "nothing" ? "SET search_path=''" : dailyPathSql(this.#ownPath));
  }

  /** A query, as it is asked with what is searched; nothing may come in between. */
  async #asked(sql: string): Promise<string> {
    if (this.#searched !== "daily to plan") return sql;
    await this.#client.query(dailyPathSql(this.#ownPath));
    return searchingNothing(sql);
  }

  /** How many rows a statement was for. */
  async changed(sql: string, subject: string): Promise<number> {
    return this.#told(async () => (await this.#client.query(sql)).rowCount ?? 0, subject);
  }

  async *copyOut(sql: string, targetBytes: number, subject: string): AsyncGenerator<RowBatch, void> {
    using _turn = await this.#turn();
    let finished = "yes";
    try {
      const copy = new CopyOut(await this.#asked(sql), targetBytes, this.#spare);
      this.#client.query(copy);
      finished = "no";
      yield* copy.batches();
      finished = "yes";
    } catch (error) {
      finished = "yes";
      this.#signal.throwIfAborted();
      throw postgresFailure(error, this.path, subject);
    } finally {
      // Whoever stops reading leaves rows in the socket: the session is of no more use.
      if (finished === "no") this.#cancel();
    }
  }

  async copyIn(
    sql: string,
    batches: AsyncIterable<Pick<RowBatch, "lines" | "release">>,
    subject: string,
  ): Promise<number> {
    return await this.#told(() => {
      const copy = new CopyIn(sql, batches);
      this.#client.query(copy);
      return copy.done;
    }, subject);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#signal.removeEventListener("abort", this.#cancel);
    await this.#client.end().catch(() => {});
  }

  /** One statement at a time, in the order in which they are asked for: the driver's own queue goes away. */
  async #turn(): Promise<Disposable> {
    const before = this.#free;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#free = promise;
    await before;
    return { [Symbol.dispose]: resolve };
  }

  async #told<T>(work: () => Promise<T>, subject: string | undefined): Promise<T> {
    using _turn = await this.#turn();
    try {
      return await work();
    } catch (error) {
      this.#signal.throwIfAborted();
      throw postgresFailure(this.#ended ?? error, this.path, subject);
    }
  }

  /** A session that is only closed would run its statement to the end. */
  readonly #cancel = (): void => {
    const { host, port } = this.login;
    const { secretKey, connection } = this.#client as unknown as {
      readonly secretKey: number;
      readonly connection: { readonly stream: { destroy(): void } };
    };
    const request = Buffer.alloc(16);
    request.writeInt32BE(16, 0);
    request.writeInt32BE(cancelRequest, 4);
    request.writeInt32BE(this.pid, 8);
    request.writeInt32BE(secretKey, 12);
    const socket = host.startsWith("/") ? connect(`${host}/.s.PGSQL.${port}`) : connect(port, host);
    socket.on("error", () => {});
    socket.setTimeout(2000, () => socket.destroy());
    socket.unref();
    socket.end(request);
    connection.stream.destroy();
  };
}

/** The number that asks a server to cancel what a session runs. */
const cancelRequest = 80_877_102;

const asText = { getTypeParser: () => (text: string) => text } as unknown as pg.CustomTypesConfig;

/** `purpose`: whether it is to be sent statements, or the log of its database. */
async function logIn(
  address: DatabaseAddress,
  login: Login,
  environment: Environment,
  purpose: Purpose,
): Promise<pg.Client> {
  const password = await passwordFor(address, login, environment);
  const ssl = await tlsOptions(login);
  try {
    return await attempt(login, password, ssl, purpose);
  } catch (error) {
    const noTls = error instanceof Error && error.message === "The server does not support SSL connections";
    if (!noTls || !mayGoPlain(login)) throw error;
    return await attempt(login, password, false, purpose);
  }
}

type Purpose = "statements" | "log";

/** A client that the log of its database can be asked of; its values are written as those of any other session. */
export async function logInForLog(
  address: DatabaseAddress,
  { environment, signal }: OpenOptions,
): Promise<{ readonly client: pg.Client; readonly login: Login }> {
  signal.throwIfAborted();
  const login = loginOf(address.url, environment);
  try {
    const client = await logIn(address, login, environment, "log");
    await begin(client, address.url);
    return { client, login };
  } catch (error) {
    signal.throwIfAborted();
    throw postgresFailure(error, address.url, login.user);
  }
}

async function attempt(
  { host, port, user, database }: Login,
  password: string | undefined,
  ssl: Awaited<ReturnType<typeof tlsOptions>>,
  purpose: Purpose,
): Promise<pg.Client> {
  // Only now: nobody should wait for it who has no such server.
  const { Client } = await import("pg");
  const client = new Client({
    host,
    port,
    user,
    database,
    // A function, so that the driver looks nowhere by itself.
    password: async () => password as string,
    ssl,
    // TLS takes over the socket and gives its own out, which read as they like.
    ...(ssl === false && { stream: lendingSocket }),
    application_name: "holdfast",
    connectionTimeoutMillis: connectTimeoutMs,
    keepAlive: true,
    // Nothing of the server's or the environment's choosing between us and the values.
    options: "",
    client_encoding: "utf8",
    ...(purpose === "log" && { replication: "database" }),
  });
  // What breaks an idle session is told by the next statement.
  client.on("error", () => {});
  try {
    await client.connect();
    return client;
  } catch (error) {
    await client.end().catch(() => {});
    throw error;
  }
}

/** Pins the session, or ends it; gives version and encoding. Text of a database without an encoding passes as its bytes are. */
async function begin(client: pg.Client, path: string): Promise<Row> {
  try {
    const facts = await factsOf(client);
    const major = Math.floor(Number(facts[0]) / 10_000);
    // Before what is set, which older ones do not all have.
    if (major < oldestVersion) {
      throw new HoldfastError("database-too-old", { path, version: String(major), needed: String(oldestVersion) });
    }
    const encoding = facts[1] === "SQL_ASCII" ? "SQL_ASCII" : "UTF8";
    await client.query([`client_encoding='${encoding}'`, ...pinned].map((setting) => `SET ${setting}`).join(";"));
    return facts;
  } catch (error) {
    await client.end().catch(() => {});
    throw error;
  }
}

async function factsOf(client: pg.Client): Promise<Row> {
  const facts = await client.query<Cell[]>({
    text: "SELECT current_setting('server_version_num'), current_setting('server_encoding'), current_setting('search_path')",
    rowMode: "array",
    types: asText,
  });
  return facts.rows[0] ?? [];
}
