import { HoldfastError, isHoldfastError, type ErrorCode } from "../../lib/errors.ts";
import { systemCode } from "../../lib/system-code.ts";

/** Codes of the server and of the connection, by what a person can do about them. */
const known: Readonly<Record<string, ErrorCode>> = {
  ER_ACCESS_DENIED_ERROR: "database-login",
  ER_ACCESS_DENIED_NO_PASSWORD_ERROR: "database-login",
  // No user may come from that host.
  ER_HOST_NOT_PRIVILEGED: "database-login",
  ER_ACCOUNT_HAS_BEEN_LOCKED: "database-login",
  ER_MUST_CHANGE_PASSWORD: "database-login",
  ER_MUST_CHANGE_PASSWORD_LOGIN: "database-login",
  AUTH_SWITCH_PLUGIN_ERROR: "database-login",
  ER_BAD_DB_ERROR: "database-missing",
  ER_DBACCESS_DENIED_ERROR: "database-rights",
  ER_TABLEACCESS_DENIED_ERROR: "database-rights",
  ER_COLUMNACCESS_DENIED_ERROR: "database-rights",
  ER_PROCACCESS_DENIED_ERROR: "database-rights",
  ER_SPECIFIC_ACCESS_DENIED_ERROR: "database-rights",
  ER_VIEW_NO_EXPLAIN: "database-rights",
  // Functions and triggers of a server with a binary log are for administrators, unless it is told to trust others.
  ER_BINLOG_CREATE_ROUTINE_NEED_SUPER: "database-rights",
  ER_LOCK_WAIT_TIMEOUT: "database-busy",
  ER_LOCK_DEADLOCK: "database-busy",
  ER_RECORD_FILE_FULL: "target-full",
  ER_DISK_FULL: "target-full",
  ER_TEMP_FILE_WRITE_FAILURE: "target-full",
  ECONNREFUSED: "database-unreachable",
  ECONNRESET: "database-unreachable",
  ECONNABORTED: "database-unreachable",
  EHOSTUNREACH: "database-unreachable",
  ENETUNREACH: "database-unreachable",
  ENOTFOUND: "database-unreachable",
  EAI_AGAIN: "database-unreachable",
  ENOENT: "database-unreachable",
  EACCES: "database-unreachable",
  EPIPE: "database-unreachable",
  ETIMEDOUT: "database-unreachable",
  PROTOCOL_CONNECTION_LOST: "database-unreachable",
  ER_SERVER_SHUTDOWN: "database-unreachable",
  ER_CONNECTION_KILLED: "database-unreachable",
  ER_CON_COUNT_ERROR: "database-unreachable",
  HANDSHAKE_NO_SSL_SUPPORT: "database-unreachable",
  HANDSHAKE_SSL_ERROR: "database-unreachable",
  DEPTH_ZERO_SELF_SIGNED_CERT: "database-unreachable",
  SELF_SIGNED_CERT_IN_CHAIN: "database-unreachable",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "database-unreachable",
  ERR_TLS_CERT_ALTNAME_INVALID: "database-unreachable",
  CERT_HAS_EXPIRED: "database-unreachable",
};

/** Gives a failure of the server or of the connection a code; what already has one passes through. */
export function mysqlFailure(
  fallback: ErrorCode,
  facts: { readonly path: string; readonly user?: string; readonly subject?: string },
  cause: unknown,
): HoldfastError {
  if (isHoldfastError(cause)) return cause;
  if (cause instanceof Error && cause.name === "AbortError") return new HoldfastError("cancelled", {}, cause);
  // The first line is the server's sentence; the statement, which may hold data, is no part of it.
  const reason = (cause instanceof Error ? cause.message : String(cause)).split("\n")[0]?.slice(0, 300);
  // The server names a full disk by the step that it stood in the way of; only its sentence says it in all of them.
  const isFull = /\bNo space left on device\b/.test(reason ?? "");
  const code = isFull ? "target-full" : (known[serverCode(cause) ?? ""] ?? fallback);
  return new HoldfastError(code, { ...facts, reason }, cause);
}

/** `ER_…` of the server, or the code of a failed connection. */
export function serverCode(error: unknown): string | undefined {
  return systemCode(error);
}

/** The server does not let this user do that. */
export function isRefused(error: unknown): boolean {
  return isHoldfastError(error, "database-rights");
}
