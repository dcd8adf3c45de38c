import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { commandOutput } from "./run-command.ts";
import { tamperingProxy } from "./tampering-proxy.ts";

/**
 * Lets restic's own client of a cloud, which knows no other address than the cloud's, speak to a server of a test: a
 * proxy that takes every connection to `host:443` to the server at `target`, under a certificate of its own.
 */
export interface CloudImpostor extends AsyncDisposable {
  /** For restic's environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** For its command line. */
  readonly options: readonly string[];
}

export async function cloudImpostor(host: string, target: number, folder: string): Promise<CloudImpostor> {
  const [keyFile, certFile] = [join(folder, `${host}.key`), join(folder, `${host}.pem`)];
  await commandOutput("openssl", [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"],
    ...["-keyout", keyFile, "-out", certFile, "-subj", "/CN=test", "-addext", `subjectAltName=DNS:${host}`],
  ]);
  const server = await tamperingProxy(target, { key: readFileSync(keyFile), cert: readFileSync(certFile) });
  const tunnel = createServer();
  tunnel.on("connect", ({ url }, socket) => {
    if (url !== `${host}:443`) return void socket.end("HTTP/1.1 403 Forbidden\r\n\r\n");
    const through = connect(server.port, "127.0.0.1");
    for (const one of [socket, through]) one.on("error", () => (socket.destroy(), through.destroy()));
    socket.write("HTTP/1.1 200 OK\r\n\r\n");
    socket.pipe(through).pipe(socket);
  });
  tunnel.listen(0, "127.0.0.1");
  await once(tunnel, "listening");
  const address = tunnel.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    environment: { HTTPS_PROXY: `http://127.0.0.1:${address.port}`, NO_PROXY: "" },
    options: ["--cacert", certFile],
    async [Symbol.asyncDispose]() {
      tunnel.close();
      tunnel.closeAllConnections();
      await server[Symbol.asyncDispose]();
    },
  };
}
