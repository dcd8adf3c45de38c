/** A name as SQL takes it in any mode. */
export function quoteName(name: string): string {
  return `\`${name.replaceAll("`", "``")}\``;
}

/** A text literal that means the same with and without `NO_BACKSLASH_ESCAPES`. */
export function quoteText(text: string): string {
  return text.includes("\\") || text.includes("\0")
    ? `CONVERT(X'${Buffer.from(text, "utf8").toString("hex")}' USING utf8mb4)`
    : `'${text.replaceAll("'", "''")}'`;
}
