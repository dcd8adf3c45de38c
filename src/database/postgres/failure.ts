import { HoldfastError } from "../../lib/errors.ts";
import { systemCode } from "../../lib/system-code.ts";

interface ServerError extends Error {
  readonly code?: string;
  readonly table?: string;
}

/**
 * What went wrong at the server, in our terms, by its SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html).
 * The server's own sentence names objects and never a password; its detail, which may quote rows, is left out.
 */
export function postgresFailure(error: unknown, path: string, subject?: string): unknown {
  if (error instanceof HoldfastError || !(error instanceof Error)) return error;
  const { code = "", message, table } = error as ServerError;
  const named = subject ?? table;
  const facts = { path, ...(named !== undefined && { subject: named }), reason: oneLine(message) };
  if (code.startsWith("28") || /client password must be a string|empty password/.test(message)) {
    return new HoldfastError("database-login", facts, error);
  }
  if (code === "3D000") return new HoldfastError("database-missing", { path }, error);
  if (code === "42501") return new HoldfastError("database-rights", facts, error);
  if (code === "55P03") return new HoldfastError("database-busy", facts, error);
  // A standby that has to go on with what its primary sent: https://www.postgresql.org/docs/current/hot-standby.html
  if (/due to conflict with recovery/.test(message)) return new HoldfastError("database-conflict", facts, error);
  if (code === "55006") return new HoldfastError("target-in-use", facts, error);
  if (code === "53100") return new HoldfastError("target-full", facts, error);
  // 53300: as many are connected as may be.
  const lost =
    /^(08|57P0|53300)/.test(code) ||
    /^[A-Z_]{6,}$/.test(code) ||
    /^Connection terminated|^Client (?:has encountered a connection error|was closed)|timeout expired|SSL/.test(
      message,
    );
  return new HoldfastError(lost ? "database-unreachable" : "database-unreadable", facts, error);
}

export function sqlState(error: unknown): string {
  return systemCode(error) ?? "";
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, " ").slice(0, 300);
}
