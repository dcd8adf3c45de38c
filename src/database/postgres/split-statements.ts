/**
 * Splits a script of SQL into its statements, without comments, empty ones and the `\` commands of psql, which newer
 * releases of pg_dump write around a script. A semicolon ends a statement unless it stands in a string, a quoted name, a
 * dollar-quoted text, parentheses, or the body of a routine that begins with `BEGIN ATOMIC`.
 */
export function splitStatements(script: string): readonly string[] {
  const statements: string[] = [];
  let statement = "";
  let parentheses = 0;
  let blocks = 0;
  let word = "";
  for (const [token] of script.matchAll(tokens)) {
    if (token.startsWith("--") || token.startsWith("/*")) {
      statement += " ";
      continue;
    }
    if (token.startsWith("\\") && statement.trim() === "") continue;
    const before = word;
    if (/\S/.test(token)) word = token.toUpperCase();
    if (token === "(") parentheses++;
    else if (token === ")") parentheses--;
    else if (before === "BEGIN" && word === "ATOMIC") blocks = 1;
    else if (blocks > 0 && token.length > 1 && word === "CASE") blocks++;
    else if (blocks > 0 && token.length > 1 && word === "END") blocks--;
    if (token === ";" && parentheses <= 0 && blocks === 0) {
      if (statement.trim() !== "") statements.push(statement.trim());
      statement = "";
      parentheses = 0;
    } else {
      statement += token;
    }
  }
  if (statement.trim() !== "") statements.push(statement.trim());
  return statements;
}

/** Comment, psql's own command, string with and without escapes, name, dollar-quoted text, word, anything else. */
const tokens =
  /--[^\n]*|\/\*[^]*?\*\/|(?<=^|\n)\\[^\n]*|[eE]'(?:[^'\\]|\\[^]|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|\$([A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$[^]*?\$\1\$|[\w$\u0080-\uffff]+|\s+|[^]/g;
