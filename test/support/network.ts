import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/** An address that leads to a server, as a network does that breaks. */
export interface Network extends AsyncDisposable {
  readonly port: number;
  /** Every connection ends, and none can be made. */
  cut(): void;
  /** Nothing gets through any more, and nobody is told. */
  silence(): void;
  /** It leads to the server on this port from now on. */
  lead(port: number): void;
}

export async function network(target: number): Promise<Network> {
  let to = target;
  let state: "open" | "cut" | "silent" = "open";
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const held = [client];
    const behind = state === "open" ? connect(to, "127.0.0.1") : undefined;
    if (behind) held.push(behind);
    for (const socket of held) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        sockets.delete(socket);
        // Of a silent network the other side hears nothing, not even of an end.
        if (state !== "silent") for (const other of held) other.destroy();
      });
    }
    if (state === "cut") client.destroy();
    if (!behind) return;
    client.on("data", (bytes) => state === "open" && behind.write(bytes));
    behind.on("data", (bytes) => state === "open" && client.write(bytes));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const end = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: address.port,
    cut() {
      state = "cut";
      end();
    },
    silence() {
      state = "silent";
    },
    lead(port) {
      to = port;
      state = "cut";
      end();
      state = "open";
    },
    async [Symbol.asyncDispose]() {
      server.close();
      end();
    },
  };
}
