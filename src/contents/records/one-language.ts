/** Of `{"en_US": "Name", "zh_CN": "名称"}`, as Odoo keeps it, the English one, else the first. */
export function inOneLanguage(said: string): string {
  if (!said.startsWith("{")) return said;
  try {
    const texts = JSON.parse(said) as Readonly<Record<string, unknown>>;
    const text = texts["en_US"] ?? Object.values(texts)[0];
    return typeof text === "string" ? text : "";
  } catch {
    return said;
  }
}
