import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { commandOutput } from "./run-command.ts";
import { type TamperingProxy, tamperingProxy } from "./tampering-proxy.ts";

/**
 * Lets a program that knows no other address than a cloud's speak to servers of a test: a proxy that takes every connection to
 * one of `hosts`, port 443, to the server at that port of this machine, under a certificate of its own.
 */
export interface CloudImpostor extends AsyncDisposable {
  /** Of restic, and of Node.js. */
  readonly environment: Readonly<Record<string, string>>;
  /** For restic's command line. */
  readonly options: readonly string[];
}

export async function cloudImpostor(hosts: Readonly<Record<string, number>>, folder: string): Promise<CloudImpostor> {
  const names = Object.keys(hosts);
  const [keyFile, certFile] = [join(folder, `${names[0]}.key`), join(folder, `${names[0]}.pem`)];
  await commandOutput("openssl", [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"],
    ...["-keyout", keyFile, "-out", certFile, "-subj", "/CN=test"],
    ...["-addext", `subjectAltName=${names.map((name) => `DNS:${name}`).join(",")}`],
  ]);
  const tls = { key: readFileSync(keyFile), cert: readFileSync(certFile) };
  const servers = new Map<string, TamperingProxy>();
  for (const [host, port] of Object.entries(hosts)) servers.set(`${host}:443`, await tamperingProxy(port, tls));
  const tunnel = createServer();
  tunnel.on("connect", ({ url = "" }, socket) => {
    const server = servers.get(url);
    if (server === undefined) return void socket.end("HTTP/1.1 403 Forbidden\r\n\r\n");
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
    environment: {
      HTTPS_PROXY: `http://127.0.0.1:${address.port}`,
      NO_PROXY: "127.0.0.1",
      NODE_USE_ENV_PROXY: "1",
      NODE_EXTRA_CA_CERTS: certFile,
    },
    options: ["--cacert", certFile],
    async [Symbol.asyncDispose]() {
      tunnel.close();
      tunnel.closeAllConnections();
      for (const server of servers.values()) await server[Symbol.asyncDispose]();
    },
  };
}
