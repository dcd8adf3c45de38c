import { createDecipheriv } from "node:crypto";

/** What came of opening a stored value: see `StoredSecret`. */
export type Opened = "plain" | "opened" | "closed";

/** Whether bytes that were deciphered are what people type: a cipher without a seal gives anything for a wrong key. */
export function readable(plain: Buffer | undefined): Opened {
  if (plain === undefined || plain.length === 0) return "closed";
  const text = plain.toString("utf8");
  return text.includes("\uFFFD") || /(?![\t\n\r])\p{Cc}/u.test(text) ? "closed" : "opened";
}

/** Deciphers; `undefined` when padding, seal or sizes say that key and value do not belong together. */
export function decipher(
  cipher: "aes-256-cbc" | "aes-256-ctr" | "aes-256-gcm",
  key: Buffer,
  iv: Buffer,
  data: Buffer,
  tag?: Buffer,
): Buffer | undefined {
  try {
    const opened =
      cipher === "aes-256-gcm"
        ? createDecipheriv(cipher, key, iv, { authTagLength: 16 }).setAuthTag(tag ?? Buffer.alloc(16))
        : createDecipheriv(cipher, key, iv);
    return Buffer.concat([opened.update(data), opened.final()]);
  } catch {
    return undefined;
  }
}
