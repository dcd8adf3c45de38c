import { HoldfastError } from "../../lib/errors.ts";
import { escaped } from "./log-values.ts";
import type { Session } from "./session.ts";

/** So much is remembered: numbers come again and again. */
const mostBytes = 16 << 20;
/** Of a remembered text, besides its letters. */
const entryBytes = 100;
/** What is asked for in one statement: a server takes 16 MiB, unless it was told otherwise. */
const mostAsked = { pieces: 500, bytes: 1 << 20 };

/** How the server writes values that only it knows how to write, by the SQL that asks for them. */
export class LogTexts {
  readonly #session: Session;
  readonly #texts = new Map<string, string>();
  #bytes = 0;

  constructor(session: Session) {
    this.#session = session;
  }

  /** From here on, and until it is called again, `of` knows these. */
  async learn(wanted: ReadonlySet<string>): Promise<void> {
    if (this.#bytes > mostBytes) {
      this.#texts.clear();
      this.#bytes = 0;
    }
    let asked: string[] = [];
    let bytes = 0;
    const ask = async (): Promise<void> => {
      if (asked.length === 0) return;
      const [row] = await this.#session.query(`SELECT ${asked.join(",")}`);
      for (const [place, sql] of asked.entries()) {
        const text = escaped(Buffer.from(row?.[place] ?? "", "utf8").toString("latin1"));
        this.#texts.set(sql, text);
        this.#bytes += sql.length + text.length + entryBytes;
      }
      asked = [];
      bytes = 0;
    };
    for (const sql of wanted) {
      if (this.#texts.has(sql)) continue;
      if (asked.length === mostAsked.pieces || bytes + sql.length > mostAsked.bytes) await ask();
      asked.push(sql);
      bytes += sql.length;
    }
    await ask();
  }

  of(sql: string): string {
    const text = this.#texts.get(sql);
    if (text === undefined) throw new HoldfastError("internal", { reason: "value that nobody asked for" });
    return text;
  }
}
