import { parseQuery } from "./log-events.ts";
import type { Session } from "./session.ts";

/** What stands before a statement, each thing under its code, up to which character set it is in. */
const charsetCode = 4;
const lengths: ReadonlyMap<number, number> = new Map([
  [0, 4], // flags
  [1, 8], // sql_mode
  [3, 4], // auto_increment
]);
const catalogCode = 6;

/** A statement in the log, which is in the character set of whoever typed it. */
export async function queryOf(session: Session, body: Buffer): Promise<ReturnType<typeof parseQuery>> {
  const found = parseQuery(body);
  const bytes = body.subarray(found.start);
  const collation = bytes.every((byte) => byte < 0x80) ? undefined : collationOf(body);
  if (collation === undefined) return found;
  const [row] = await session.query(
    `SELECT CHARACTER_SET_NAME FROM information_schema.COLLATIONS WHERE ID=${collation}`,
  );
  const charset = row?.[0] ?? "utf8mb4";
  if (charset.startsWith("utf8")) return found;
  const [text] = await session.query(`SELECT CONVERT(_${charset} X'${bytes.toString("hex")}' USING utf8mb4)`);
  return { ...found, sql: text?.[0] ?? found.sql };
}

function collationOf(body: Buffer): number | undefined {
  const end = 13 + body.readUInt16LE(11);
  for (let at = 13; at < end;) {
    const code = body[at++] ?? 0;
    if (code === charsetCode) return body.readUInt16LE(at);
    const length = code === catalogCode ? 1 + (body[at] ?? 0) : lengths.get(code);
    if (length === undefined) return undefined;
    at += length;
  }
  return undefined;
}
