import { spawn } from "node:child_process";
import { constants } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { basename, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { isatty } from "node:tty";
import { HoldfastError } from "../lib/errors.ts";
import { hasSystemCode } from "../lib/system-code.ts";
import type { SecretReference } from "./config.ts";

export interface SecretOptions {
  readonly signal: AbortSignal;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Called with the path when others than its owner can read the file. */
  readonly onOpenFile?: (path: string) => void;
  /** How long a command may take; absent: two minutes, and as long as it likes where somebody sits at the terminal. */
  readonly commandMs?: number;
}

/** Whoever asks a vault over a network has his answer by then. */
const longestCommandMs = 120_000;

/** No password is longer; what is longer is the wrong file. */
const largestSecret = 64 * 1024;

/** Between two looks into a pipe that holds nothing yet. */
const lookAgainMs = 20;

/**
 * Follows a reference to a secret. Gives the bytes as they are: a repository's password is then read from them as
 * restic reads it. Fails with `config-secret`, which names the reference and never what was found there.
 */
export async function readSecret(reference: SecretReference, options: SecretOptions): Promise<Buffer> {
  switch (reference.kind) {
    case "file":
      return readSecretFile(reference.target, options);
    case "env":
      return secretFromEnvironment(reference.target, options);
    case "cmd":
      return secretFromCommand(reference.target, options);
    case "systemd": {
      const folder = options.environment["CREDENTIALS_DIRECTORY"];
      if (!folder) throw new HoldfastError("config-secret", { problem: "systemd", target: reference.target });
      return readSecretFile(join(folder, basename(reference.target)), { signal: options.signal });
    }
  }
}

async function readSecretFile(path: string, options: Pick<SecretOptions, "signal" | "onOpenFile">): Promise<Buffer> {
  try {
    // Not blocking, so that a pipe that nobody writes to does not hang the command.
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const { mode } = await file.stat();
    if ((mode & 0o044) !== 0) options.onOpenFile?.(path);
    const bytes = Buffer.alloc(largestSecret + 1);
    let length = 0;
    for (let read = -1; read !== 0 && length < bytes.length; length += read) {
      read = await readSoon(file, bytes.subarray(length), options.signal);
    }
    if (length > largestSecret) throw new HoldfastError("config-secret", { problem: "file-large", target: path });
    return bytes.subarray(0, length);
  } catch (error) {
    options.signal.throwIfAborted();
    if (error instanceof HoldfastError) throw error;
    const missing = hasSystemCode(error, "ENOENT");
    throw new HoldfastError(
      "config-secret",
      { problem: missing ? "file-missing" : "file-denied", target: path },
      error,
    );
  }
}

/** What there is to read; nothing at the end. Whoever writes to a pipe (`<(pass show holdfast)`, `/dev/stdin`) is waited for. */
async function readSoon(file: FileHandle, into: Buffer, signal: AbortSignal): Promise<number> {
  for (;;) {
    try {
      return (await file.read(into, 0, into.length, null)).bytesRead;
    } catch (error) {
      if (!hasSystemCode(error, "EAGAIN")) throw error;
      await delay(lookAgainMs, undefined, { signal });
    }
  }
}

function secretFromEnvironment(name: string, { environment }: SecretOptions): Buffer {
  const value = environment[name];
  if (value === undefined) throw new HoldfastError("config-secret", { problem: "env", target: name });
  return Buffer.from(value, "utf8");
}

/**
 * Run by `/bin/sh`; its first line of output is the secret. What it says on standard error goes to the terminal. Where there is one, it
 * may ask there and stays in our session for that; else it leads one of its own, so that all that it began ends with it.
 */
async function secretFromCommand(command: string, options: SecretOptions): Promise<Buffer> {
  const { signal } = options;
  const asks = isatty(0);
  const limitMs = options.commandMs ?? (asks ? undefined : longestCommandMs);
  signal.throwIfAborted();
  const child = spawn("/bin/sh", ["-c", command], { stdio: ["inherit", "pipe", "inherit"], detached: !asks });
  const chunks: Buffer[] = [];
  let size = 0;
  child.stdout.on("data", (chunk: Buffer) => {
    size += chunk.length;
    if (size > largestSecret) end();
    else chunks.push(chunk);
  });
  const ended = Promise.withResolvers<number | string>();
  const end = (error?: HoldfastError): void => {
    if (error) ended.reject(error);
    // What it left in the background may hold the pipe open for ever.
    child.stdout.destroy();
    if (child.pid === undefined) return;
    try {
      process.kill(asks ? child.pid : -child.pid, "SIGKILL");
    } catch {
      // It has ended.
    }
  };
  const cancel = (): void => end(new HoldfastError("cancelled"));
  const timer =
    limitMs &&
    setTimeout(
      () => end(new HoldfastError("config-secret", { problem: "cmd-time", seconds: limitMs / 1000 })),
      limitMs,
    );
  signal.addEventListener("abort", cancel);
  child.once("error", (error) => end(new HoldfastError("config-secret", { problem: "cmd" }, error)));
  child.once("close", (code, killedBy) => ended.resolve(code ?? killedBy ?? "?"));
  const status = await ended.promise.finally(() => {
    clearTimeout(timer);
    signal.removeEventListener("abort", cancel);
  });
  if (status !== 0) throw new HoldfastError("config-secret", { problem: "cmd", status });
  const output = Buffer.concat(chunks);
  const lineEnd = output.indexOf("\n");
  return lineEnd < 0 ? output : output.subarray(0, lineEnd);
}
