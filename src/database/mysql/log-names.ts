import type { TableSchema } from "../database.ts";
import type { Session } from "./session.ts";
import { type TableInDatabase, touches } from "./statement-tables.ts";

/** What statements and rows are about, as the server compares names: on some, those of tables and databases do not depend on case. */
export class LogNames {
  readonly #database: string;
  readonly #called: (name: string) => string;

  private constructor(database: string, called: (name: string) => string) {
    this.#database = called(database);
    this.#called = called;
  }

  /** `database`: the one that is followed. */
  static async of(session: Session, database: string): Promise<LogNames> {
    const [row] = await session.query("SELECT @@lower_case_table_names");
    return new LogNames(database, row?.[0] === "0" ? (name) => name : (name) => name.toLowerCase());
  }

  equal(one: string, other: string): boolean {
    return one === other || this.#called(one) === this.#called(other);
  }

  isOurs(database: string): boolean {
    return this.#called(database) === this.#database;
  }

  /** One of that name elsewhere, in a copy of the CRM say, is another one. */
  is({ name }: TableSchema, { database, table }: TableInDatabase): boolean {
    return this.isOurs(database) && this.equal(table, name);
  }

  /** Whether a definition may be of ours. `current`: where whoever typed it was. */
  isAbout(text: string, current: string): boolean {
    return this.isOurs(current) || this.#called(text).includes(this.#database);
  }

  /** Whether a statement may write rows of ours. */
  writes(text: string, current: string): boolean {
    return touches(this.#called(text), this.#called(current), this.#database);
  }
}
