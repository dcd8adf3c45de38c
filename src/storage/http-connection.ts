import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { rejected } from "../lib/handled.ts";
import { takeMemory } from "../lib/memory-pool.ts";
import { SilenceTimer } from "../lib/silence-timer.ts";
import { type HttpHead, parseHttpHead } from "./http-head.ts";
import { acknowledgeAtOnce } from "./quick-ack.ts";

export interface HttpOrigin {
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number | undefined;
}

export interface HttpGet {
  /** With its query, encoded. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** What announces a longer body is not read. */
  readonly mostBytes: number;
}

export interface HttpGot extends HttpHead {
  /** In memory that is the receiver's. */
  readonly body: Buffer;
}

export interface HttpTimeouts {
  /** Until a connection stands. */
  readonly connectMs: number;
  /** Without a byte of the answer. */
  readonly idleMs: number;
}

const headBytes = 32 << 10;

interface Asked {
  readonly mostBytes: number;
  readonly resolve: (got: HttpGot | undefined) => void;
  readonly reject: (error: unknown) => void;
  silence: SilenceTimer;
}

/** One connection, and one request at a time. What fails, or is not as expected, ends it. */
export class HttpConnection {
  readonly #socket: Socket;
  readonly #timeouts: HttpTimeouts;
  readonly #heads = Buffer.allocUnsafeSlow(headBytes);
  #headFilled = 0;
  #head: HttpHead | undefined;
  #body: Buffer | undefined;
  #bodyFilled = 0;
  #asked: Asked | undefined;
  #state: "connecting" | "open" | "closed" = "connecting";
  #heard = false;

  constructor({ protocol, hostname, port }: HttpOrigin, timeouts: HttpTimeouts) {
    this.#timeouts = timeouts;
    const host = hostname.replace(/^\[(.*)\]$/, "$1");
    const onread = { buffer: () => this.#place(), callback: (length: number) => this.#read(length) };
    if (protocol === "https:") {
      const name = isIP(host) === 0 && { servername: host };
      // Node's types know `onread` of plain sockets only.
      const options = { host, port: port ?? 443, ALPNProtocols: ["http/1.1"], ...name, onread };
      this.#socket = connectTls(options).once("secureConnect", () => this.#opened());
    } else {
      // A buffer of one's own for each read: Node has it, and its types do not.
      const options = { host, port: port ?? 80, onread: onread as unknown as { buffer: Buffer; callback: () => true } };
      this.#socket = connectTcp(options).once("connect", () => this.#opened());
    }
    this.#socket.setNoDelay(true);
    this.#socket.on("error", (error) => this.#end(error));
    for (const over of ["end", "close"] as const) this.#socket.once(over, () => this.#end(brokenError()));
  }

  get isIdle(): boolean {
    return this.#state === "open" && this.#asked === undefined;
  }

  /** Whether a byte of the last answer came. */
  get heard(): boolean {
    return this.#heard;
  }

  /** `undefined`: an answer of a shape that is not read here; the connection is closed then. */
  get({ path, headers, mostBytes }: HttpGet, signal: AbortSignal): Promise<HttpGot | undefined> {
    const lines = [`GET ${path} HTTP/1.1`, ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`)];
    // These would begin another line.
    if (lines.some((line) => /[\0\r\n]/.test(line))) return rejected(new TypeError("no HTTP"));
    const stop = (): void => this.#end(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
    this.#heard = false;
    this.#socket.ref();
    return new Promise<HttpGot | undefined>((resolve, reject) => {
      const silence = this.#listen(this.#state === "connecting" ? this.#timeouts.connectMs : this.#timeouts.idleMs);
      this.#asked = { mostBytes, resolve, reject, silence };
      if (this.#state === "closed") this.#end(brokenError());
      else {
        this.#socket.write(`${lines.join("\r\n")}\r\n\r\n`, "latin1", () => acknowledgeAtOnce(this.#socket));
      }
    }).finally(() => signal.removeEventListener("abort", stop));
  }

  close(): void {
    this.#end(brokenError());
  }

  #listen(silentMs: number): SilenceTimer {
    return new SilenceTimer(silentMs, () => this.#end(Object.assign(new Error("silence"), { name: "TimeoutError" })));
  }

  #opened(): void {
    if (this.#state === "connecting") this.#state = "open";
    if (this.#asked === undefined) return;
    this.#asked.silence[Symbol.dispose]();
    this.#asked.silence = this.#listen(this.#timeouts.idleMs);
  }

  /** Where the next read goes: into the body itself, once there is one. */
  #place(): Buffer {
    return this.#body?.subarray(this.#bodyFilled) ?? this.#heads.subarray(this.#headFilled);
  }

  #read(length: number): boolean {
    this.#heard = true;
    this.#asked?.silence.heard();
    if (this.#body === undefined) this.#readHead(length);
    else this.#bodyFilled += length;
    if (this.#head && this.#bodyFilled === this.#body?.length) this.#answer({ ...this.#head, body: this.#body });
    return true;
  }

  #readHead(length: number): void {
    this.#headFilled += length;
    const filled = this.#heads.subarray(0, this.#headFilled);
    const end = filled.indexOf("\r\n\r\n");
    if (this.#asked === undefined || (end < 0 && filled.length === headBytes)) return this.#give(undefined, "ends");
    if (end < 0) return;
    const head = parseHttpHead(filled.toString("latin1", 0, end));
    const rest = filled.subarray(end + 4);
    if (head === undefined || head.status < 200 || rest.length > head.length || head.length > this.#asked.mostBytes)
      return this.#give(undefined, "ends");
    this.#head = head;
    this.#body = takeMemory(head.length);
    this.#bodyFilled = rest.copy(this.#body);
  }

  #answer(got: HttpGot): void {
    this.#head = undefined;
    this.#body = undefined;
    this.#bodyFilled = 0;
    this.#headFilled = 0;
    this.#give(got, got.connection);
  }

  #give(got: HttpGot | undefined, connection: HttpHead["connection"]): void {
    const asked = this.#asked;
    this.#asked = undefined;
    asked?.silence[Symbol.dispose]();
    if (connection === "ends") this.#end(brokenError());
    // Nobody waits for it now: it alone keeps no process running.
    else this.#socket.unref();
    asked?.resolve(got);
  }

  #end(error: unknown): void {
    this.#state = "closed";
    const asked = this.#asked;
    this.#asked = undefined;
    asked?.silence[Symbol.dispose]();
    this.#socket.destroy();
    asked?.reject(error);
  }
}

function brokenError(): Error {
  return Object.assign(new Error("the connection ended"), { code: "ECONNRESET" });
}
