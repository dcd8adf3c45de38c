import type { EmailConfig } from "../config/service-config.ts";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import type { AlertMessage, AlertRoute } from "./route.ts";

const timeoutMs = 30_000;

/** Sends by SMTP. Nothing goes in the clear but to a server that was asked for so. */
export function emailRoute(config: EmailConfig, password: string | undefined, hostname: string): AlertRoute {
  const { host, port, tls, user, from, to } = config;
  return {
    async send(message, signal) {
      signal.throwIfAborted();
      const { createTransport } = await import("nodemailer");
      const transport = createTransport({
        host,
        port,
        name: hostname,
        secure: tls === "required",
        requireTLS: tls === "starttls",
        ignoreTLS: tls === "none",
        ...(user !== undefined && { auth: { user, pass: password ?? "" } }),
        connectionTimeout: timeoutMs,
        greetingTimeout: timeoutMs,
        socketTimeout: timeoutMs,
        // A message is words; nothing is ever fetched or read from disk for it.
        disableFileAccess: true,
        disableUrlAccess: true,
      });
      const stop = () => transport.close();
      signal.addEventListener("abort", stop, { once: true });
      try {
        const { rejected, rejectedErrors } = await transport.sendMail(mailOf(message, from, to));
        if (rejected.length > 0) {
          // Some have it, and would be sent it again with every try.
          const reason = `${rejected.length} of ${to.length} recipients: ${reasonOf(rejectedErrors?.[0])}`;
          throw new HoldfastError("alert-failed", { reason, lasting: 1 });
        }
      } catch (error) {
        signal.throwIfAborted();
        if (isHoldfastError(error)) throw error;
        throw new HoldfastError(
          "alert-failed",
          { reason: reasonOf(error), ...(isLasting(error) && { lasting: 1 }) },
          error,
        );
      } finally {
        signal.removeEventListener("abort", stop);
        transport.close();
      }
    },
  };
}

function mailOf({ id, event, subject, title, text, time }: AlertMessage, from: string, to: readonly string[]) {
  return {
    from,
    to: [...to],
    subject: title,
    text: `${text}\n`,
    date: new Date(time),
    messageId: `<${id}@holdfast.invalid>`,
    headers: {
      "Auto-Submitted": "auto-generated",
      "X-Holdfast-Event": event,
      "X-Holdfast-Subject": encodeURIComponent(subject),
    },
  };
}

/**
 * The server will say the same again: it refuses this login, these people, this way of speaking. Not where it says that it
 * cannot just now, as one does (454) that cannot reach what knows its passwords.
 */
function isLasting(error: unknown): boolean {
  const { responseCode, code } = error as { responseCode?: unknown; code?: unknown };
  return code === "ETLS" || (typeof responseCode === "number" ? responseCode >= 500 : code === "EAUTH");
}

/** What the server said, in one line; a password is never part of that. */
function reasonOf(error: unknown): string {
  const { response, code, message } = (error ?? {}) as { response?: unknown; code?: unknown; message?: unknown };
  const said = typeof response === "string" ? response : typeof message === "string" ? message : String(error);
  const line = said.replaceAll(/\s+/g, " ").slice(0, 300);
  return typeof code === "string" && !line.includes(code) ? `${code}: ${line}` : line;
}
