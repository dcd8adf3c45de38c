import { chmodSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type SQLOutputValue, type StatementSync } from "node:sqlite";
import { HoldfastError } from "../lib/errors.ts";

/**
 * What the service knows of its jobs, in a SQLite database of this user. A mailbox too: other processes of the user queue
 * jobs and ask for their end here. Everything that lasts is in the repository's reports as well, so that the file may be
 * lost: the service then learns again from the repository what was done last.
 */
export type RunState = "queued" | "running" | "ended";
/** `covered`: another run did what this one was for. */
export type RunOutcome = "ok" | "warning" | "failed" | "cancelled" | "covered";

export interface JobRun {
  readonly id: string;
  /** Key of a `JobItem`; of a run by hand, the job and its subject. */
  readonly item: string;
  readonly job: string;
  readonly subject: string;
  /** Absent: by hand. */
  readonly schedule?: string;
  readonly input: Readonly<Record<string, unknown>>;
  readonly dueMs: number;
  /** How often it was due; more than once after a time in which nothing ran. */
  readonly times: number;
  /** Not before. */
  readonly readyMs: number;
  readonly state: RunState;
  readonly outcome?: RunOutcome;
  /** Begun so often. */
  readonly attempts: number;
  /** Of these, so many were cut off by the end of the process; absent: none. */
  readonly cutOff?: number;
  readonly startedMs?: number;
  readonly endedMs?: number;
  /** Code and facts of what it failed with last. */
  readonly error?: RunError;
  readonly facts?: Readonly<Record<string, unknown>>;
  readonly progress?: Readonly<Record<string, unknown>>;
  readonly coveredBy?: string;
  /** Somebody asked for its end. */
  readonly cancelling: boolean;
  /** Its report is in the repository. */
  readonly reported: boolean;
}

export interface RunError {
  readonly code: string;
  readonly facts: Readonly<Record<string, string | number>>;
}

export interface Delivery {
  readonly timeMs: number;
  readonly route: string;
  readonly event: string;
  readonly subject: string;
  readonly outcome: "sent" | "failed";
  readonly detail?: string;
}

const layoutVersion = 1;

const layout = `
  CREATE TABLE IF NOT EXISTS runs (
    id TEXT PRIMARY KEY, item TEXT NOT NULL, job TEXT NOT NULL, subject TEXT NOT NULL, schedule TEXT,
    input TEXT NOT NULL, dueMs INTEGER NOT NULL, times INTEGER NOT NULL, readyMs INTEGER NOT NULL,
    state TEXT NOT NULL, outcome TEXT, attempts INTEGER NOT NULL, startedMs INTEGER, endedMs INTEGER,
    error TEXT, facts TEXT, progress TEXT, coveredBy TEXT,
    cancelling INTEGER NOT NULL DEFAULT 0, reported INTEGER NOT NULL DEFAULT 0, cutOff INTEGER) STRICT;
  CREATE INDEX IF NOT EXISTS runsByState ON runs (state, endedMs);
  CREATE INDEX IF NOT EXISTS runsBySubject ON runs (subject, endedMs);
  CREATE INDEX IF NOT EXISTS runsByItem ON runs (item, endedMs);
  CREATE INDEX IF NOT EXISTS runsUnreported ON runs (endedMs) WHERE state = 'ended' AND reported = 0;
  CREATE TABLE IF NOT EXISTS watermarks (
    item TEXT PRIMARY KEY, dueMs INTEGER NOT NULL, sinceMs INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS told (subject TEXT PRIMARY KEY, event TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS deliveries (
    number INTEGER PRIMARY KEY, timeMs INTEGER NOT NULL, route TEXT NOT NULL, event TEXT NOT NULL,
    subject TEXT NOT NULL, outcome TEXT NOT NULL, detail TEXT) STRICT;
  CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;`;

type Row = Readonly<Record<string, SQLOutputValue>>;

export class JobStore implements Disposable {
  readonly #file: string;
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  /** `:memory:` is a place too. */
  constructor(file: string) {
    this.#file = file;
    try {
      if (file !== ":memory:") mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
      this.#database = new DatabaseSync(file, { timeout: 10_000 });
      if (file !== ":memory:") chmodSync(file, 0o600);
      this.#database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
      const found = Number(this.#one("PRAGMA user_version")?.["user_version"] ?? 0);
      if (found > layoutVersion) throw new Error(`layout ${found}`);
      this.#database.exec(`${layout}\nPRAGMA user_version = ${layoutVersion};`);
      const columns = this.#all("SELECT name FROM pragma_table_info('runs')");
      if (!columns.some(({ name }) => name === "cutOff"))
        this.#database.exec("ALTER TABLE runs ADD COLUMN cutOff INTEGER");
    } catch (error) {
      throw new HoldfastError("state-unwritable", { path: file }, error);
    }
  }

  [Symbol.dispose](): void {
    this.#statements.clear();
    this.#database.close();
  }

  /** All of it or nothing. Fails with `state-unwritable` as all that writes does: where the disk is full, say. */
  together<T>(change: () => T): T {
    this.#written(() => this.#database.exec("BEGIN IMMEDIATE"));
    try {
      const result = change();
      this.#written(() => this.#database.exec("COMMIT"));
      return result;
    } catch (error) {
      // A full disk has taken it back already.
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw error;
    }
  }

  add(run: JobRun): void {
    this.#run(
      `INSERT INTO runs (id, item, job, subject, schedule, input, dueMs, times, readyMs, state, outcome, attempts,
         startedMs, endedMs, error, facts, progress, coveredBy, cancelling, reported, cutOff)
       VALUES (:id, :item, :job, :subject, :schedule, :input, :dueMs, :times, :readyMs, :state, :outcome, :attempts,
         :startedMs, :endedMs, :error, :facts, :progress, :coveredBy, :cancelling, :reported, :cutOff)`,
      columnsOf(run),
    );
  }

