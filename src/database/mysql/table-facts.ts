import type { TableFacts } from "../row-transaction.ts";
import { quoteName } from "./identifier.ts";
import { isTransactional } from "./inspect.ts";
import type { Session } from "./session.ts";

export interface MysqlFacts extends TableFacts {
  /** Columns that the server computes, and by what, in their order: one may be computed of those before it. */
  readonly generated: readonly { readonly name: string; readonly by: string }[];
}

/** Of each table of the database. */
export async function readFacts(session: Session): Promise<ReadonlyMap<string, MysqlFacts>> {
  const tables = await session.query(
    "SELECT TABLE_NAME, IFNULL(ENGINE,'') FROM information_schema.TABLES WHERE TABLE_SCHEMA=DATABASE()",
  );
  const parts = await session.query(
    "SELECT TABLE_NAME, INDEX_NAME, COLUMN_NAME, SUB_PART FROM information_schema.STATISTICS " +
      "WHERE TABLE_SCHEMA=DATABASE() AND NON_UNIQUE=0 ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX",
  );
  const columns = await session.query(
    "SELECT TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, CHARACTER_SET_NAME, COLLATION_NAME, IFNULL(GENERATION_EXPRESSION,'') " +
      "FROM information_schema.COLUMNS WHERE TABLE_SCHEMA=DATABASE() ORDER BY TABLE_NAME, ORDINAL_POSITION",
  );
  const required = await session.query(
    "SELECT TABLE_NAME, COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA=DATABASE() AND IS_NULLABLE='NO' " +
      "AND COLUMN_DEFAULT IS NULL AND EXTRA NOT LIKE '%auto_increment%' AND IFNULL(GENERATION_EXPRESSION,'')=''",
  );
  const triggers = await session.query(
    "SELECT EVENT_OBJECT_TABLE, TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA=DATABASE() ORDER BY TRIGGER_NAME",
  );
  const [partsOf, columnsOf] = [parts, columns].map((rows) => Map.groupBy(rows, ([table]) => table));
  const ofTable = (rows: readonly (readonly (string | null)[])[], table: string | null | undefined) =>
    rows.filter(([name]) => name === table).map(([, value]) => value ?? "");
  return new Map(
    tables.map(([name = null, engine]) => {
      const own = (columnsOf?.get(name) ?? []).map((row) => columnFacts(row, session.server.flavour));
      const indexes = Map.groupBy(partsOf?.get(name) ?? [], ([, index]) => index);
      const facts: MysqlFacts = {
        unique: [...indexes.values()].flatMap((index) => uniqueIndex(index, own) ?? []),
        required: ofTable(required, name),
        triggers: ofTable(triggers, name).map((trigger) => ({ name: trigger, how: "fires" })),
        transactional: isTransactional(engine ?? "") ? "yes" : "no",
        generated: own.flatMap((column) => (column.by === "" ? [] : [{ name: column.name, by: column.by }])),
      };
      return [name ?? "", facts];
    }),
  );
}

interface ColumnFacts {
  readonly name: string;
  readonly type: string;
  /** Empty: it is stored as it is given. */
  readonly by: string;
}

function columnFacts(
  [, name, type, charset, collation, by]: readonly (string | null)[],
  flavour: Session["server"]["flavour"],
): ColumnFacts {
  const text = charset === null || charset === undefined ? "" : ` character set ${charset} collate ${collation}`;
  // MySQL tells the texts in it as they would stand in another text.
  const expression = flavour === "mysql" ? (by ?? "").replaceAll("\\'", "'") : (by ?? "");
  return { name: name ?? "", type: `${type}${text}`, by: expression };
}

/** `undefined`: what it is over is not told. */
function uniqueIndex(
  index: readonly (readonly (string | null)[])[],
  columns: readonly ColumnFacts[],
): MysqlFacts["unique"][number] | undefined {
  const parts = index.flatMap(([, , name, length]) => {
    const column = columns.find((one) => one.name === name);
    return column ? [{ column, length: length ?? null }] : [];
  });
  if (parts.length < index.length) return undefined;
  const names = parts.map(({ column }) => column.name);
  if (parts.every(({ column, length }) => column.by === "" && length === null)) return { columns: names };
  const by = parts.map(({ column: { name, type }, length }) => ({
    name: length === null ? quoteName(name) : `LEFT(${quoteName(name)},${length})`,
    type,
  }));
  return { columns: names, computed: { by, uses: parts.flatMap(({ column }) => usedBy(column, columns)) } };
}

function usedBy({ name, by }: ColumnFacts, columns: readonly ColumnFacts[]): readonly string[] {
  if (by === "") return [name];
  return columns.filter((one) => by.includes(quoteName(one.name))).flatMap((one) => usedBy(one, columns));
}
