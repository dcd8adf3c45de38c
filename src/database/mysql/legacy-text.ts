/**
 * Text in character sets of which UTF-8 does not give back every byte, as web standards decode them. What comes out is shown to people, and
 * taken back from them where just the same bytes come of it.
 */
export function decodeLegacy(bytes: Buffer, encoding: string): string | undefined {
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** `undefined`: it holds a character that the set has not, or one of more than two bytes, but for GB18030's of four. */
export function encodeLegacy(text: string, encoding: string): Buffer | undefined {
  const table = tableOf(encoding);
  const bytes: number[] = [];
  for (const character of text) {
    const found = table.get(character) ?? (encoding === "gb18030" ? beyondTable(character) : undefined);
    if (found === undefined) return undefined;
    bytes.push(...found);
  }
  return Buffer.from(bytes);
}

/** Follows from the name alone, and takes some milliseconds to make. */
const tables = new Map<string, ReadonlyMap<string, readonly number[]>>();

function tableOf(encoding: string): ReadonlyMap<string, readonly number[]> {
  const known = tables.get(encoding);
  if (known) return known;
  const decoder = new TextDecoder(encoding);
  const made = new Map<string, readonly number[]>();
  const add = (...bytes: readonly number[]): boolean => {
    const text = decoder.decode(Uint8Array.from(bytes));
    const isOne = !text.includes("\uFFFD") && Array.from(text).length === 1;
    if (isOne && !made.has(text)) made.set(text, bytes);
    return isOne;
  };
  for (let first = 0; first < 256; first++) {
    // "€" to the web alone: GB18030 has it elsewhere.
    if (encoding === "gb18030" && first === 0x80) continue;
    if (add(first)) continue;
    for (let second = 0; second < 256; second++) add(first, second);
  }
  if (encoding === "gb18030") for (let place = 0; place < firstBeyond; place++) add(...fourBytes(place));
  tables.set(encoding, made);
  return made;
}

/** Characters of four bytes are counted through: those up to U+FFFF first, by a list, and from this place on all others in their order. */
const firstBeyond = 39_420;
const placeOfPlanes = 189_000;

function beyondTable(character: string): readonly number[] | undefined {
  const code = character.codePointAt(0) ?? 0;
  return code > 0xff_ff ? fourBytes(placeOfPlanes + code - 0x1_00_00) : undefined;
}

function fourBytes(place: number): readonly number[] {
  return [0x81 + place / 12_600, 0x30 + ((place / 1260) % 10), 0x81 + ((place / 10) % 126), 0x30 + (place % 10)].map(
    Math.floor,
  );
}
