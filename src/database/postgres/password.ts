import { readFile, stat } from "node:fs/promises";

import type { DatabaseAddress } from "../database.ts";
import { type Environment, type Login, passwordFile } from "./address.ts";

/** The password that was given, else where libpq looks: `PGPASSWORD`, then `.pgpass`. */
export async function passwordFor(
  { password }: DatabaseAddress,
  login: Login,
  environment: Environment,
): Promise<string | undefined> {
  if (password !== undefined) return password;
  const inEnvironment = environment["PGPASSWORD"];
  if (inEnvironment) return inEnvironment;
  const file = passwordFile(environment);
  const status = await stat(file).catch(() => undefined);
  // As libpq: a file that others can read is not used.
  if (!status?.isFile() || (status.mode & 0o077) !== 0) return undefined;
  return passwordIn(await readFile(file, "utf8").catch(() => ""), login);
}

/** The first line of a `.pgpass` that fits: `host:port:database:user:password`, `*` for any, `\:` and `\\` escaped. */
export function passwordIn(text: string, { host, port, database, user }: Login): string | undefined {
  const wanted = [host.startsWith("/") ? "localhost" : host, String(port), database, user];
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith("#")) continue;
    const fields = (line.match(/(?:\\.|[^:\\])*(?::|$)/g) ?? []).map((field) => field.replace(/:$/, ""));
    const password = line
      .split(/(?<!\\):/)
      .slice(4)
      .join(":");
    const fits = wanted.every((value, at) => fields[at] === "*" || unescaped(fields[at] ?? "") === value);
    if (fits && fields.length > 4) return unescaped(password);
  }
  return undefined;
}

function unescaped(field: string): string {
  return field.replaceAll(/\\(.)/g, "$1");
}
