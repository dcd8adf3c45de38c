import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import { type ModelSums, python, type TrytonCrm, trytonScript } from "./tryton-crm.ts";

export interface WriterLine {
  readonly operation: number;
  readonly ms: number;
  readonly models: ModelSums;
}

/** `writer.py` at work: people who go on using the CRM while it is backed up. */
export interface TrytonWriter extends AsyncDisposable {
  /** Lines so far; line n is that of operation n. */
  lines(): readonly WriterLine[];
  /** Waits until operation n is done. */
  reached(operation: number): Promise<void>;
  /** Lets it finish the operation that it is at. */
  stop(): Promise<void>;
}

export function startWriter(crm: TrytonCrm, log: string): TrytonWriter {
  const writer = spawn(python, [...trytonScript("writer.py"), crm.configuration, crm.database, log], {
    stdio: ["pipe", "ignore", "pipe"],
  });
  let errors = "";
  writer.stderr.on("data", (text: Buffer) => (errors += text.toString()));
  const ended = once(writer, "exit");
  const lines = () => {
    if (!existsSync(log)) return [];
    const whole = readFileSync(log, "utf8").split("\n").slice(0, -1);
    return whole.map((line) => JSON.parse(line) as WriterLine);
  };
  const end = async () => {
    writer.stdin.end();
    const [code] = (await ended) as [number | null];
    return code;
  };
  return {
    lines,
    async reached(operation) {
      while (lines().length <= operation) {
        if (writer.exitCode !== null) throw new Error(`the writer ended: ${errors}`);
        await wait(50);
      }
    },
    async stop() {
      const code = await end();
      if (code !== 0) throw new Error(`the writer ended with ${code}: ${errors}`);
    },
    [Symbol.asyncDispose]: async () => void (await end()),
  };
}
