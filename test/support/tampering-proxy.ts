import { once } from "node:events";
import { type IncomingMessage, type ServerResponse, request } from "node:http";
import { createServer as createPlainServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { pipeline } from "node:stream/promises";

/** What a proxy does to a request; `undefined`: it passes it on as it is. */
export type Tampering = (incoming: IncomingMessage, answer: ServerResponse) => Tampered | Promise<Tampered>;

/** `lost`: the server does it, and nothing comes back. `flipByte`: one bit of the answer's byte at that place, or of its first part's last one where that is shorter. */
export type Tampered =
  | "answered"
  | "lost"
  | { readonly cutAfterBytes: number }
  | { readonly flipByte: number }
  | undefined;

export interface TamperingProxy extends AsyncDisposable {
  readonly port: number;
  /** Changed while it runs. */
  tamper: Tampering;
  /** Most requests that it saw at once. */
  readonly mostAtOnce: () => number;
}

function flipped(place: number) {
  return async function* flip(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    let isDone = false;
    for await (const chunk of chunks) {
      const at = Math.min(place, chunk.length - 1);
      if (!isDone && at >= 0) chunk[at] = (chunk[at] ?? 0) ^ 1;
      isDone = true;
      yield chunk;
    }
  };
}

/** Stands before a real server and shows what others, or a bad network, do. */
export async function tamperingProxy(
  target: number,
  tls?: { readonly key: Buffer; readonly cert: Buffer },
): Promise<TamperingProxy> {
  let running = 0;
  let most = 0;
  const handle = async (incoming: IncomingMessage, answer: ServerResponse): Promise<void> => {
    const how = await proxy.tamper(incoming, answer);
    if (how === "answered") return;
    const { method, url: path, headers } = incoming;
    const passed = request({ host: "127.0.0.1", port: target, method, path, headers });
    const answered = once(passed, "response") as Promise<[IncomingMessage]>;
    await Promise.all([pipeline(incoming, passed), answered]);
    const [response] = await answered;
    if (how === "lost") {
      response.resume();
      answer.destroy();
      return;
    }
    answer.writeHead(response.statusCode ?? 500, response.headers);
    if (!how) return pipeline(response, answer);
    if ("flipByte" in how) return pipeline(response, flipped(how.flipByte), answer);
    let left = how.cutAfterBytes;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      answer.write(chunk.subarray(0, left));
      left -= Math.min(left, chunk.length);
    }
    answer.destroy();
  };
  const listener = (incoming: IncomingMessage, answer: ServerResponse): void => {
    most = Math.max(most, ++running);
    handle(incoming, answer)
      .catch(() => answer.destroy())
      .finally(() => running--);
  };
  const server = tls ? createTlsServer(tls, listener) : createPlainServer(listener);
  // A client that is held up for long must not find its connection closed in the middle of a request.
  server.keepAliveTimeout = 600_000;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const proxy: TamperingProxy = {
    port: address.port,
    tamper: () => undefined,
    mostAtOnce: () => most,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
    },
  };
  return proxy;
}
