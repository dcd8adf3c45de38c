import { HoldfastError } from "../lib/errors.ts";
import { freeMemory } from "../lib/memory-pool.ts";
import { SilenceTimer } from "../lib/silence-timer.ts";
import { createTurns, type Turns } from "../lib/turns.ts";
import { PacketSplitter } from "./packet-splitter.ts";
import { type Attributes, encodePacket, type Field, PacketReader, packetTypes, statusCodes } from "./sftp-packet.ts";
import type { SshProcess } from "./ssh-process.ts";

/** A server's answer that is no success: one of `statusCodes`, or a number of its own. */
export class SftpStatus extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = "SftpStatus";
    this.status = status;
  }
}

export function isStatus(error: unknown, ...wanted: readonly (keyof typeof statusCodes)[]): boolean {
  return error instanceof SftpStatus && wanted.some((name) => statusCodes[name] === error.status);
}

type Answer =
  | { readonly type: number; readonly body: PacketReader }
  | { readonly type: "data"; readonly length: number };

interface Pending {
  readonly into?: Uint8Array;
  readonly answered: (answer: Answer) => void;
  readonly failed: (error: unknown) => void;
}

export interface DirectoryEntry extends Attributes {
  readonly name: string;
}

/**
 * One connection to a server's SFTP. Requests are sent as they come, as many at once as the caller likes, and answered
 * in any order. When it breaks, or nothing comes for `silentMs` while something is asked, all that is asked fails with
 * `storage-unreachable` or what `explain` makes of it, and the session is over.
 */
export class SftpSession {
  readonly #ssh: SshProcess;
  readonly #silentMs: number;
  readonly #onEnd: () => void;
  readonly #pending = new Map<number, Pending>();
  readonly #extensions = new Map<string, string>();
  #lastId = 0;
  #over: HoldfastError | undefined;
  #silence: SilenceTimer | undefined;
  #limits: SftpLimits = { read: 32_768, write: 32_768 };
  #writing = writesAtOnce(32_768);

  constructor(ssh: SshProcess, { silentMs, explain, onEnd }: SftpSessionOptions) {
    this.#ssh = ssh;
    this.#silentMs = silentMs;
    this.#onEnd = onEnd;
    const end = (reason: string) => this.#end(explain(reason));
    const splitter = new PacketSplitter({
      packet: (type, body) => this.#received(type, body),
      place: (id, length) => {
        const { into } = this.#pending.get(id) ?? {};
        return into !== undefined && into.length >= length ? into : undefined;
      },
      filled: (id, length) => this.#settle(id)?.answered({ type: "data", length }),
    });
    ssh.stdout.on("data", (chunk: Buffer) => {
      try {
        if (this.#pending.size > 0) this.#listen();
        splitter.push(chunk);
        // All of it is copied. Left to the garbage collector, such reads would make it look through all objects again and again.
        freeMemory(chunk);
      } catch {
        end("no SFTP");
        ssh.kill();
      }
    });
    ssh.stdin.on("error", () => undefined);
    ssh.once("error", (error: NodeJS.ErrnoException) => end(error.code ?? error.name));
    ssh.once("close", (code, signal) => end(signal ?? `exit code ${code ?? "?"}`));
  }

  /** Most bytes that one request may ask for or carry. */
  get limits(): SftpLimits {
    return this.#limits;
  }

  /** Whether the server has this addition of OpenSSH's, by its name. */
  has(extension: string): boolean {
    return this.#extensions.has(extension);
  }

  /** First of all. */
  async greet(): Promise<void> {
    const answering = this.#wait(greetingId);
    this.#ssh.stdin.write(encodePacket(packetTypes.init, { u32: 3 }));
    await answering;
    if (!this.has("limits@openssh.com")) return;
    const body = await this.extended("limits@openssh.com");
    if (body === undefined) return;
    body.u64();
    const [read, write] = [body.u64(), body.u64()];
    // Less than every server takes would be no limit but a mistake.
    this.#limits = {
      read: Math.min(mostBytes, Math.max(32_768, read || 32_768)),
      write: Math.min(mostBytes, Math.max(32_768, write || 32_768)),
    };
    this.#writing = writesAtOnce(this.#limits.write);
  }

  async open(path: string, flags: number): Promise<Buffer> {
    return this.#handle(packetTypes.open, path, { u32: flags }, { u32: 4 }, { u32: 0o600 });
  }

  async close(handle: Buffer): Promise<void> {
    await this.#done(packetTypes.close, handle);
  }

  /** Fills `into` as far as one answer does; gives how far, 0 at the end of the file. */
  async read(handle: Buffer, offset: number, into: Uint8Array): Promise<number> {
    try {
      const fields = [handle, { u64: offset }, { u32: into.length }] as const;
      const answer = await this.#ask(packetTypes.read, fields, into);
      if (answer.type !== "data" || answer.length > into.length) throw unexpected();
      return answer.length;
    } catch (error) {
      if (isStatus(error, "eof")) return 0;
      throw error;
    }
  }

  /** Waits while much is on its way: what is written is copied for the pipe to `ssh`. */
  async write(handle: Buffer, offset: number, bytes: Uint8Array): Promise<void> {
    await this.#writing(() => this.#done(packetTypes.write, handle, { u64: offset }, bytes));
  }

  stat(path: string): Promise<Attributes> {
    return this.#attributes(packetTypes.stat, path);
  }

  statOpen(handle: Buffer): Promise<Attributes> {
    return this.#attributes(packetTypes.fstat, handle);
  }

  async remove(path: string): Promise<void> {
    await this.#done(packetTypes.remove, path);
  }

  async makeFolder(path: string): Promise<void> {
    await this.#done(packetTypes.mkdir, path, { u32: 4 }, { u32: 0o700 });
  }

