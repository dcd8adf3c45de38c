/** Parts of at most so many texts and about so many bytes; a single one may be larger. */
export function* inParts(texts: readonly string[], most: number, bytes = Infinity): Generator<readonly string[]> {
  let part: string[] = [];
  let size = 0;
  for (const text of texts) {
    if (part.length > 0 && (part.length >= most || size + text.length > bytes)) {
      yield part;
      part = [];
      size = 0;
    }
    part.push(text);
    size += text.length;
  }
  if (part.length > 0) yield part;
}