  /** Writes it as it now is, but for the wish that it end, which is others' to write. */
  update(run: JobRun): void {
    const { cancelling: _, ...columns } = columnsOf(run);
    const sets = Object.keys(columns).filter((name) => name !== "id");
    this.#run(`UPDATE runs SET ${sets.map((name) => `${name} = :${name}`).join(", ")} WHERE id = :id`, columns);
  }

  /** None, one, or two where the beginning of an id is not enough. */
  find(prefix: string): readonly JobRun[] {
    return this.#all("SELECT * FROM runs WHERE substr(id, 1, length(:prefix)) = :prefix LIMIT 2", { prefix }).map(
      runOf,
    );
  }

  get(id: string): JobRun | undefined {
    const row = this.#one("SELECT * FROM runs WHERE id = :id", { id });
    return row && runOf(row);
  }

  /** Queued and running, the first to be ready first. */
  open(): readonly JobRun[] {
    return this.#all("SELECT * FROM runs WHERE state IN ('queued', 'running') ORDER BY readyMs, dueMs, id").map(runOf);
  }

  /** Newest first. */
  ended(limit: number): readonly JobRun[] {
    return this.#all("SELECT * FROM runs WHERE state = 'ended' ORDER BY endedMs DESC, id LIMIT :limit", { limit }).map(
      runOf,
    );
  }

  /** Of one item, newest first; `covered` ones are none. */
  endedOf(item: string, limit: number): readonly JobRun[] {
    const query = `SELECT * FROM runs WHERE item = :item AND state = 'ended' AND outcome <> 'covered'
      ORDER BY endedMs DESC, id LIMIT :limit`;
    return this.#all(query, { item, limit }).map(runOf);
  }

  /** Of one job and subject, by whatever schedule, the newest that ended well since then; oldest first. */
  wellEnded(job: string, subject: string, sinceMs: number): readonly JobRun[] {
    const query = `SELECT * FROM runs WHERE job = :job AND subject = :subject AND endedMs >= :sinceMs
      AND outcome IN ('ok', 'warning') ORDER BY endedMs DESC LIMIT 40`;
    return this.#all(query, { job, subject, sinceMs }).map(runOf).toReversed();
  }

  unreported(): readonly JobRun[] {
    const query = `SELECT * FROM runs WHERE state = 'ended' AND reported = 0 AND outcome <> 'covered'
      ORDER BY endedMs LIMIT 200`;
    return this.#all(query).map(runOf);
  }

  markReported(ids: readonly string[]): void {
    for (const id of ids) this.#run("UPDATE runs SET reported = 1 WHERE id = :id", { id });
  }

  /** Whether there was one to ask. */
  askToCancel(id: string): boolean {
    return this.#run("UPDATE runs SET cancelling = 1 WHERE id = :id AND state IN ('queued', 'running')", { id }) > 0;
  }

  takeBackCancel(id: string): void {
    this.#run("UPDATE runs SET cancelling = 0 WHERE id = :id", { id });
  }

  /** What was due up to then is taken care of; `sinceMs`: since when this item is known. */
  watermark(item: string): { readonly dueMs: number; readonly sinceMs: number } | undefined {
    const row = this.#one("SELECT dueMs, sinceMs FROM watermarks WHERE item = :item", { item });
    return row && { dueMs: Number(row["dueMs"]), sinceMs: Number(row["sinceMs"]) };
  }

  setWatermark(item: string, dueMs: number, sinceMs: number): void {
    this.#run(
      `INSERT INTO watermarks VALUES (:item, :dueMs, :sinceMs) ON CONFLICT (item) DO UPDATE SET dueMs = :dueMs`,
      { item, dueMs, sinceMs },
    );
  }

  /** What was last told of a subject, so that it is told once; `undefined`: that all is well, or nothing yet. */
  told(subject: string): string | undefined {
    const row = this.#one("SELECT event FROM told WHERE subject = :subject", { subject });
    return row && String(row["event"]);
  }

  setTold(subject: string, event: string | undefined): void {
    if (event === undefined) this.#run("DELETE FROM told WHERE subject = :subject", { subject });
    else this.#run("INSERT OR REPLACE INTO told VALUES (:subject, :event)", { subject, event });
  }

  addDelivery({ timeMs, route, event, subject, outcome, detail }: Delivery): void {
    this.#run(
      `INSERT INTO deliveries (timeMs, route, event, subject, outcome, detail)
       VALUES (:timeMs, :route, :event, :subject, :outcome, :detail)`,
      { timeMs, route, event, subject, outcome, detail: detail ?? null },
    );
  }

  /** Newest first. */
  deliveries(limit: number): readonly Delivery[] {
    return this.#all("SELECT * FROM deliveries ORDER BY number DESC LIMIT :limit", { limit }).map((row) => ({
      timeMs: Number(row["timeMs"]),
      route: String(row["route"]),
      event: String(row["event"]),
      subject: String(row["subject"]),
      outcome: row["outcome"] === "sent" ? "sent" : "failed",
      ...(typeof row["detail"] === "string" && { detail: row["detail"] }),
    }));
  }

  fact(name: string): string | undefined {
    const row = this.#one("SELECT value FROM facts WHERE name = :name", { name });
    return row && String(row["value"]);
  }

  setFact(name: string, value: string): void {
    this.#run("INSERT OR REPLACE INTO facts VALUES (:name, :value)", { name, value });
  }

  /** What is older than this is gone from here; the repository has it. */
  dropBefore(ms: number): void {
    this.#run("DELETE FROM runs WHERE state = 'ended' AND reported = 1 AND endedMs < :ms", { ms });
    this.#run("DELETE FROM runs WHERE state = 'ended' AND outcome = 'covered' AND endedMs < :ms", { ms });
    this.#run("DELETE FROM deliveries WHERE timeMs < :ms", { ms });
  }

  #prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known) return known;
    const prepared = this.#database.prepare(sql);
    this.#statements.set(sql, prepared);
    return prepared;
  }

  #all(sql: string, values: Readonly<Record<string, string | number | null>> = {}): readonly Row[] {
    return this.#prepare(sql).all(values);
  }

  #one(sql: string, values: Readonly<Record<string, string | number | null>> = {}): Row | undefined {
    return this.#prepare(sql).get(values);
  }

  #run(sql: string, values: Readonly<Record<string, string | number | null>>): number {
    return this.#written(() => Number(this.#prepare(sql).run(values).changes));
  }

  #written<T>(write: () => T): T {
    try {
      return write();
    } catch (error) {
      throw new HoldfastError("state-unwritable", { path: this.#file }, error);
    }
  }
}

