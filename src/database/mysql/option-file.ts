import { readFile } from "node:fs/promises";
import { HoldfastError } from "../../lib/errors.ts";
import { hasSystemCode } from "../../lib/system-code.ts";

/** Groups that the clients of MariaDB and MySQL read; a later one wins over an earlier one, as there. */
const groups = new Set(["client", "client-server", "client-mariadb", "mysql", "mariadb-client"]);

/** Options of the client, by name with dashes: `user`, `password`, `socket`, `ssl-ca`, … */
export type ClientOptions = ReadonlyMap<string, string>;

/**
 * Reads an option file such as `~/.my.cnf`: the groups for clients, without `!include`. A file that is not there is
 * empty; one that cannot be read fails with `database-login`.
 */
export async function readOptionFile(path: string): Promise<ClientOptions> {
  try {
    return parseOptionFile(await readFile(path, "utf8"));
  } catch (error) {
    if (hasSystemCode(error, "ENOENT")) return new Map();
    throw new HoldfastError("database-login", { path, reason: (error as NodeJS.ErrnoException).code }, error);
  }
}

export function parseOptionFile(text: string): ClientOptions {
  const options = new Map<string, string>();
  let group = "";
  for (const raw of text.split(/\r?\n/)) {
    const line = raw.trim();
    const header = /^\[([^\]]*)\]/.exec(line);
    if (header) group = (header[1] ?? "").trim().toLowerCase();
    if (header || line === "" || /^[#;!]/.test(line) || !groups.has(group)) continue;
    const at = line.indexOf("=");
    const name = (at < 0 ? line : line.slice(0, at))
      .trim()
      .toLowerCase()
      .replaceAll("_", "-")
      .replace(/^loose-/, "");
    options.set(name, at < 0 ? "" : optionValue(line.slice(at + 1).trim()));
  }
  return options;
}

/** Quotes are taken off; a comment may follow; `\n`, `\t`, `\s` and others stand for what they say. */
function optionValue(text: string): string {
  const quoted = /^(["'])(.*)\1\s*(?:#.*)?$/.exec(text);
  const value = quoted ? (quoted[2] ?? "") : text.replace(/\s+#.*$/, "");
  return value.replaceAll(/\\([btnr\\s"'])/g, (_, letter: string) => escapes[letter] ?? letter);
}

const escapes: Readonly<Record<string, string>> = { b: "\b", t: "\t", n: "\n", r: "\r", s: " " };
