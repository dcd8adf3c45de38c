import { existsSync } from "node:fs";
import { join } from "node:path";
import { HoldfastError } from "../../lib/errors.ts";
import type { PrivateServerPlace } from "../database.ts";
import { type PrivateServer, startPrivateServer } from "../private-server.ts";
import { databaseOf, targetOf } from "./location.ts";
import { Session } from "./session.ts";

/** Where distributions and MariaDB's own packages put programs. */
const folders = ["/usr/sbin", "/usr/bin", "/usr/libexec", "/usr/local/sbin", "/usr/local/bin", "/usr/local/mysql/bin"];

/** The installed MariaDB. MySQL's own server is set up in another way, which was never tried: none is started. */
export async function privateMariadb(
  { like, schema, parent }: PrivateServerPlace,
  signal: AbortSignal,
): Promise<PrivateServer> {
  if (!schema.engineVersion.startsWith("MariaDB")) {
    throw new HoldfastError("server-unsupported", { server: schema.engineVersion });
  }
  const [server, install] = [installed("mariadbd"), installed("mariadb-install-db")];
  const programs = (folder: string) => {
    // A server that begins, were it only to make its data, deletes what looks like temporary tables in the folder for those: in
    // the system's they are those of the CRM's own server, whose queries then fail.
    const data = [`--datadir=${join(folder, "data")}`, `--tmpdir=${folder}`];
    const socket = join(folder, "socket");
    // A file that is not there, so that no password is taken from ~/.my.cnf.
    const query = new URLSearchParams({ socket, "defaults-file": join(folder, "client.cnf") });
    const url = (name: string) => `mariadb://root@localhost/${encodeURIComponent(name)}?${query.toString()}`;
    return {
      url: url(databaseOf(like)),
      // Whoever may enter the folder may log in, which is its account and root.
      prepare: {
        program: install,
        args: ["--no-defaults", ...data, "--skip-test-db", "--auth-root-authentication-method=normal"],
      },
      serve: { program: server, args: ["--no-defaults", ...data, ...settings(folder, socket)] },
      async ask() {
        await using session = await Session.open(await targetOf({ url: url("mysql") }), undefined, signal);
        return `MariaDB ${session.server.version}`;
      },
    };
  };
  return startPrivateServer(
    { parent, accounts: ["mysql", "mariadb"], socket: "socket", endsAt: "KILL", programs },
    signal,
  );
}

function settings(folder: string, socket: string): readonly string[] {
  const own = [`--socket=${socket}`, `--pid-file=${join(folder, "pid")}`, "--skip-networking"];
  return [...own, "--event-scheduler=OFF", "--max-allowed-packet=1G"];
}

function installed(program: string): string {
  const found = folders.map((folder) => join(folder, program)).find((path) => existsSync(path));
  if (found === undefined) throw new HoldfastError("server-program-missing", { program });
  return found;
}
