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

/** `undefined`: it holds a character that the set has not, or one of more than two bytes. */
export function encodeLegacy(text: string, encoding: string): Buffer | undefined {
  const table = tableOf(encoding);
  const bytes: number[] = [];
  for (const character of text) {
    const found = table.get(character);
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
    if (add(first)) continue;
    for (let second = 0; second < 256; second++) add(first, second);
  }
  tables.set(encoding, made);
  return made;
}
