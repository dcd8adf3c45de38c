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
  const texts: string[] = [];
  for (const piece of pieces(bytes)) {
    // Not by an introducer: bytes that are no characters, as a literal of bytes may have them, would be an error.
    const inCharset = `CONVERT(X'${piece.toString("hex")}' USING ${charset})`;
    const [text] = await session.query(`SELECT CONVERT(${inCharset} USING utf8mb4)`);
    texts.push(text?.[0] ?? piece.toString("utf8"));
  }
  return { ...found, sql: texts.join("") };
}

/** In hexadecimal a statement would be more than the server takes at once, which may be just what it took then. */
const pieceBytes = 1 << 18;
const mostBytes = 1 << 20;

/** Each ends behind a blank, a comma or the like, as far as there is one: in no character set are these a part of another character. */
function* pieces(bytes: Buffer): Generator<Buffer> {
  for (let from = 0; from < bytes.length;) {
    const end = Math.min(from + mostBytes, bytes.length);
    let to = Math.min(from + pieceBytes, end);
    while (to < end && (bytes[to - 1] ?? 0) >= 0x30) to++;
    yield bytes.subarray(from, to);
    from = to;
  }
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
