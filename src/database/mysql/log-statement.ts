import { withoutComments } from "./statement-text.ts";

/** What a statement in the log does to the transaction that it stands in, or to the database. */
export type LogStatement =
  /** `prepared`: what follows counts only if `commit-prepared` says so. */
  | { readonly what: "begin"; readonly how: "open" | "prepared" }
  | { readonly what: "commit" | "rollback" | "nothing" }
  | { readonly what: "savepoint" | "back-to"; readonly savepoint: string }
  | { readonly what: "commit-prepared" | "rollback-prepared"; readonly xid: string }
  /** `rows`: they are written by a text, whichever they are. `definition`: of tables, rights, programs. Without comments. */
  | { readonly what: "rows" | "definition"; readonly text: string };

/** With these begins what is no definition, and so may write rows; all else does. */
const definitions =
  /^(?:CREATE|ALTER|DROP|RENAME|TRUNCATE|GRANT|REVOKE|SET|ANALYZE\s+(?:\w+\s+)?TABLE|OPTIMIZE|REPAIR|FLUSH|INSTALL|UNINSTALL|IMPORT|LOCK|UNLOCK)\b/i;

export function logStatement(sql: string): LogStatement {
  // MariaDB's way to set variables for one statement.
  const text = withoutComments(sql).replace(/^SET\s+STATEMENT\b.*?\bFOR\s+/is, "");
  const [, first = "", second = ""] = /^(\w*)\s*(\w*)/.exec(text.toUpperCase()) ?? [];
  switch (first) {
    case "BEGIN":
    case "START":
      return { what: "begin", how: "open" };
    case "COMMIT":
      return { what: "commit" };
    case "ROLLBACK":
      return second === "TO" ? { what: "back-to", savepoint: savepointIn(text) } : { what: "rollback" };
    case "SAVEPOINT":
      return { what: "savepoint", savepoint: savepointIn(text) };
    case "XA":
      return xaStatement(second, text);
    // A comment alone, and what ends a savepoint.
    case "":
      return text === "" ? { what: "nothing" } : { what: "rows", text };
    case "RELEASE":
      return { what: "nothing" };
    default:
      return { what: definitions.test(text) ? "definition" : "rows", text };
  }
}

function xaStatement(word: string, text: string): LogStatement {
  // As the server writes it into its log, however somebody typed it.
  const xid = /X'[0-9A-F]*',X'[0-9A-F]*',\d+/i.exec(text)?.[0].toUpperCase() ?? "";
  if (word === "START" || word === "BEGIN") return { what: "begin", how: "prepared" };
  if (word === "COMMIT") return { what: "commit-prepared", xid };
  return word === "ROLLBACK" ? { what: "rollback-prepared", xid } : { what: "nothing" };
}

/** Savepoints are called without regard to case. */
function savepointIn(text: string): string {
  return text.replace(/^(?:ROLLBACK\s+TO(?:\s+SAVEPOINT\b)?|SAVEPOINT)\s*/i, "").toLowerCase();
}
