/** A word of a text, and where it stands in it. */
export interface Word {
  readonly text: string;
  readonly from: number;
  readonly to: number;
  /** A part of a path or of a setting: Europe/Paris, MAIN_LANG=fr. */
  readonly isCode: boolean;
}

/** O'Neill, Müller-Lüdenscheidt; a bare tag of HTML (not what stands in one's attributes) is passed over. */
const word = /<\/?[a-z][a-z0-9]*\s*\/?>|[\p{L}\p{N}]+(?:['’-][\p{L}\p{N}]+)*/gu;

const ofCode = /[/\\_=%@]/;

export function wordsIn(text: string): readonly Word[] {
  const found = Array.from(text.matchAll(word)).filter(([one]) => !one.startsWith("<"));
  return found.map(({ 0: one, index }) => ({
    text: one,
    from: index,
    to: index + one.length,
    isCode: ofCode.test(text.charAt(index - 1)) || ofCode.test(text.charAt(index + one.length)),
  }));
}
