/**
 * A JSON string as Go's `encoding/json` writes it, which decides the bytes, and so the id, of a tree: `<`, `>`, `&`,
 * U+2028 and U+2029 are escaped, control characters other than newline, return and tab become `\u00xx`, and half a
 * surrogate pair becomes `\ufffd`. Everything else stands as itself.
 */
export function goJsonString(text: string): string {
  return isPlain(text) ? `"${text}"` : `"${text.replace(special, escape)}"`;
}

/** Whether `text` is printable ASCII that no rule of quoting touches: the common case, and a cheap test. */
export function isPlain(text: string): boolean {
  return plain.test(text);
}

const plain = /^[ !#-%'-;=?-[\]-~]*$/;
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const special = /[\0-\x1f"\\<>&\u2028\u2029]|\p{Surrogate}/gu;
const short: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\" };

function escape(character: string): string {
  const code = character.charCodeAt(0);
  if (code >= 0xd800 && code <= 0xdfff) return "\\ufffd";
  return short[character] ?? `\\u${code.toString(16).padStart(4, "0")}`;
}
