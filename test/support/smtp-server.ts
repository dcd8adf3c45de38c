import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { endWithUs } from "./end-with-us.ts";
import { freePort } from "./free-port.ts";

export interface Mail {
  readonly from: string;
  readonly to: readonly string[];
  /** As it came: header and body. */
  readonly data: string;
}

/** aiosmtpd, as Debian has it, on loopback; a scope. With `login` it takes mail of `alerts` with `s3cret` alone, and cannot tell just now whether `later` is right; nobody@… is no mailbox. */
export async function smtpServer(login: "login" | "open"): Promise<Disposable & { port: number; mails: Mail[] }> {
  const port = await freePort();
  const child = spawn("/usr/bin/python3", [join(import.meta.dirname, "smtp_server.py"), String(port), login], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  endWithUs(child);
  const mails: Mail[] = [];
  const lines = createInterface({ input: child.stdout });
  const ready = Promise.withResolvers<void>();
  lines.on("line", (line) => {
    if (line === "ready") ready.resolve();
    else mails.push(JSON.parse(line) as Mail);
  });
  child.once("exit", (code) => ready.reject(new Error(`the mail server ended with ${code}`)));
  await ready.promise;
  return {
    port,
    mails,
    [Symbol.dispose]() {
      child.removeAllListeners("exit");
      child.kill("SIGKILL");
      void once(child, "exit");
    },
  };
}
