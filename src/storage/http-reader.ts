import { hasSystemCode } from "../lib/system-code.ts";
import { createTurns, type Turns } from "../lib/turns.ts";
import { HttpConnection, type HttpGet, type HttpGot, type HttpOrigin, type HttpTimeouts } from "./http-connection.ts";

/** Below this, what is received as ever costs nothing worth saving. */
const worthwhileBytes = 256 << 10;

/** A request in a minute is nothing beside those that are answered in another way. */
const defaultAgainMs = 60_000;

/** Whether a range is so long that it should be read by an `HttpReader`. */
export function isWorthReading(range: { readonly length: number } | undefined): boolean {
  return range !== undefined && range.length >= worthwhileBytes;
}

/**
 * GET by HTTP/1.1 whose answers go from the socket straight into the memory in which they are wanted. Node's `http` makes memory
 * for each read of 64 KiB, which is copied and is garbage then: a gigabyte takes 2.3 s of processor time, this way 1.0 s.
 *
 * Connections are kept for the next request. Errors are those of Node; `TimeoutError` for silence.
 */
export class HttpReader {
  readonly #timeouts: HttpTimeouts;
  readonly #turn: Turns;
  readonly #open = new Set<HttpConnection>();
  /** Servers that answered in another way, and when that was, as `performance.now()` says. */
  readonly #others = new Map<string, number>();
  readonly #againMs: number;
  #idle: readonly { readonly name: string; readonly connection: HttpConnection }[] = [];

  constructor(connections: number, timeouts: HttpTimeouts, againMs = defaultAgainMs) {
    this.#againMs = againMs;
    this.#timeouts = timeouts;
    this.#turn = createTurns(connections);
  }

  /**
   * `undefined`: the server answers in another way than is read here (in chunks, say), so somebody else has to ask. It is asked again
   * after a while: what stands in between may have answered for it.
   */
  get(origin: HttpOrigin, request: HttpGet, signal: AbortSignal): Promise<HttpGot | undefined> {
    return this.#turn(async () => {
      signal.throwIfAborted();
      const name = `${origin.protocol}//${origin.hostname}:${origin.port ?? ""}`;
      if (performance.now() - (this.#others.get(name) ?? -Infinity) < this.#againMs) return undefined;
      const known = this.#takeIdle(name);
      try {
        if (known !== undefined) return await this.#ask(name, known, request, signal);
      } catch (error) {
        // A server may end a connection that nobody uses at any moment, such as this one.
        if (signal.aborted || known?.heard === true || !isEnded(error)) throw error;
      }
      const fresh = new HttpConnection(origin, this.#timeouts);
      this.#open.add(fresh);
      return await this.#ask(name, fresh, request, signal);
    });
  }

  close(): void {
    for (const connection of this.#open) connection.close();
    this.#open.clear();
    this.#idle = [];
  }

  #takeIdle(name: string): HttpConnection | undefined {
    // Servers end what nobody uses for a while.
    for (const { connection } of this.#idle) if (!connection.isIdle) this.#open.delete(connection);
    const there = this.#idle.filter(({ connection }) => connection.isIdle);
    const found = there.findLast((one) => one.name === name);
    this.#idle = there.filter((one) => one !== found);
    return found?.connection;
  }

  async #ask(
    name: string,
    connection: HttpConnection,
    request: HttpGet,
    signal: AbortSignal,
  ): Promise<HttpGot | undefined> {
    try {
      const got = await connection.get(request, signal);
      if (got === undefined) this.#others.set(name, performance.now());
      return got;
    } finally {
      if (connection.isIdle) this.#idle = [...this.#idle, { name, connection }];
      else {
        connection.close();
        this.#open.delete(connection);
      }
    }
  }
}

function isEnded(error: unknown): boolean {
  return hasSystemCode(error, "ECONNRESET", "EPIPE");
}
