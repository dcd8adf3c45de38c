/** The beginning of an answer by HTTP/1.1, as far as its body needs it. */
export interface HttpHead {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Of the body. */
  readonly length: number;
  readonly connection: "stays" | "ends";
}

/**
 * Reads what stands before the empty line. `undefined`: not HTTP/1.1, or a body whose length is not said beforehand
 * (in chunks, or until the connection ends).
 */
export function parseHttpHead(text: string): HttpHead | undefined {
  const [first = "", ...lines] = text.split("\r\n");
  const status = /^HTTP\/1\.1 ([1-5]\d\d)(?: |$)/.exec(first)?.[1];
  if (status === undefined) return undefined;
  const headers: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const line of lines) {
    const [, name = "", value = ""] = /^([\w!#$%&'*+.^`|~-]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? [];
    if (name === "") return undefined;
    const key = name.toLowerCase();
    headers[key] = headers[key] === undefined ? value : `${headers[key]}, ${value}`;
  }
  const length = hasNoBody(Number(status)) ? "0" : headers["content-length"];
  if (length === undefined || !/^\d{1,15}$/.test(length) || headers["transfer-encoding"] !== undefined)
    return undefined;
  const connection = /(?:^|,)\s*close\s*(?:,|$)/i.test(headers["connection"] ?? "") ? "ends" : "stays";
  return { status: Number(status), headers: { ...headers }, length: Number(length), connection };
}

function hasNoBody(status: number): boolean {
  return status < 200 || status === 204 || status === 304;
}
