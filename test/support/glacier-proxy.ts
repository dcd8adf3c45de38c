import type { ServerResponse } from "node:http";
import { tamperingProxy } from "./tampering-proxy.ts";

export interface GlacierProxy extends AsyncDisposable {
  readonly port: number;
  /** Keys that were put into a cold class, with their sizes, and those that somebody asked to have restored. */
  readonly cold: ReadonlyMap<string, number>;
  readonly requested: ReadonlySet<string>;
  /** What was asked for is there from now on. */
  thawAll(): void;
}

/**
 * Ceph has no cold classes that have to be thawed: this stands before it and behaves as AWS does. What is stored with a
 * class of that kind cannot be read (`InvalidObjectState`) until `RestoreObject` was asked for and some time has passed; HEAD
 * and listings tell its class.
 */
export async function glacierProxy(target: number, storageClass: string): Promise<GlacierProxy> {
  const cold = new Map<string, number>();
  const requested = new Set<string>();
  const ready = new Set<string>();
  const proxy = await tamperingProxy(target);
  const say = (answer: ServerResponse, status: number, body = "", headers: Record<string, string> = {}): "answered" => {
    answer.writeHead(status, { "content-type": "application/xml", connection: "close", ...headers });
    answer.end(body);
    return "answered";
  };

  proxy.tamper = (incoming, answer) => {
    const { method, headers } = incoming;
    const [path = "", query = ""] = (incoming.url ?? "").split("?");
    if (method === "PUT" && headers["x-amz-storage-class"] === storageClass) {
      cold.set(path, Number(headers["content-length"]));
      return undefined;
    }
    if (method === "POST" && query.startsWith("restore")) {
      if (requested.has(path)) return say(answer, 409, "<Error><Code>RestoreAlreadyInProgress</Code></Error>");
      requested.add(path);
      return say(answer, 202);
    }
    if (!cold.has(path)) return undefined;
    if (method === "GET" && !ready.has(path)) return say(answer, 403, "<Error><Code>InvalidObjectState</Code></Error>");
    if (method !== "HEAD") return undefined;
    const restore = ready.has(path)
      ? 'ongoing-request="false", expiry-date="Fri, 1 Jan 2100 00:00:00 GMT"'
      : 'ongoing-request="true"';
    return say(answer, 200, "", {
      "content-length": String(cold.get(path)),
      "x-amz-storage-class": storageClass,
      ...(requested.has(path) && { "x-amz-restore": restore }),
    });
  };
  return {
    port: proxy.port,
    cold,
    requested,
    thawAll: () => {
      for (const path of requested) ready.add(path);
    },
    [Symbol.asyncDispose]: () => proxy[Symbol.asyncDispose](),
  };
}
