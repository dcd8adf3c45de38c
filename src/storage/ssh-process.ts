import { type ChildProcessByStdio, execFile, spawn } from "node:child_process";
import {
  chmodSync,
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { promisify } from "node:util";
import { HoldfastError } from "../lib/errors.ts";
import { shellCommand } from "../lib/shell-command.ts";
import type { SftpPlace } from "./sftp-location.ts";

export type SshProcess = ChildProcessByStdio<Writable, Readable, Readable>;

/**
 * OpenSSH's own `ssh`, asked for the server's SFTP. So keys, agents, jump hosts and known hosts are what they are for
 * everything else that this user does, `~/.ssh/config` included.
 *
 * - `SFTP_KEY_FILE`, `SFTP_KNOWN_HOSTS`, `SFTP_SSH_CONFIG` of `environment` name files in place of the usual ones.
 * - `SFTP_PASSWORD` and `SFTP_KEY_PASSPHRASE` reach it through a pipe in a folder of this process alone: they stand on no
 *   disk, in no argument and no environment of another program. Without them nothing is asked, on no terminal.
 * - It leads a session of its own, so that Ctrl-C ends us and lets us clean up; it ends when we do.
 */
export async function startSsh(place: SftpPlace, environment: NodeJS.ProcessEnv): Promise<SshAndPipe> {
  const ciphers = quickCiphers(await sshSettings(place, environment));
  const secrets = await secretPipe(environment);
  const options = [...sshOptions(place, environment, secrets !== undefined), ...(ciphers ? ["-o", ciphers] : [])];
  const child = spawn("ssh", ["-s", ...options, "--", place.host, "sftp"], {
    stdio: ["pipe", "pipe", "pipe"],
    detached: true,
    env: { ...withoutSecrets(environment), LC_ALL: "C", ...secrets?.environment },
  });
  const remove = (): void => secrets?.remove();
  child.once("close", remove);
  child.once("error", remove);
  return { child, forgetSecrets: remove };
}

export interface SshAndPipe {
  readonly child: SshProcess;
  /** When nobody will ask for them any more. */
  readonly forgetSecrets: () => void;
}

function sshOptions(place: SftpPlace, environment: NodeJS.ProcessEnv, asks: boolean): string[] {
  const { SFTP_KEY_FILE: key, SFTP_KNOWN_HOSTS: known, SFTP_SSH_CONFIG: config } = environment;
  const options = [
    `BatchMode=${asks ? "no" : "yes"}`,
    "NumberOfPasswordPrompts=1",
    "ConnectTimeout=15",
    "ServerAliveInterval=15",
    "ServerAliveCountMax=4",
    "LogLevel=ERROR",
    "ControlMaster=no",
    "ClearAllForwardings=yes",
    "ForwardAgent=no",
    "ForwardX11=no",
    "PermitLocalCommand=no",
    "RemoteCommand=none",
    "RequestTTY=no",
    ...(known ? [`UserKnownHostsFile=${quoted(known)}`] : []),
    ...(key ? ["IdentitiesOnly=yes"] : []),
  ];
  return [
    ...(config ? ["-F", config] : []),
    ...options.flatMap((option) => ["-o", option]),
    ...(place.port === undefined ? [] : ["-p", String(place.port)]),
    ...(place.user === undefined ? [] : ["-l", place.user]),
    ...(key ? ["-i", key] : []),
  ];
}

type Setting = (name: string) => string | undefined;

/** What `ssh` makes of its files and of our options for this place, by a setting's name in lower case. */
async function sshSettings(place: SftpPlace, environment: NodeJS.ProcessEnv): Promise<Setting> {
  const settings = await output("ssh", ["-G", ...sshOptions(place, environment, false), "--", place.host], environment);
  return (name) => new RegExp(`^${name} (.+)$`, "m").exec(settings)?.[1]?.trim();
}

/** Empty where it cannot be had. */
async function output(program: string, args: readonly string[], environment: NodeJS.ProcessEnv): Promise<string> {
  const env = { ...withoutSecrets(environment), LC_ALL: "C" };
  const ran = promisify(execFile)(program, args, { env, timeout: 20_000 });
  return (await ran.catch(() => ({ stdout: "" }))).stdout;
}

/**
 * The ciphers that may be used, AES-GCM first: OpenSSH puts ChaCha20-Poly1305 first. Where there are instructions for AES, a gigabyte takes both
 * ends 2.6 s of processor time by AES-GCM and 4.5 s by that. `undefined`: as it is.
 */
function quickCiphers(setting: Setting): string | undefined {
  const allowed = setting("ciphers")?.split(",") ?? [];
  const isQuick = (cipher: string): boolean => /^aes\d+-gcm@openssh\.com$/.test(cipher);
  const [first] = allowed;
  if (first === undefined || isQuick(first) || !allowed.some(isQuick) || !hasAes()) return undefined;
  return `Ciphers=${[...allowed.filter(isQuick), ...allowed.filter((one) => !isQuick(one))].join(",")}`;
}

function hasAes(): boolean {
  try {
    return /^(?:flags|Features)\s*:.* aes(?: |$)/m.test(readFileSync("/proc/cpuinfo", "utf8"));
  } catch {
    return false;
  }
}

/** The key that a host shows, as a line for `known_hosts`, and what would be asked to compare it. */
export interface HostKey {
  /** `HOST ssh-ed25519 AAAA…`; absent where the host cannot be asked directly. */
  readonly line?: string;
  readonly fingerprint?: string;
  /** The file that it belongs into. */
  readonly file?: string;
  /** As `known_hosts` names it. */
  readonly host: string;
}

/** Asks the host for its key, for a message; nothing is believed or written. */
export async function hostKeyOf(place: SftpPlace, environment: NodeJS.ProcessEnv): Promise<HostKey> {
  const setting = await sshSettings(place, environment);
  const [name, port] = [setting("hostname") ?? place.host, setting("port") ?? String(place.port ?? 22)];
  const host = setting("hostkeyalias") ?? (port === "22" ? name : `[${name}]:${port}`);
  const file = setting("userknownhostsfile")?.split(" ")[0];
  const scanned = await output("ssh-keyscan", ["-T", "10", "-p", port, "--", name], environment);
  const keys = [...scanned.matchAll(/^\S+ (\S+ [A-Za-z0-9+/=]+)$/gm)].map(([, key = ""]) => key);
  const key = ["ssh-ed25519 ", "ecdsa-", "ssh-rsa "].flatMap((kind) => keys.filter((one) => one.startsWith(kind)))[0];
  const { createHash } = await import("node:crypto");
  const sum =
    key &&
    createHash("sha256")
      .update(Buffer.from(key.split(" ")[1] ?? "", "base64"))
      .digest("base64");
  return {
    host,
    ...(file && file !== "none" && { file }),
    ...(key && sum && { line: `${host} ${key}`, fingerprint: `SHA256:${sum.replace(/=+$/, "")}` }),
  };
}

interface SecretPipe {
  readonly environment: Readonly<Record<string, string>>;
  remove(): void;
}

/** A program for `SSH_ASKPASS` that reads what it is asked for out of a pipe. */
async function secretPipe(environment: NodeJS.ProcessEnv): Promise<SecretPipe | undefined> {
  const { SFTP_PASSWORD: password, SFTP_KEY_PASSPHRASE: passphrase } = environment;
  if (!password && !passphrase) return undefined;
  const folder = mkdtempSync(join(tmpdir(), "holdfast-ssh-"));
  const opened: number[] = [];
  let isGone = false;
  const remove = (): void => {
    if (isGone) return;
    isGone = true;
    for (const fd of opened) closeSync(fd);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const cases: string[] = [];
    for (const [name, pattern, secret] of [
      ["passphrase", "*[Pp]assphrase*", passphrase],
      ["password", "*[Pp]assword*", password],
    ] as const) {
      if (!secret) continue;
      if (/[\r\n\0]/.test(secret)) throw new HoldfastError("config-secret", { problem: "lines" });
      const pipe = join(folder, name);
      await promisify(execFile)("mkfifo", ["-m", "600", pipe]);
      // Opened for both ends, so that neither waits for the other; what was not read goes with the pipe.
      const fd = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK);
      opened.push(fd);
      writeSync(fd, `${secret}\n`.repeat(triesEach));
      cases.push(`${pattern}) IFS= read -r secret <${shellCommand([pipe])} && printf '%s\\n' "$secret" ;;`);
    }
    const program = join(folder, "askpass");
    // A question about a host's key gets no answer: then it is refused.
    writeFileSync(program, `#!/bin/sh\ncase "$1" in\n${cases.join("\n")}\n*) exit 1 ;;\nesac\n`);
    chmodSync(program, 0o700);
    return { environment: { SSH_ASKPASS: program, SSH_ASKPASS_REQUIRE: "force", DISPLAY: ":0" }, remove };
  } catch (error) {
    remove();
    throw error;
  }
}

/** One for each key that may ask. */
const triesEach = 8;

function withoutSecrets(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { SFTP_PASSWORD: _password, SFTP_KEY_PASSPHRASE: _passphrase, ...others } = environment;
  return others;
}

/** A value of an option, which `ssh` splits at spaces. */
function quoted(path: string): string {
  return `"${path}"`;
}
