import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { appendFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type CliCrm, type JsonRecord, listIn, program } from "../cli/cli-crm.ts";
import { endWithUs } from "./end-with-us.ts";
import { freePort } from "./free-port.ts";
import { cheapProcess } from "./run-command.ts";

/** `holdfast serve` of a small CRM as a process of its own. */
export interface Serving {
  readonly child: ChildProcess;
  readonly port: number;
  /** Ends it with a signal; gives its exit code. */
  end(signal: NodeJS.Signals): Promise<number | null>;
}

/** Writes the service into the configuration: nothing is scheduled, so that tests say what runs. */
export async function configureService(crm: CliCrm, more = ""): Promise<number> {
  const port = await freePort();
  appendFileSync(
    crm.config,
    `service:\n  preset: none\n  listen: 127.0.0.1:${port}\n  retry: {times: 3, first: 1s}\n${more}`,
  );
  return port;
}

/** @param killBefore The operation (of `kill-at.ts`) before which it is killed, unless it ends earlier. */
export async function startServing(crm: CliCrm, port: number, killBefore?: string): Promise<Serving> {
  const running = startProgram(crm, ["serve"], "pipe", killBefore);
  const { child } = running;
  if (child.stdout) {
    await Promise.race([once(child.stdout, "data"), once(child, "close")]);
    child.stdout.resume();
  }
  return { ...running, port };
}

/** A command that runs until it is ended. */
export function startProgram(
  crm: CliCrm,
  args: readonly string[],
  stdout: "pipe" | "ignore",
  killBefore?: string,
): Omit<Serving, "port"> {
  const home = join(dirname(crm.folder), "home");
  const preloaded = killBefore === undefined ? [] : [`--import=${join(import.meta.dirname, "kill-at.ts")}`];
  const child = spawn(process.execPath, [...preloaded, ...program, ...args], {
    cwd: crm.folder,
    env: {
      ...{ ...cheapProcess(), PATH: process.env["PATH"], HOME: home, LANG: "C", HOLDFAST_STATE: join(home, "state") },
      ...(killBefore !== undefined && { HOLDFAST_TEST_KILL_BEFORE: killBefore }),
    },
    stdio: ["ignore", stdout, "inherit"],
  });
  endWithUs(child);
  const ended = once(child, "close");
  return {
    child,
    async end(signal) {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal);
      await ended;
      return child.exitCode;
    },
  };
}

/** All jobs, once none runs or waits any more. */
export async function settledJobs(crm: CliCrm, timeoutMs = 120_000): Promise<readonly JsonRecord[]> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const jobs = listIn(await crm.json(["jobs", "list"]), "jobs") as readonly JsonRecord[];
    if (jobs.length > 0 && jobs.every((job) => job["state"] === "ended")) return jobs;
    if (performance.now() > deadline) throw new Error(`still there: ${JSON.stringify(jobs)}`);
    await sleep(500);
  }
}
