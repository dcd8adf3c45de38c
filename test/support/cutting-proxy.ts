import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

export interface CuttingProxy extends AsyncDisposable {
  readonly port: number;
  /** How often it has cut. */
  readonly cuts: () => number;
  readonly cut: Promise<void>;
}

/** `lost`: the server gets what was sent, and its answer is lost; `unsent`: the server does not get it either. */
export type CutHow = "lost" | "unsent";

export interface Cutting {
  /** Told all that a client has sent so far on a connection, each byte as a character; where it says so, that one is cut. Once. */
  readonly at: (sent: string) => boolean;
  readonly how: CutHow;
  /** Afterwards nobody gets through any more. */
  readonly after: "open" | "closed";
}

/** Stands before a server that speaks in plain bytes, and cuts the connection on which certain bytes are sent. */
export async function cuttingProxy(target: number, { at, how, after }: Cutting): Promise<CuttingProxy> {
  let cuts = 0;
  const { promise: cut, resolve: tellCut } = Promise.withResolvers<void>();
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    if (cuts > 0 && after === "closed") {
      client.destroy();
      return;
    }
    const behind = connect(target, "127.0.0.1");
    for (const socket of [client, behind]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => sockets.delete(socket));
    }
    let isCut = false;
    let sent = "";
    behind.on("data", (bytes) => {
      if (!isCut) client.write(bytes);
      // The answer is there, so it was done.
      else behind.destroy();
    });
    behind.on("close", () => client.destroy());
    client.on("close", () => isCut || behind.destroy());
    client.on("data", (bytes: Buffer) => {
      sent += bytes.toString("latin1");
      if (cuts === 0 && at(sent)) {
        cuts++;
        isCut = true;
        tellCut();
        if (how === "lost") behind.write(bytes);
        else behind.destroy();
        client.destroy();
        return;
      }
      behind.write(bytes);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    port: address.port,
    cuts: () => cuts,
    cut,
    async [Symbol.asyncDispose]() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