  /** As version 3 has it: fails where the new name is taken. */
  async rename(from: string, to: string): Promise<void> {
    await this.#done(packetTypes.rename, from, to);
  }

  /** Fails where the new name is taken. */
  async link(from: string, to: string): Promise<void> {
    await this.extended("hardlink@openssh.com", from, to);
  }

  /** All entries but `.` and `..`. */
  async folder(path: string): Promise<readonly DirectoryEntry[]> {
    const handle = await this.#handle(packetTypes.opendir, path);
    try {
      const found: DirectoryEntry[] = [];
      for (;;) {
        const answer = await this.#ask(packetTypes.readdir, [handle]).catch((error: unknown) => {
          if (isStatus(error, "eof")) return undefined;
          throw error;
        });
        if (answer === undefined) return found;
        if (answer.type !== packetTypes.name) throw unexpected();
        for (let left = answer.body.u32(); left > 0; left--) {
          const name = answer.body.bytes().toString("utf8");
          answer.body.bytes();
          const entry = { name, ...answer.body.attributes() };
          if (name !== "." && name !== "..") found.push(entry);
        }
      }
    } finally {
      await this.close(handle).catch(() => undefined);
    }
  }

  /** `undefined` where the server answers without a body. */
  async extended(name: string, ...fields: readonly Field[]): Promise<PacketReader | undefined> {
    const answer = await this.#ask(packetTypes.extended, [name, ...fields]);
    return answer.type === packetTypes.extendedReply ? answer.body : undefined;
  }

  /** Ends it without waiting for answers. */
  destroy(error: HoldfastError): void {
    this.#end(error);
    this.#ssh.stdin.destroy();
    this.#ssh.kill();
  }

  async #handle(type: number, ...fields: readonly Field[]): Promise<Buffer> {
    const answer = await this.#ask(type, fields);
    if (answer.type !== packetTypes.handle) throw unexpected();
    return answer.body.bytes();
  }

  async #attributes(type: number, of: Field): Promise<Attributes> {
    const answer = await this.#ask(type, [of]);
    if (answer.type !== packetTypes.attrs) throw unexpected();
    return answer.body.attributes();
  }

  /** A status that is no success was thrown by then. */
  async #done(type: number, ...fields: readonly Field[]): Promise<void> {
    const answer = await this.#ask(type, fields);
    if (answer.type !== packetTypes.status) throw unexpected();
  }

  async #ask(type: number, fields: readonly Field[], into?: Uint8Array): Promise<Answer> {
    if (this.#over !== undefined) throw this.#over;
    this.#lastId = (this.#lastId + 1) >>> 0;
    const id = this.#lastId;
    const answering = this.#wait(id, into);
    const packet = encodePacket(type, { u32: id }, ...fields);
    // A backup sends gigabytes in such packets: left to the garbage collector, many would wait for it.
    this.#ssh.stdin.write(packet, () => freeMemory(packet));
    return await answering;
  }

  #wait(id: number, into?: Uint8Array): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    if (this.#over !== undefined) {
      reject(this.#over);
      return promise;
    }
    this.#pending.set(id, { ...(into && { into }), answered: resolve, failed: reject });
    if (this.#silence === undefined) this.#listen();
    return promise;
  }

  #received(type: number, body: Buffer): void {
    const reader = new PacketReader(body);
    if (type === packetTypes.version) {
      if (reader.u32() !== 3) throw new RangeError("another version");
      while (!reader.isAtEnd) this.#extensions.set(reader.bytes().toString("utf8"), reader.bytes().toString("utf8"));
      this.#settle(greetingId)?.answered({ type, body: reader });
      return;
    }
    const asked = this.#settle(reader.u32());
    if (asked === undefined) return;
    if (type !== packetTypes.status) return asked.answered({ type, body: reader });
    const status = reader.u32();
    if (status === statusCodes.ok) asked.answered({ type, body: reader });
    else asked.failed(new SftpStatus(status, reader.isAtEnd ? "" : reader.bytes().toString("utf8")));
  }

  #settle(id: number): Pending | undefined {
    const asked = this.#pending.get(id);
    this.#pending.delete(id);
    if (this.#pending.size === 0) {
      this.#silence?.[Symbol.dispose]();
      this.#silence = undefined;
    }
    return asked;
  }

  #listen(): void {
    const ring = (): void => this.destroy(new HoldfastError("storage-unreachable", { reason: "TimeoutError" }));
    this.#silence ??= new SilenceTimer(this.#silentMs, ring);
    this.#silence.heard();
  }

  #end(error: HoldfastError): void {
    this.#silence?.[Symbol.dispose]();
    if (this.#over === undefined) this.#onEnd();
    this.#over ??= error;
    for (const { failed } of this.#pending.values()) failed(this.#over);
    this.#pending.clear();
  }
}

export interface SftpSessionOptions {
  readonly silentMs: number;
  /** What ended it, in `ssh`'s own words if it had some. */
  readonly explain: (reason: string) => HoldfastError;
  /** Called once, when it is over. */
  readonly onEnd: () => void;
}

export interface SftpLimits {
  readonly read: number;
  readonly write: number;
}

/** The greeting has none of its own; no request gets it. */
const greetingId = -1;
/** Of all files together: enough for 100 ms at 80 MB/s. */
const writtenAtOnce = 8 << 20;

function writesAtOnce(pieceBytes: number): Turns {
  return createTurns(Math.floor(writtenAtOnce / pieceBytes));
}

/** OpenSSH's is 255 KiB; more in one piece wins nothing. */
const mostBytes = 261_120;

function unexpected(): HoldfastError {
  return new HoldfastError("storage-failed", { reason: "an answer to something else" });
}
