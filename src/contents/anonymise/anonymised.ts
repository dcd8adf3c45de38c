import { isUtf8 } from "node:buffer";
import type { ColumnSchema, DatabaseEngine, RowBatch, TableSchema } from "../../database/database.ts";
import type { ReadableTable } from "../tables/stored-table.ts";
import { type AnonymiseRule, isList, isOfNumbers } from "./anonymise-rules.ts";
import { Originals } from "./originals.ts";
import { cut, pseudonym } from "./pseudonym.ts";

/** Of one row and one word each, to be looked for in pairs. */
const mostNames = 4;

// oxlint-disable-next-line no-control-regex -- all of ASCII
const isAscii = /^[\x00-\x7f]*$/;

const isSerialised = /(?:^|[;{])s:\d+:"/;

type FieldRules = Pick<DatabaseEngine, "textOf" | "readable" | "lineField">;

/**
 * Rows without whom they are about. What it was given it remembers by hashes, so that what came of it can be searched for
 * anything that is left.
 */
export class Anonymiser {
  readonly #rules: readonly AnonymiseRule[];
  readonly #fields: FieldRules;
  readonly #secret: Buffer;
  readonly #originals = new Originals();

  constructor(rules: readonly AnonymiseRule[], fields: FieldRules, secret: Buffer) {
    this.#rules = rules;
    this.#fields = fields;
    this.#secret = secret;
  }

  /** Reads what is to go of a table: before any row is changed, since one table's texts name another's people. */
  async learn(
    database: string,
    table: TableSchema,
    open: () => Promise<ReadableTable>,
    signal: AbortSignal,
  ): Promise<void> {
    const learn = this.#learnerOf(database, table);
    if (!learn) return;
    for await (const { lines, release } of (await open()).rows({}, signal)) {
      const text = lines.toString("latin1");
      release?.();
      for (const line of text.split("\n").slice(0, -1)) learn(line);
    }
  }

  /** `undefined`: nothing of this table goes. */
  #learnerOf(database: string, table: TableSchema): ((line: string) => void) | undefined {
    const columns = [...this.#columnsOf(database, table)].filter(([, { kind }]) => kind !== "mentions");
    if (columns.length === 0) return undefined;
    return (line) => {
      const fields = line.split("\t");
      const names: string[] = [];
      for (const [at, { kind, nobody }] of columns) {
        const column = table.columns[at];
        const text = column && this.#textOf(fields[at] ?? "\\N", column);
        if (text === undefined || text === null || nobody?.includes(text)) continue;
        if (kind === "name" && !/\s/.test(text.trim())) names.push(text.trim());
        this.#originals.add(kind, text);
      }
      // First and last name stand in texts as one, the one or the other before.
      const some = names.slice(0, mostNames);
      for (const [at, one] of some.entries()) {
        for (const other of some.toSpliced(at, 1)) this.#originals.add("name", `${one} ${other}`);
      }
    };
  }

  /** `undefined`: nothing of this table is anonymised. */
  lineOf(database: string, table: TableSchema): ((line: string) => string) | undefined {
    const columns = this.#columnsOf(database, table);
    if (columns.size === 0) return undefined;
    const inAscii = new Set([...columns.keys()].filter((at) => !this.#holdsAnySign(table.columns[at])));
    return (line) => {
      const fields = line.split("\t");
      for (const [at, { kind, nobody, type }] of columns) {
        const column = table.columns[at];
        const text = column && this.#textOf(fields[at] ?? "\\N", column);
        if (!column || text === undefined || text === null) continue;
        if (nobody?.includes(text)) {
          this.#originals.addMade(text);
          continue;
        }
        if (kind === "mentions") {
          const most = widthOf(type ?? column.type);
          const made = this.#withoutMentions(text, most);
          if (made === text) continue;
          const written = inAscii.has(at) && !isAscii.test(made) ? this.#madeText(text, most) : made;
          fields[at] = this.#fields.lineField(written, column);
          continue;
        }
        let made = this.#made(kind, text, type ?? column.type);
        // As of another text, in letters that any character set has.
        if (made !== undefined && inAscii.has(at) && !isAscii.test(made))
          made = this.#made(kind, Buffer.from(text).toString("hex"), type ?? column.type);
        const field = this.#fieldOf(made, column);
        fields[at] = field;
        this.#originals.addMade(this.#checkedOf(field, column) ?? "");
      }
      return fields.join("\t");
    };
  }

  table<T extends ReadableTable>(database: string, table: T): T {
    const lineOf = this.lineOf(database, table.table);
    if (!lineOf) return table;
    const changed = async function* (batches: AsyncIterable<RowBatch>): AsyncGenerator<RowBatch, void> {
      for await (const { lines, release, rows } of batches) {
        const text = lines.toString("latin1");
        release?.();
        const made = text.split("\n").slice(0, -1).map(lineOf);
        yield { lines: Buffer.from(made.map((line) => `${line}\n`).join(""), "latin1"), rows };
      }
    };
    return { ...table, rows: (range, signal) => changed(table.rows(range, signal)) };
  }

  /** Columns of a row in which something is left of what was to go. */
  leaksIn(database: string, table: TableSchema): (line: string) => readonly ColumnSchema[] {
    const columns = this.#columnsOf(database, table);
    const kept = new Set(
      this.#rulesOf(database, table)
        .filter(({ kind }) => kind === "keep")
        .map(({ column }) => column),
    );
    return (line) => {
      const fields = line.split("\t");
      return table.columns.filter((column, at) => {
        if (kept.has(column.name)) return false;
        const text = this.#checkedOf(fields[at] ?? "\\N", column);
        if (text === undefined) return false;
        const kind = columns.get(at)?.kind;
        if (kind === undefined) return !isOfNumbers(column.type) && this.#originals.isIn(text);
        if (kind === "mentions") return this.#originals.isNamedIn(text);
        return !this.#originals.isMade(text);
      });
    };
  }

  #rulesOf(database: string, { schema, name }: TableSchema): readonly AnonymiseRule[] {
    return this.#rules.filter((one) => one.database === database && one.schema === schema && one.table === name);
  }

  #columnsOf(database: string, table: TableSchema): ReadonlyMap<number, AnonymiseRule> {
    const rules = this.#rulesOf(database, table).filter(({ kind }) => kind !== "keep");
    return new Map(rules.map((rule) => [table.columns.findIndex(({ name }) => name === rule.column), rule]));
  }

  /** A number stays one that its column has room for. */
  #made(kind: Exclude<AnonymiseRule["kind"], "mentions">, text: string, type: string): string | undefined {
    const digits = /^-?(\d+)(?:\.\d+)?$/.exec(text)?.[1]?.length;
    if (digits === undefined || !isOfNumbers(type) || (kind !== "phone" && kind !== "code")) {
      return pseudonym(kind, text, this.#secret, widthOf(type));
    }
    const made = pseudonym("phone", text, this.#secret);
    return digits >= (/big/i.test(type) ? 19 : 10) && !/numeric|decimal/i.test(type) ? made?.replace(/\d/, "1") : made;
  }

  /** PHP counts the bytes of each text that it serialises: such a one goes as a whole. */
  #withoutMentions(text: string, most: number): string {
    const made = this.#originals.replaced(text, (kind, part) => pseudonym(kind, part, this.#secret) ?? "");
    if (made === text) return text;
    return isSerialised.test(text) ? this.#madeText(text, most) : cut(made, most);
  }

  #madeText(text: string, most: number): string {
    return pseudonym("text", text, this.#secret, most) ?? "";
  }

  /** Not so a text of a server in another character set than UTF-8. */
  #holdsAnySign(column: ColumnSchema | undefined): boolean {
    const sign = "🙂";
    return column !== undefined && this.#fields.textOf(this.#fields.lineField(sign, column), column) === sign;
  }

  /**
   * What of a value can be compared with what was put there: a time may be written in another way. CRMs keep texts in columns of
   * binary data as well, serialised objects mostly.
   */
  #checkedOf(field: string, column: ColumnSchema): string | undefined {
    const text = this.#fields.textOf(field, column);
    if (text !== undefined || field === "\\N") return text;
    const shown = this.#fields.readable(field, column) ?? undefined;
    if (isList(column.type) || isOfNumbers(column.type)) return shown;
    const bytes = shown?.startsWith("x'") === true ? Buffer.from(shown.slice(2, -1), "hex") : undefined;
    return bytes && isUtf8(bytes) ? bytes.toString("utf8") : undefined;
  }

  #textOf(field: string, column: ColumnSchema): string | null {
    return this.#fields.textOf(field, column) ?? this.#fields.readable(field, column);
  }

  #fieldOf(text: string | undefined, column: ColumnSchema): string {
    if (text === undefined) return this.#fields.lineField(column.nullable ? null : nothingOf(column.type), column);
    return this.#fields.lineField(/json/i.test(column.type) ? JSON.stringify(text) : text, column);
  }
}

/** What stands for nothing where a column may not be without a value. */
function nothingOf(type: string): string {
  if (isList(type) || /json/i.test(type)) return "{}";
  if (/^(?:date|timestamp)/i.test(type)) return "1970-01-01";
  return isOfNumbers(type) || /^(?:(?:small|medium|tiny)int|real|float|double|bool)/i.test(type) ? "0" : "";
}

/** `varchar(40)`, `character varying(40)`: 40 */
function widthOf(type: string): number {
  const width = /char[a-z ]*\((\d+)\)/i.exec(type)?.[1];
  if (width !== undefined) return Number(width);
  return /^tinytext/i.test(type) ? 63 : Infinity;
}
