import { HoldfastError } from "../../lib/errors.ts";
import { withoutDefiner } from "./definer.ts";
import { serverCode } from "./failure.ts";

/** What the server says of a view that selects from a table, a column or a function that is not there, or from such a view. */
const codes = new Set(["ER_VIEW_INVALID", "ER_NO_SUCH_TABLE", "ER_BAD_FIELD_ERROR", "ER_SP_DOES_NOT_EXIST"]);

/**
 * A view goes on being listed when somebody drops its table, and its statement is there to be read, but no server takes
 * that statement.
 */
export function saysBrokenView(error: unknown): error is HoldfastError {
  return error instanceof HoldfastError && codes.has(serverCode(error.cause) ?? "");
}

/** The name of the view that a statement makes. */
export function viewOf(statement: string): string | undefined {
  const made = /^CREATE\s+(?:ALGORITHM\s*=\s*\w+\s+)?(?:SQL\s+SECURITY\s+\w+\s+)?VIEW\s+`((?:[^`]|``)+)`/i;
  return made.exec(withoutDefiner(statement))?.[1]?.replaceAll("``", "`");
}
