import { Agent as HttpAgent, type AgentOptions, type ClientRequest } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { Duplex } from "node:stream";
import { acknowledgeQuickly } from "../lib/posix.ts";

/**
 * A server that sends an answer in two pieces, such as Ceph's gateway, holds the second one back until the first is
 * acknowledged (Nagle's algorithm), and Linux acknowledges up to 40 ms later in the hope to send that along with data
 * (RFC 1122, §4.2.3.2): together, each short answer takes 44 ms in place of 3. To be called when a request has been
 * sent, since sending begins that anew. Without an effect on what is no socket of this machine.
 */
export function acknowledgeAtOnce(socket: Duplex): void {
  const { _handle: handle } = socket as Internals;
  if (typeof handle?.fd === "number" && handle.fd >= 0) acknowledgeQuickly(handle.fd);
}

interface Internals {
  readonly _handle?: { readonly fd?: number };
}

/** Agents that keep connections, on which answers are acknowledged at once. A connection that is new needs no help. */
export function quickAgents(options: AgentOptions): { readonly httpAgent: HttpAgent; readonly httpsAgent: HttpsAgent } {
  return { httpAgent: quick(new HttpAgent(options)), httpsAgent: quick(new HttpsAgent(options)) };
}

function quick<T extends HttpAgent>(agent: T): T {
  const reuse = agent.reuseSocket.bind(agent);
  agent.reuseSocket = (socket: Duplex, request: ClientRequest): void => {
    reuse(socket, request);
    request.once("finish", () => acknowledgeAtOnce(socket));
  };
  return agent;
}
