import { spawn } from "node:child_process";
import { buffer } from "node:stream/consumers";

export interface CommandOptions {
  readonly cwd?: string;
  /** The whole environment of the command, but for {@link cheapProcess}; absent: this process's. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** What it reads; absent: nothing, as under cron. */
  readonly input?: string;
  /** Default 120 s; then the command is killed. */
  readonly timeoutMs?: number;
  /** Told what it writes to standard error, while it runs. */
  readonly onError?: (text: string) => void;
}

export interface CommandResult {
  /** Exit code; `null` when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * What `scripts/cheap-processes.ts` has set, for whoever gets an environment of its own: one place for compiled code, and
 * large pages. Without them a command takes a third more processor time.
 */
export function cheapProcess(): Readonly<Record<string, string>> {
  const set = ["NODE_COMPILE_CACHE", "GLIBC_TUNABLES"].map((name) => [name, process.env[name]] as const);
  return Object.fromEntries(set.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}

/** Runs a program to its end. Exit codes are in the result, not thrown. */
export async function runCommand(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const { cwd, input = "", timeoutMs = 120_000 } = options;
  const env = options.env === undefined ? process.env : { ...cheapProcess(), ...options.env };
  const child = spawn(program, args, { cwd, env, timeout: timeoutMs, killSignal: "SIGKILL" });
  child.stdin.on("error", () => {}); // it may end without reading
  child.stdin.end(input);
  if (options.onError !== undefined) {
    const { onError } = options;
    child.stderr.on("data", (chunk: Buffer) => onError(chunk.toString("utf8")));
  }
  const [stdout, stderr, code] = await Promise.all([
    buffer(child.stdout),
    buffer(child.stderr),
    new Promise<number | null>((resolve, reject) => child.once("error", reject).once("close", resolve)),
  ]);
  return { code, stdout: stdout.toString("utf8"), stderr: stderr.toString("utf8") };
}

/** Runs a program that must succeed; gives what it printed. */
export async function commandOutput(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const { code, stdout, stderr } = await runCommand(program, args, options);
  if (code !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${code}:\n${stdout}\n${stderr}`);
  return stdout;
}
