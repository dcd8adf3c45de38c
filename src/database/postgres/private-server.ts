import { dirname, join } from "node:path";
import { HoldfastError } from "../../lib/errors.ts";
import type { PrivateServerPlace } from "../database.ts";
import { type PrivateServer, startPrivateServer } from "../private-server.ts";
import { type Environment, loginOf } from "./address.ts";
import { PostgresConnection } from "./connection.ts";
import { installedPrograms } from "./installed-programs.ts";

/** Names the socket alone: on no network anybody listens. */
const port = 5432;

/** A PostgreSQL of the version of the copied database, or of the next one that is installed. */
export async function privatePostgres(
  { like, schema, parent }: PrivateServerPlace,
  environment: Environment,
  signal: AbortSignal,
): Promise<PrivateServer> {
  const needed = Number.parseInt(schema.engineVersion, 10);
  const installed = await installedPrograms("postgres", environment);
  const chosen = installed.findLast(({ major }) => major >= needed);
  if (!chosen) {
    const found = installed.map(({ path }) => path).join(", ");
    throw new HoldfastError("server-program-missing", { program: "postgres", needed, ...(found && { found }) });
  }
  const { database } = loginOf(like, environment);
  const programs = (folder: string) => {
    const data = join(folder, "data");
    const url = (name: string) =>
      `postgresql://postgres@${encodeURIComponent(folder)}:${port}/${encodeURIComponent(name)}`;
    return {
      url: url(database),
      // Whoever may enter the folder may log in, which is its account and root.
      prepare: {
        program: join(dirname(chosen.path), "initdb"),
        args: ["-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
      },
      serve: { program: chosen.path, args: ["-D", data, ...settings(folder).flatMap((setting) => ["-c", setting])] },
      async ask() {
        await using connection = await PostgresConnection.open({ url: url("postgres") }, { environment, signal });
        return `PostgreSQL ${connection.versionText}`;
      },
    };
  };
  return startPrivateServer(
    { parent, accounts: ["postgres"], socket: `.s.PGSQL.${port}`, endsAt: "QUIT", programs },
    signal,
  );
}

/** Nobody follows its log, so rows that are loaded need not go through it. All else is as a real one has it. */
function settings(folder: string): readonly string[] {
  const socket = ["listen_addresses=", `unix_socket_directories=${folder}`, `port=${port}`];
  return [...socket, "wal_level=minimal", "max_wal_senders=0", "max_wal_size=4GB", "logging_collector=off"];
}