function columnsOf(run: JobRun) {
  const json = (value: unknown) => (value === undefined ? null : JSON.stringify(value));
  return {
    id: run.id,
    item: run.item,
    job: run.job,
    subject: run.subject,
    schedule: run.schedule ?? null,
    input: JSON.stringify(run.input),
    dueMs: run.dueMs,
    times: run.times,
    readyMs: Math.round(run.readyMs),
    state: run.state,
    outcome: run.outcome ?? null,
    attempts: run.attempts,
    startedMs: run.startedMs ?? null,
    endedMs: run.endedMs ?? null,
    error: json(run.error),
    facts: json(run.facts),
    progress: json(run.progress),
    coveredBy: run.coveredBy ?? null,
    cancelling: run.cancelling ? 1 : 0,
    reported: run.reported ? 1 : 0,
    cutOff: run.cutOff ?? null,
  };
}

function runOf(row: Row): JobRun {
  const text = (name: string) => (typeof row[name] === "string" ? row[name] : undefined);
  const number = (name: string) => (typeof row[name] === "number" ? row[name] : undefined);
  const json = (name: string) => {
    const found = text(name);
    return found === undefined ? undefined : (JSON.parse(found) as Readonly<Record<string, unknown>>);
  };
  const [schedule, outcome, coveredBy] = [text("schedule"), text("outcome"), text("coveredBy")];
  const [startedMs, endedMs, cutOff] = [number("startedMs"), number("endedMs"), number("cutOff")];
  const [error, facts, progress] = [json("error"), json("facts"), json("progress")];
  return {
    id: String(row["id"]),
    item: String(row["item"]),
    job: String(row["job"]),
    subject: String(row["subject"]),
    ...(schedule !== undefined && { schedule }),
    input: json("input") ?? {},
    dueMs: Number(row["dueMs"]),
    times: Number(row["times"]),
    readyMs: Number(row["readyMs"]),
    state: String(row["state"]) as RunState,
    ...(outcome !== undefined && { outcome: outcome as RunOutcome }),
    attempts: Number(row["attempts"]),
    ...(cutOff !== undefined && { cutOff }),
    ...(startedMs !== undefined && { startedMs }),
    ...(endedMs !== undefined && { endedMs }),
    ...(error && { error: error as unknown as RunError }),
    ...(facts && { facts }),
    ...(progress && { progress }),
    ...(coveredBy !== undefined && { coveredBy }),
    cancelling: row["cancelling"] === 1,
    reported: row["reported"] === 1,
  };
}
