/** `DEFINER=…` at the head of a `CREATE`; the server writes it right after CREATE, or after the algorithm of a view. */
const definer =
  /^(CREATE\s+(?:OR\s+REPLACE\s+)?(?:AGGREGATE\s+)?(?:ALGORITHM\s*=\s*\w+\s+)?)DEFINER\s*=\s*(?:`(?:[^`]|``)*`(?:@`(?:[^`]|``)*`)?|\w+(?:@\S+)?)\s+/i;

/** The same statement, for whoever runs it. */
export function withoutDefiner(statement: string): string {
  return statement.replace(definer, "$1");
}
