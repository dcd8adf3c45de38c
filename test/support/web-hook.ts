import { createServer, type IncomingHttpHeaders } from "node:http";
import { once } from "node:events";

export interface HookCall {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface WebHook extends Disposable {
  readonly url: string;
  readonly calls: readonly HookCall[];
}

/** A web server on loopback that keeps what it is sent; a scope. */
export async function webHook(answer: () => number = () => 200): Promise<WebHook> {
  const calls: HookCall[] = [];
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      calls.push({ headers: request.headers, body: Buffer.concat(parts).toString("utf8") });
      response.writeHead(answer()).end();
    });
  });
  server.listen({ host: "127.0.0.1", port: 0 });
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return { calls, url: `http://127.0.0.1:${port}/hook?token=hidden`, [Symbol.dispose]: () => void server.close() };
}
