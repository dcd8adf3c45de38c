/**
 * What a person searches for: words, of which a record must have each in some text, whatever the case. Chinese is found
 * inside longer text, a single character as well.
 */
export interface TextQuery {
  /** Folded. */
  readonly words: readonly string[];
  /**
   * A piece of one word whose bytes every row that matches has: UTF-8 as latin1, in lower case. `undefined`: no word has
   * such a piece, since its letters have two cases beyond ASCII.
   */
  readonly needle: string | undefined;
  /** All such pieces of all words. */
  readonly pieces: readonly string[];
}

export function textQuery(text: string): TextQuery {
  const words = text
    .split(/\s+/u)
    .map(fold)
    .filter((word) => word !== "");
  const pieces = words.flatMap(plainPieces).map((piece) => Buffer.from(piece, "utf8").toString("latin1"));
  const [needle] = pieces.toSorted((a, b) => b.length - a.length);
  return { words, needle, pieces };
}

/** As letters are compared: in lower case. Two signs whose lower case would be an ASCII letter stay apart. */
function fold(text: string): string {
  return text.replaceAll(/[\u0130\u212a]/g, "\ufffd").toLowerCase();
}

/**
 * Stretches of ASCII and of characters that have no case. What a line of rows may write in another way (quotes, backslashes,
 * control characters) ends one.
 */
function plainPieces(word: string): readonly string[] {
  const pieces: string[] = [];
  let piece = "";
  for (const character of word) {
    if (isPlain(character)) piece += character;
    else if (piece !== "") {
      pieces.push(piece);
      piece = "";
    }
  }
  return piece === "" ? pieces : [...pieces, piece];
}

function isPlain(character: string): boolean {
  if (character < "\u007f") return character >= " " && character !== '"' && character !== "\\";
  return character !== "\ufffd" && character.toLowerCase() === character && character.toUpperCase() === character;
}

/** Whether each word is in one of the texts; gives which texts have any. `undefined`: some word is in none. */
export function matchTexts(query: TextQuery, texts: readonly (string | undefined)[]): readonly number[] | undefined {
  const folded = texts.map((text) => (text === undefined ? undefined : fold(text)));
  const found = new Set<number>();
  for (const word of query.words) {
    const places = folded.flatMap((text, at) => (text?.includes(word) ? [at] : []));
    if (places.length === 0) return undefined;
    for (const place of places) found.add(place);
  }
  return [...found].toSorted((a, b) => a - b);
}
