import { spawn } from "node:child_process";
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { basename, join } from "node:path";
import { HoldfastError } from "../lib/errors.ts";
import type { SecretReference } from "./config.ts";

export interface SecretOptions {
  readonly signal: AbortSignal;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Called with the path when others than its owner can read the file. */
  readonly onOpenFile?: (path: string) => void;
}

/** No password is longer; what is longer is the wrong file. */
const largestSecret = 64 * 1024;

/**
 * Follows a reference to a secret. Gives the bytes as they are: a repository's password is then read from them as
 * restic reads it. Fails with `config-secret`, which names the reference and never what was found there.
 */
export async function readSecret(reference: SecretReference, options: SecretOptions): Promise<Buffer> {
  switch (reference.kind) {
    case "file":
      return readSecretFile(reference.target, options.onOpenFile);
    case "env":
      return secretFromEnvironment(reference.target, options);
    case "cmd":
      return secretFromCommand(reference.target, options);
    case "systemd": {
      const folder = options.environment["CREDENTIALS_DIRECTORY"];
      if (!folder) throw new HoldfastError("config-secret", { problem: "systemd", target: reference.target });
      return readSecretFile(join(folder, basename(reference.target)), undefined);
    }
  }
}

async function readSecretFile(path: string, onOpenFile: SecretOptions["onOpenFile"]): Promise<Buffer> {
  try {
    // Not blocking, so that a pipe in its place does not hang the command.
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const { mode, size } = await file.stat();
    if (size > largestSecret) throw new HoldfastError("config-secret", { problem: "file-large", target: path });
    if ((mode & 0o077 & 0o044) !== 0) onOpenFile?.(path);
    return await file.readFile();
  } catch (error) {
    if (error instanceof HoldfastError) throw error;
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    throw new HoldfastError(
      "config-secret",
      { problem: missing ? "file-missing" : "file-denied", target: path },
      error,
    );
  }
}

function secretFromEnvironment(name: string, { environment }: SecretOptions): Buffer {
  const value = environment[name];
  if (value === undefined) throw new HoldfastError("config-secret", { problem: "env", target: name });
  return Buffer.from(value, "utf8");
}

/** Run by `/bin/sh`; its first line of output is the secret. What it says on standard error goes to the terminal. */
async function secretFromCommand(command: string, { signal }: SecretOptions): Promise<Buffer> {
  const child = spawn("/bin/sh", ["-c", command], { stdio: ["inherit", "pipe", "inherit"], signal });
  const chunks: Buffer[] = [];
  let size = 0;
  child.stdout.on("data", (chunk: Buffer) => {
    size += chunk.length;
    if (size > largestSecret) child.kill();
    else chunks.push(chunk);
  });
  const status = await new Promise<number | string>((done, fail) => {
    child.once("error", (error) => fail(new HoldfastError(signal.aborted ? "cancelled" : "config-secret", {}, error)));
    child.once("close", (code, killedBy) => done(code ?? killedBy ?? "?"));
  });
  if (status !== 0) throw new HoldfastError("config-secret", { problem: "cmd", status });
  const output = Buffer.concat(chunks);
  const end = output.indexOf("\n");
  return end < 0 ? output : output.subarray(0, end);
}
