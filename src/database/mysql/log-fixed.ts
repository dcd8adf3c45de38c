import type { ColumnSchema, TableSchema } from "../database.ts";
import { quoteName } from "./identifier.ts";
import type { LogField } from "./log-values.ts";
import type { Session } from "./session.ts";

/** MariaDB's types of a fixed number of bytes, which its log has as its tables keep them: without the zeros at their end. */
const fixed: Readonly<Record<string, (bytes: Buffer) => LogField>> = {
  uuid: (bytes) => uuidText(filled(bytes, 16)),
  inet4: (bytes) => filled(bytes, 4).join("."),
  // Which zeros it leaves out only the server knows.
  inet6: (bytes) => ({ sql: `INET6_NTOA(X'${filled(bytes, 16).toString("hex")}')` }),
};

/** The field of such a column; `undefined`: it is another one. */
export function fixedField(bytes: Buffer, { type }: ColumnSchema): LogField | undefined {
  return Object.hasOwn(fixed, type) ? fixed[type]?.(bytes) : undefined;
}

function filled(bytes: Buffer, length: number): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(length - bytes.length)]);
}

/** Those of the versions 1 to 5 are kept back to front, so that what was made at one time lies together. */
function uuidText(kept: Buffer): string {
  const isTurned = ((kept[6] ?? 0) & -(kept[8] ?? 0) & 0x80) !== 0;
  const parts = isTurned
    ? [kept.subarray(12), kept.subarray(10, 12), kept.subarray(8, 10), kept.subarray(6, 8), kept.subarray(0, 6)]
    : [kept.subarray(0, 4), kept.subarray(4, 6), kept.subarray(6, 8), kept.subarray(8, 10), kept.subarray(10)];
  return parts.map((part) => part.toString("hex")).join("-");
}

/** So many are asked for in one statement. */
const mostColumns = 200;

/**
 * Tables whose UUIDs are not kept as said. In one that was made by MariaDB before 10.11.5 all are kept back to front, and its definition is
 * the same to the letter: but there these two come in another order.
 */
export async function tablesOfOldUuids(
  session: Session,
  tables: readonly TableSchema[],
): Promise<ReadonlySet<TableSchema>> {
  const [first, second] = ["01000000-0000-7000-8000-000000000001", "02000000-0000-7000-8000-000000000000"];
  const columns = tables.flatMap((table) =>
    table.columns.flatMap(({ name, type }) => (type === "uuid" ? [{ table, name }] : [])),
  );
  const old = new Set<TableSchema>();
  for (let from = 0; from < columns.length; from += mostColumns) {
    const part = columns.slice(from, from + mostColumns);
    const asked = part.map(({ table, name }) => {
      const own = `SELECT ${quoteName(name)} AS id FROM ${quoteName(table.name)} WHERE FALSE`;
      return `(SELECT id FROM (${own} UNION ALL SELECT '${second}' UNION ALL SELECT '${first}') AS ids ORDER BY id LIMIT 1)`;
    });
    const [row] = await session.query(`SELECT ${asked.join(",")}`);
    for (const [at, { table }] of part.entries()) if (row?.[at] !== first) old.add(table);
  }
  return old;
}
