const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;

const stretchBytes = 64 << 10;

/**
 * Cuts the JSON of a tree, which comes in pieces, into stretches of whole nodes: texts that stand between `[` and `]` of
 * its list. Only brackets and strings are looked at, in one pass; whether a stretch is JSON is for who parses it to find
 * out. Throws `SyntaxError` when there is no list of nodes or the brackets do not fit. A piece need not outlive the next.
 */
export function* nodeStretches(pieces: Iterable<Uint8Array>): Generator<string, void, undefined> {
  let depth = 0;
  let inString = false;
  let escaped = false;
  /** The last string that began on the first level: a key, when a list begins behind it. */
  let key = "";
  let list: "before" | "inside" | "after" = "before";
  /** What was met of the stretch that is being gathered, beside what stands in this piece. */
  let kept: Buffer[] = [];
  let keptBytes = 0;
  let cut = false;

  for (const bytes of pieces) {
    const piece = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    let from = 0;
    const take = (end: number): string => {
      const text = Buffer.concat([...kept, piece.subarray(from, end)]).toString("utf8");
      kept = [];
      keptBytes = 0;
      from = end + 1;
      return text;
    };
    for (let at = 0; at < piece.length; at++) {
      const byte = piece[at];
      if (inString) {
        if (escaped) escaped = false;
        else if (byte === backslash) escaped = true;
        else if (byte === quote) inString = false;
        else if (depth === 1 && key.length < 8) key += String.fromCharCode(byte ?? 0);
      } else if (byte === quote) {
        inString = true;
        if (depth === 1) key = "";
      } else if (byte === openBrace || byte === openBracket) {
        depth++;
        if (depth !== 2 || byte !== openBracket || key !== "nodes") continue;
        if (list !== "before") throw new SyntaxError("two lists");
        list = "inside";
        from = at + 1;
      } else if (byte === closeBrace || byte === closeBracket) {
        depth--;
        if (depth < 0) throw new SyntaxError("bracket");
        if (list !== "inside" || depth !== 1) continue;
        list = "after";
        const text = take(at);
        if (cut && text.trim() === "") throw new SyntaxError("comma");
        yield text;
      } else if (byte === comma && depth === 2 && list === "inside" && keptBytes + at - from >= stretchBytes) {
        cut = true;
        yield take(at);
      } else if (depth === 0 && (byte ?? 0) > 0x20) throw new SyntaxError("beside the object");
    }
    if (list !== "inside" || from >= piece.length) continue;
    kept.push(Buffer.from(piece.subarray(from)));
    keptBytes += piece.length - from;
  }
  if (depth !== 0 || inString || list !== "after") throw new SyntaxError("end");
}
