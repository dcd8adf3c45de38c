import { execFile } from "node:child_process";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

import { HoldfastError } from "../../lib/errors.ts";
import type { PostgresConnection } from "./connection.ts";
import type { Definitions, DefinitionsInput } from "./definitions.ts";
import { type InstalledProgram, installedPrograms } from "./installed-programs.ts";
import { passwordFor } from "./password.ts";
import { splitStatements } from "./split-statements.ts";

const run = promisify(execFile);

const mostBytes = 256 << 20;
/** For the statement that locks tables, as its `statement_timeout`: whose caller holds them waits for nobody, unless as `waitsForUs` says. */
const lockMs = 1000;

interface Section {
  readonly statements: readonly string[];
  /** `15.18`, as the program says of itself at the top of what it writes. */
  readonly version: string | undefined;
}

/** The same for what is asked of the server and for what is made of the answer. */
const without = ["--no-owner", "--no-privileges", "--no-tablespaces"];

/**
 * DDL by `pg_dump` at the moment of the session's snapshot; `undefined` where no fitting one is there. The server is asked
 * once: what comes of it is cut into its two halves by the `pg_restore` that stands beside it.
 */
export async function dumpedDefinitions(input: DefinitionsInput): Promise<Definitions | undefined> {
  const { connection, environment } = input;
  const [program] = await installedPrograms("pg_dump", environment);
  if (!program || program.major < Math.floor(connection.version / 10_000)) return undefined;
  const archive = await dumped(program, input);
  const half = (section: "pre-data" | "post-data") => readSection(program, archive, section, input);
  const [before, after] = await Promise.all([half("pre-data"), half("post-data")]);
  const source = `pg_dump ${before.version ?? program.major}`;
  return { source, before: before.statements, after: after.statements, uncovered: [] };
}

/** All definitions, in pg_dump's own format. */
async function dumped(program: InstalledProgram, input: DefinitionsInput): Promise<Buffer> {
  const { address, connection, snapshot, environment } = input;
  const { host, port, user, database, sslMode, sslRootCert, sslCert, sslKey } = connection.login;
  const password = await passwordFor(address, connection.login, environment);
  const how = [
    "--schema-only",
    "--format=custom",
    "--compress=0",
    `--snapshot=${snapshot}`,
    "--encoding=UTF8",
    "--no-password",
    `--lock-wait-timeout=${lockMs}`,
    "--no-subscriptions",
  ];
  // In the environment, since anybody may read a command line.
  const login = {
    PGHOST: host,
    PGPORT: String(port),
    PGUSER: user,
    PGDATABASE: database,
    PGSSLMODE: sslMode,
    PGAPPNAME: "holdfast",
    ...(sslRootCert !== undefined && { PGSSLROOTCERT: sslRootCert }),
    ...(sslCert !== undefined && { PGSSLCERT: sslCert }),
    ...(sslKey !== undefined && { PGSSLKEY: sslKey }),
    ...(password !== undefined && { PGPASSWORD: password }),
  };
  return output(program.path, [...how, ...without], { ...input, login });
}

async function readSection(
  { path }: InstalledProgram,
  archive: Buffer,
  section: "pre-data" | "post-data",
  input: DefinitionsInput,
): Promise<Section> {
  const args = [`--section=${section}`, "--file=-", ...without];
  const text = (await output(join(dirname(path), "pg_restore"), args, { ...input, archive })).toString("utf8");
  return {
    statements: splitStatements(text).filter((statement) => !sessionSetting.test(statement)),
    version: /^-- Dumped by pg_dump version (\d+(?:\.\d+)?)/m.exec(text)?.[1],
  };
}

interface OutputOptions extends DefinitionsInput {
  readonly login?: Readonly<Record<string, string>>;
  /** What it reads. */
  readonly archive?: Buffer;
}

async function output(
  path: string,
  args: readonly string[],
  { connection, environment, signal, login, archive }: OutputOptions,
): Promise<Buffer> {
  const env = { PATH: environment["PATH"], HOME: environment["HOME"], ...login };
  try {
    const running = run(path, args, { signal, maxBuffer: mostBytes, encoding: "buffer", env });
    running.child.stdin?.on("error", () => {}); // it ended without reading, and says why
    running.child.stdin?.end(archive);
    return (await running).stdout;
  } catch (error) {
    signal.throwIfAborted();
    const said = error instanceof Error && "stderr" in error ? String(error.stderr) : String(error);
    const denied = /permission denied/.test(said);
    const queued = !denied && (/ due to (?:statement|lock) timeout/.test(said) || (await waitsForUs(connection)));
    throw new HoldfastError(
      denied ? "database-rights" : queued ? "database-busy" : "database-unreadable",
      { path: connection.path, reason: said.replaceAll(/\s+/g, " ").slice(0, 300) },
      error,
    );
  }
}

/** Whether somebody waits for a table that the session holds, so that pg_dump waited behind him: it says so in the server's language. */
async function waitsForUs(connection: PostgresConnection): Promise<boolean> {
  const found = await connection.rows(
    `SELECT FROM pg_locks WHERE NOT granted AND locktype = 'relation' AND pg_backend_pid() = ANY (pg_blocking_pids(pid)) LIMIT 1`,
  );
  return found.length > 0;
}

/** What only sets up pg_dump's own session: a restore pins its session itself. */
const sessionSetting =
  /^(SET (statement_timeout|lock_timeout|idle_in_transaction_session_timeout|transaction_timeout|client_encoding|standard_conforming_strings|check_function_bodies|xmloption|client_min_messages|row_security|default_tablespace)\b|SELECT pg_catalog\.set_config\('search_path')/;
