import type { Connection, ConnectionOptions } from "mysql2";
import { readFile } from "node:fs/promises";
import { connect as connectSocket, isIP, type Socket } from "node:net";
import { HoldfastError } from "../../lib/errors.ts";
import { lendingSocket } from "../lent-socket.ts";
import { mysqlFailure, serverCode } from "./failure.ts";
import type { Target } from "./location.ts";

const connectTimeoutMs = 10_000;

/**
 * A connection as the target wants it: through a socket, in the clear, by TLS, or by TLS where the server has it. It ends by `cutOff`.
 *
 * @param database the default one; absent: none
 */
export async function connect(target: Target, database: string | undefined): Promise<Connection> {
  const { socket, host, port, user, password, tls } = target;
  const options: ConnectionOptions = {
    ...(socket === undefined ? { host, port } : { socketPath: socket }),
    user,
    ...(password !== undefined && { password }),
    ...(database !== undefined && { database }),
    connectTimeout: connectTimeoutMs,
    charset: "utf8mb4_bin",
    // Values go through as they are, never through a Date or a number.
    supportBigNumbers: true,
    bigNumberStrings: true,
    dateStrings: true,
  };
  const isHere = socket !== undefined || host === "localhost" || host === "127.0.0.1" || host === "::1";
  const plain = { ...options, stream: () => plainStream(target) };
  if (tls.mode === "disabled" || (tls.mode === "preferred" && isHere)) return open(plain, target);
  const ssl = await tlsOptions(target);
  const sealed = { ...options, ssl, ...(tls.mode === "verify-identity" && isIP(host) !== 0 && ownStream(host, port)) };
  try {
    return await open(sealed, target);
  } catch (error) {
    const isWithout = tls.mode === "preferred" && serverCode((error as Error).cause) === "HANDSHAKE_NO_SSL_SUPPORT";
    if (!isWithout) throw error;
    return open(plain, target);
  }
}

function plainStream({ socket, host, port }: Target): Socket {
  return kept(lendingSocket().connect(socket === undefined ? { host, port } : { path: socket }));
}

/** As the driver has its own sockets. */
function kept(socket: Socket): Socket {
  socket.setNoDelay(true);
  socket.setKeepAlive(true);
  return socket;
}

/**
 * The driver gives an address that is no name to nobody, and a certificate is then held to be good that is one of
 * `localhost`. Node.js compares it with the host that its socket was connected to, if that says one.
 */
function ownStream(host: string, port: number): Pick<ConnectionOptions, "stream"> {
  const stream = (): Socket => {
    return Object.assign(kept(connectSocket(port, host)), { _host: host });
  };
  return { stream };
}

async function tlsOptions({ tls, location }: Target): Promise<NonNullable<ConnectionOptions["ssl"]>> {
  const read = async (name: "ca" | "cert" | "key"): Promise<Partial<Record<typeof name, string>>> => {
    const path = tls[name];
    if (path === undefined) return {};
    try {
      return { [name]: await readFile(path, "utf8") };
    } catch (error) {
      throw mysqlFailure("database-unreachable", { path: location, subject: path }, error);
    }
  };
  const checked = tls.mode === "verify-ca" || tls.mode === "verify-identity";
  return {
    ...(await read("ca")),
    ...(await read("cert")),
    ...(await read("key")),
    rejectUnauthorized: checked,
    verifyIdentity: tls.mode === "verify-identity",
  };
}

async function open(options: ConnectionOptions, target: Target): Promise<Connection> {
  // A hundred files, which nobody should wait for who has no such server.
  const { createConnection } = await import("mysql2");
  const connection = createConnection(options);
  return new Promise((resolve, reject) => {
    connection.connect((error) => {
      if (!error) return resolve(connection);
      cutOff(connection);
      reject(connectionFailure(error, target, undefined));
    });
  });
}

/** The driver itself closes its own half alone: a server that sends its log goes on with that, and one at work goes on working. */
export function cutOff(connection: Connection): void {
  connection.destroy();
  (connection as unknown as { readonly stream: Socket }).stream.destroy();
}

/** What went wrong before a connection was of use; `signal`: the one that cuts it, where there is one. */
export function connectionFailure(
  error: unknown,
  { location, user }: Target,
  signal: AbortSignal | undefined,
): HoldfastError {
  if (signal?.aborted) return new HoldfastError("cancelled", {}, error);
  return mysqlFailure("database-unreachable", { path: location, user }, error);
}
