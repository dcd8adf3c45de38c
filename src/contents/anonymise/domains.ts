const name = String.raw`(?:"(?:[^"]|"")+"|[^\s".]+)`;
const definition = new RegExp(
  String.raw`^CREATE DOMAIN (${name}\.${name}) AS (.+?)(?= COLLATE | DEFAULT | NOT NULL| CONSTRAINT |;|$)`,
  "gm",
);

/** What a type is made of: of a domain, by the database's definitions, what it holds; of any other, itself. */
export function madeOf(definitions: readonly string[]): (type: string) => string {
  const domains = new Map<string, string>();
  for (const statement of definitions) {
    if (!statement.includes("CREATE DOMAIN")) continue;
    for (const [, domain = "", type = ""] of statement.matchAll(definition)) domains.set(domain, type);
  }
  return (type) => {
    let found = type;
    // One may be made of another, but never of itself.
    for (let steps = 0; steps <= domains.size; steps++) found = domains.get(found) ?? found;
    return found;
  };
}
