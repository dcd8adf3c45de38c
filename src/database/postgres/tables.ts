import { createHash } from "node:crypto";

import type { ColumnSchema, ForeignKey, TableSchema } from "../database.ts";
import type { PostgresConnection, Row } from "./connection.ts";

/** Raised when lines come out differently for equal rows: then no run may lie on an older base. */
const lineFormat = 1;

/** Relations that are the database's own: not the system's, no session's, no extension's. */
export const ownRelation = `
  n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)' AND c.relpersistence <> 't'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')`;

export interface CatalogTable {
  readonly oid: string;
  readonly table: TableSchema;
}

/** Tables that hold rows, leaves of partitioned ones among them, in the order of their creation. */
export async function readTables(connection: PostgresConnection): Promise<readonly CatalogTable[]> {
  const relations = await connection.rows(
    `SELECT c.oid, n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind = 'r' AND ${ownRelation} ORDER BY c.oid`,
  );
  const oids = `{${relations.map(([oid]) => oid).join(",")}}`;
  const columns = Map.groupBy(await readColumns(connection, oids), ([table]) => table);
  const keys = Map.groupBy(await readKeys(connection, oids), ([table]) => table);
  const foreign = Map.groupBy(await readForeignKeys(connection, oids), ([table]) => table);
  return relations.map(([oid = null, schema, name]) => ({
    oid: oid ?? "",
    table: tableOf(
      { schema: schema ?? "", name: name ?? "", encoding: connection.serverEncoding },
      columns.get(oid) ?? [],
      keys.get(oid) ?? [],
      (foreign.get(oid) ?? []).map(foreignKey),
    ),
  }));
}

function readColumns(connection: PostgresConnection, oids: string): Promise<readonly Row[]> {
  return connection.rows(
    `SELECT a.attrelid, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attgenerated,
       coalesce(CASE WHEN a.attcollation <> t.typcollation THEN a.attcollation::regcollation::text END, '')
     FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
     WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum`,
    [oids],
  );
}

/** Unique indexes that hold for every row at every moment, best first. */
function readKeys(connection: PostgresConnection, oids: string): Promise<readonly Row[]> {
  return connection.rows(
    `SELECT i.indrelid, i.indisprimary, (i.indkey::int2[])[0:i.indnkeyatts - 1]
     FROM pg_index i
     WHERE i.indrelid = ANY ($1::oid[]) AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL
       AND i.indexprs IS NULL
     ORDER BY i.indrelid, i.indisprimary DESC, i.indnkeyatts, i.indexrelid`,
    [oids],
  );
}

function readForeignKeys(connection: PostgresConnection, oids: string): Promise<readonly Row[]> {
  const names = (table: string, numbers: string) =>
    `(SELECT json_agg(a.attname ORDER BY k.place) FROM unnest(${numbers}) WITH ORDINALITY AS k(number, place)
      JOIN pg_attribute a ON a.attrelid = ${table} AND a.attnum = k.number)`;
  return connection.rows(
    `SELECT o.conrelid, ${names("o.conrelid", "o.conkey")}, n.nspname, c.relname, ${names("o.confrelid", "o.confkey")},
       CASE WHEN u.confrelid <> o.confrelid THEN pg_partition_root(o.confrelid)::regclass::text END
     FROM pg_constraint o LEFT JOIN pg_constraint u ON u.oid = o.conparentid JOIN pg_class c ON c.oid = o.confrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE o.contype = 'f' AND o.conrelid = ANY ($1::oid[]) ORDER BY o.conrelid, o.oid`,
    [oids],
  );
}

function foreignKey([, columns, schema, table, referenced, partitioned]: Row): ForeignKey {
  return {
    columns: JSON.parse(columns ?? "[]") as string[],
    table: table ?? "",
    tableSchema: schema ?? "",
    referenced: JSON.parse(referenced ?? "[]") as string[],
    ...(typeof partitioned === "string" && { partitioned }),
  };
}

interface NumberedColumn extends ColumnSchema {
  readonly number: string;
  readonly collation: string;
}

function tableOf(
  { schema, name, encoding }: { readonly schema: string; readonly name: string; readonly encoding: string },
  rows: readonly Row[],
  keys: readonly Row[],
  foreignKeys: readonly ForeignKey[],
): TableSchema {
  // What the database computes it computes again.
  const stored = rows
    .filter(([, , , , , generated]) => generated === "")
    .map(([, number, column, type, notNull, , collation]): NumberedColumn => ({
      number: number ?? "",
      name: column ?? "",
      type: type ?? "",
      nullable: notNull === "f",
      collation: collation ?? "",
    }));
  const choice = chooseKey(stored, keys);
  const ordered = [...choice.key, ...stored.filter((column) => !choice.key.includes(column))];
  const fingerprint = createHash("sha256")
    .update(
      JSON.stringify([
        lineFormat,
        encoding,
        choice.key.length,
        ordered.map((one) => [one.name, one.type, one.collation]),
      ]),
    )
    .digest("hex");
  return {
    schema,
    name,
    columns: ordered.map(({ name: column, type, nullable }) => ({ name: column, type, nullable })),
    keyLength: choice.key.length,
    ...(choice.because && { unkeyedBecause: choice.because }),
    foreignKeys,
    fingerprint: fingerprint.slice(0, 32),
  };
}

/** Floating point is no key: two values that are equal may be written differently. */
const inexact = /^(real|double precision)/;

function chooseKey(
  columns: readonly NumberedColumn[],
  keys: readonly Row[],
): { readonly key: readonly NumberedColumn[]; readonly because?: NonNullable<TableSchema["unkeyedBecause"]> } {
  let because: NonNullable<TableSchema["unkeyedBecause"]> = "no-key";
  for (const [, , numbers] of keys) {
    const list = (numbers ?? "").replaceAll(/\[[^\]]*\]=|[{}]/g, "").split(",");
    const key = list.flatMap((number) => columns.find((column) => column.number === number) ?? []);
    if (key.length < list.length) continue;
    if (key.some(({ nullable }) => nullable)) because = "nullable-key";
    else if (key.some(({ type }) => inexact.test(type))) because = "real-key";
    else return { key };
  }
  return { key: [], because };
}
