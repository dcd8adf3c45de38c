import { execFile } from "node:child_process";
import { promisify } from "node:util";

import { HoldfastError } from "../../lib/errors.ts";
import type { Definitions, DefinitionsInput } from "./definitions.ts";
import { type InstalledProgram, installedPrograms } from "./installed-programs.ts";
import { passwordFor } from "./password.ts";
import { splitStatements } from "./split-statements.ts";

const run = promisify(execFile);

const mostBytes = 256 << 20;

interface Section {
  readonly statements: readonly string[];
  /** `15.18`, as the program says of itself at the top of what it writes. */
  readonly version: string | undefined;
}

/** DDL by `pg_dump` at the moment of the session's snapshot; `undefined` where no fitting one is there. */
export async function dumpedDefinitions(input: DefinitionsInput): Promise<Definitions | undefined> {
  const { connection, environment } = input;
  const [program] = await installedPrograms("pg_dump", environment);
  if (!program || program.major < Math.floor(connection.version / 10_000)) return undefined;
  const [before, after] = await Promise.all([
    dumpSection(program, "pre-data", input),
    dumpSection(program, "post-data", input),
  ]);
  const source = `pg_dump ${before.version ?? program.major}`;
  return { source, before: before.statements, after: after.statements, uncovered: [] };
}

async function dumpSection(
  { path }: InstalledProgram,
  section: "pre-data" | "post-data",
  { address, connection, snapshot, environment, signal }: DefinitionsInput,
): Promise<Section> {
  const { host, port, user, database, sslMode, sslRootCert, sslCert, sslKey } = connection.login;
  const password = await passwordFor(address, connection.login, environment);
  const what = ["--schema-only", `--section=${section}`, "--no-owner", "--no-privileges", "--no-tablespaces"];
  const how = [
    `--snapshot=${snapshot}`,
    "--encoding=UTF8",
    "--no-password",
    "--lock-wait-timeout=10s",
    "--no-subscriptions",
  ];
  try {
    const { stdout } = await run(path, [...what, ...how], {
      signal,
      maxBuffer: mostBytes,
      // In the environment, since anybody may read a command line.
      env: {
        PATH: environment["PATH"],
        HOME: environment["HOME"],
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
      },
    });
    return {
      statements: splitStatements(stdout).filter((statement) => !sessionSetting.test(statement)),
      version: /^-- Dumped by pg_dump version (\d+(?:\.\d+)?)/m.exec(stdout)?.[1],
    };
  } catch (error) {
    signal.throwIfAborted();
    const said = error instanceof Error && "stderr" in error ? String(error.stderr) : String(error);
    const denied = /permission denied/.test(said);
    throw new HoldfastError(
      denied ? "database-rights" : "database-unreadable",
      { path: connection.path, reason: said.replaceAll(/\s+/g, " ").slice(0, 300) },
      error,
    );
  }
}

/** What only sets up pg_dump's own session: a restore pins its session itself. */
const sessionSetting =
  /^(SET (statement_timeout|lock_timeout|idle_in_transaction_session_timeout|transaction_timeout|client_encoding|standard_conforming_strings|check_function_bodies|xmloption|client_min_messages|row_security|default_tablespace)\b|SELECT pg_catalog\.set_config\('search_path')/;
