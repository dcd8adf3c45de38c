import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { once } from "node:events";
import { HoldfastError } from "../lib/errors.ts";
import { metricsText } from "./metrics.ts";
import type { StatusReport } from "./status.ts";

export interface StatusServerOptions {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  readonly version: string;
  /** What is known now; rejects when nothing is known yet. */
  readonly status: () => Promise<StatusReport>;
}

/**
 * `/health` (200 while nothing has failed or was missed, else 503) and `/metrics`. Only reading, no data of any CRM, and
 * by default on loopback alone.
 */
export async function openStatusServer(
  options: StatusServerOptions,
): Promise<AsyncDisposable & { readonly port: number }> {
  const { host, port } = options;
  const server = createServer((request, response) => void answer(request, response, options));
  server.requestTimeout = 10_000;
  server.headersTimeout = 10_000;
  server.maxConnections = 64;
  server.listen({ host, port });
  try {
    await once(server, "listening");
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? "";
    throw new HoldfastError("listen-failed", { address: `${host}:${port}`, reason }, error);
  }
  server.on("error", () => {}); // of a connection: nobody else's business
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

async function answer(
  { method, url }: IncomingMessage,
  response: ServerResponse,
  { status, version }: StatusServerOptions,
): Promise<void> {
  const send = (code: number, type: string, body: string) => {
    const headers = { "content-type": type, "cache-control": "no-store", "x-content-type-options": "nosniff" };
    response.writeHead(code, headers).end(method === "HEAD" ? undefined : body);
  };
  const path = (url ?? "/").split("?")[0];
  if (method !== "GET" && method !== "HEAD") return send(405, "text/plain", "GET\n");
  if (path !== "/health" && path !== "/metrics") return send(404, "text/plain", "/health\n/metrics\n");
  try {
    const found = await status();
    if (path === "/metrics") {
      const text = metricsText(found, { version, rssBytes: process.memoryUsage.rss() });
      return send(200, "text/plain; version=0.0.4; charset=utf-8", text);
    }
    const { time, outcome, crms } = found;
    const bad = outcome === "failed" || outcome === "missed";
    const short = crms.map(({ crm, outcome: of, rpoMs, gaps, cutOff }) => ({
      ...{ crm, outcome: of, rpoMs, gaps },
      ...(cutOff && { cutOffRestore: cutOff.id }),
    }));
    return send(
      bad ? 503 : 200,
      "application/json",
      `${JSON.stringify({ type: "health", time, outcome, crms: short })}\n`,
    );
  } catch {
    return send(503, "application/json", '{"type":"health","outcome":"failed"}\n');
  }
}
