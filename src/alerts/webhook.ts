import { createHmac } from "node:crypto";
import { HoldfastError } from "../lib/errors.ts";
import type { AlertMessage, AlertRoute } from "./route.ts";

const timeoutMs = 30_000;

/** POSTs a JSON object to a web address; any 2xx means that it was taken. */
export function webhookRoute(url: string, secret: string | undefined, program: string): AlertRoute {
  return {
    async send(message, signal) {
      const body = JSON.stringify(bodyOf(message));
      const signature = secret === undefined ? undefined : createHmac("sha256", secret).update(body).digest("hex");
      await request(
        url,
        {
          method: "POST",
          body,
          headers: {
            "content-type": "application/json",
            "user-agent": program,
            "x-holdfast-delivery": message.id,
            ...(signature !== undefined && { "x-holdfast-signature": `sha256=${signature}` }),
          },
        },
        signal,
      );
    },
  };
}

/** A dead man's switch: somebody else notices when nothing calls. */
export async function callPing(url: string, program: string, signal: AbortSignal): Promise<void> {
  await request(url, { method: "GET", headers: { "user-agent": program } }, signal);
}

function bodyOf({ id, event, subject, time, title, text, facts }: AlertMessage) {
  return { type: "alert", id, event, subject, time, title, text, facts };
}

async function request(url: string, init: RequestInit, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  try {
    // Not redirected: the address may be a secret, and so may what is signed.
    const answer = await fetch(url, {
      ...init,
      redirect: "error",
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    });
    await answer.body?.cancel();
    const { ok, status } = answer;
    const lasting = status < 500 && status !== 408 && status !== 429;
    if (!ok) throw new HoldfastError("alert-failed", { reason: `HTTP ${status}`, ...(lasting && { lasting: 1 }) });
  } catch (error) {
    if (error instanceof HoldfastError) throw error;
    signal.throwIfAborted();
    throw new HoldfastError("alert-failed", { reason: reasonOf(error) }, error);
  }
}

/** Never with the address. */
function reasonOf(error: unknown): string {
  const { name, cause } = error as { name?: unknown; cause?: unknown };
  const { code, message } = (cause ?? {}) as { code?: unknown; message?: unknown };
  if (name === "TimeoutError") return "timeout";
  return typeof code === "string" ? code : typeof message === "string" ? message.slice(0, 200) : String(name);
}
