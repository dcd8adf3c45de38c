import type { DatabaseAddress, DatabaseEngine, TableSchema } from "../../src/database/database.ts";
import { mysqlEngine } from "../../src/database/mysql/mysql.ts";

const { signal } = new AbortController();

/**
 * A MariaDB database copied to PostgreSQL with keys, unique indexes and foreign keys, as Dolibarr itself would have made it
 * there: its demo data exists for MariaDB alone.
 */
export async function copyToPostgres(
  from: DatabaseAddress,
  to: DatabaseAddress,
  postgres: DatabaseEngine,
  sql: (script: string) => Promise<string>,
): Promise<void> {
  await using source = await mysqlEngine.connect(from, { signal });
  await using snapshot = await source.snapshot(signal);
  const tables = snapshot.schema.tables.filter(({ keyLength }) => keyLength > 0);
  await sql(tables.map(createTable).join("\n"));
  await postgres.rows(to, "change", signal, async (rows) => {
    for (const table of tables) {
      const target = rows.tables.find(({ name }) => name === table.name);
      if (!target) throw new Error(`${table.name} was not made`);
      const lines: string[] = [];
      for await (const batch of snapshot.reader(table).read({}, signal)) {
        for (const line of batch.lines.toString("latin1").split("\n").slice(0, -1))
          lines.push(asPostgres(line, table, target, postgres));
      }
      const order = target.columns.map(({ name }) => table.columns.findIndex((column) => column.name === name));
      const placed = lines.map((line) => {
        const fields = line.split("\t");
        return order.map((at) => fields[at] ?? "").join("\t");
      });
      if (placed.length > 0) await rows.insert(target, target.columns, placed);
    }
  });
  await sql(tables.flatMap((table) => foreignKeys(table, tables)).join("\n"));
}

function asPostgres(line: string, table: TableSchema, target: TableSchema, postgres: DatabaseEngine): string {
  return line
    .split("\t")
    .map((field, at) => {
      const column = table.columns[at];
      const made = target.columns.find(({ name }) => name === column?.name);
      if (!column || !made) throw new Error(table.name);
      const text = mysqlEngine.readable(field, column);
      const noDate = text?.startsWith("0000-00-00") === true;
      return postgres.lineField(noDate ? null : text, made);
    })
    .join("\t");
}

function createTable({ name, columns, keyLength }: TableSchema): string {
  const lines = columns.map(({ name: column, type, nullable }, at) => {
    const [only = ""] = columns.slice(0, keyLength).map((key) => key.name);
    const serial = keyLength === 1 && only === column && /^(?:int|bigint|mediumint)/.test(type);
    const made = postgresType(type);
    const notNull = at < keyLength || (!nullable && !/timestamp|date/.test(made));
    return `"${column}" ${serial ? "SERIAL" : made}${notNull ? " NOT NULL" : ""}`;
  });
  const key = columns.slice(0, keyLength).map((column) => `"${column.name}"`);
  return `CREATE TABLE "${name}" (${lines.join(", ")}, PRIMARY KEY (${key.join(", ")}));`;
}

function postgresType(type: string): string {
  const [word = ""] = /^\w+/.exec(type) ?? [];
  const size = /^\w+(\([\d,]+\))/.exec(type)?.[1] ?? "";
  if (/^(?:tinyint|smallint)$/.test(word)) return "smallint";
  if (/^(?:int|mediumint)$/.test(word)) return type.includes("unsigned") ? "bigint" : "integer";
  if (word === "bigint") return "bigint";
  if (word === "varchar" || word === "char") return `varchar${size}`;
  if (word === "double" || word === "float") return "double precision";
  if (word === "decimal") return `numeric${size}`;
  if (word === "datetime" || word === "timestamp") return "timestamp";
  if (word === "date" || word === "time") return word;
  return /blob|binary/.test(word) ? "bytea" : "text";
}

function foreignKeys(
  { name, foreignKeys: keys, columns }: TableSchema,
  all: readonly TableSchema[],
): readonly string[] {
  const quoted = (names: readonly string[]) => names.map((one) => `"${one}"`).join(", ");
  return keys.flatMap(({ columns: own, table, referenced }) => {
    const parent = all.find((one) => one.name === table);
    // MariaDB lets a foreign key name columns that are merely indexed.
    const isKey =
      parent &&
      parent.columns
        .slice(0, parent.keyLength)
        .map((one) => one.name)
        .join() === referenced.join();
    const known = isKey && own.every((column) => columns.some((one) => one.name === column));
    return known
      ? [`ALTER TABLE "${name}" ADD FOREIGN KEY (${quoted(own)}) REFERENCES "${table}" (${quoted(referenced)});`]
      : [];
  });
}
