import type { DatabaseSchema, TableSchema } from "../database.ts";
import { inParts } from "../in-parts.ts";
import type { PostgresConnection } from "./connection.ts";
import { quoteName, quoteText } from "./identifier.ts";

/**
 * Large objects are kept as rows of a table: number, place of a page, its bytes. An object without bytes has one page
 * without bytes. It is the one table of `pg_catalog` in a snapshot, and none that could be loaded by itself.
 */
const table: TableSchema = {
  schema: "pg_catalog",
  name: "pg_largeobject",
  columns: [
    { name: "loid", type: "oid", nullable: false },
    { name: "pageno", type: "bigint", nullable: false },
    { name: "data", type: "bytea", nullable: false },
  ],
  keyLength: 2,
  foreignKeys: [],
  fingerprint: "large-objects-1",
};

const pageBytes = 256 * 1024;

export function isLargeObjects({ schema, name }: TableSchema): boolean {
  return schema === table.schema && name === table.name;
}

/** The table where there are large objects; those that this user may not read are named. */
export async function largeObjectTable(
  connection: PostgresConnection,
): Promise<Pick<DatabaseSchema, "tables" | "uncovered">> {
  const readable = `(current_setting('is_superuser') = 'on' OR pg_has_role(m.lomowner, 'USAGE')
    OR EXISTS (SELECT FROM aclexplode(m.lomacl) AS g WHERE g.privilege_type = 'SELECT'
      AND (g.grantee = 0 OR pg_has_role(g.grantee, 'USAGE'))))`;
  const [row = []] = await connection.rows(
    `SELECT count(*), count(*) FILTER (WHERE NOT ${readable}), min(m.oid) FILTER (WHERE NOT ${readable})
     FROM pg_largeobject_metadata m`,
  );
  if (row[0] === "0") return { tables: [], uncovered: [] };
  const refused = Number(row[1]);
  return {
    tables: [table],
    uncovered:
      refused === 0 ? [] : [{ subject: `large object ${row[2] ?? ""} (${refused})`, reason: "large-object-rights" }],
  };
}

/** All pages in order, as COPY takes a query. Objects are looked at one by one: none is held in memory whole. */
export const largeObjectQuery = `
  SELECT m.oid, p.number, lo_get(m.oid, p.number * ${pageBytes}, ${pageBytes})
  FROM (SELECT oid, lo_lseek64(lo_open(oid, 262144), 0, 2) AS size FROM pg_largeobject_metadata ORDER BY oid) AS m
  CROSS JOIN LATERAL generate_series(0, greatest((m.size - 1) / ${pageBytes}, 0)) AS p(number)
  ORDER BY m.oid, p.number`;

/** Makes the objects from rows that lie in a table of the same columns. */
export function largeObjectsFrom(rows: string): readonly string[] {
  return [
    `SELECT count(lo_create(loid)) FROM (SELECT DISTINCT loid FROM ${rows}) AS objects`,
    `SELECT count(*) FROM (SELECT lo_put(loid, pageno * ${pageBytes}, data) FROM ${rows}) AS pages`,
  ];
}

/** What a table for such rows is made of. */
export const largeObjectColumns = "loid oid, pageno bigint, data bytea";

/**
 * Owners and rights of large objects, of which there may be a hundred thousand: where all belong to one, a statement for all of them, else
 * one for some thousands that are treated alike.
 */
export async function largeObjectGrants(connection: PostgresConnection): Promise<readonly string[]> {
  const owners = await connection.rows(
    `SELECT pg_get_userbyid(lomowner), lomowner <> 10, ${parts("oid")} FROM pg_largeobject_metadata GROUP BY lomowner`,
  );
  const give = (list: string, owner: string): string =>
    `DO ${quoteText(
      `DECLARE o oid; BEGIN FOR o IN ${list} LOOP EXECUTE format(${quoteText(`ALTER LARGE OBJECT %s OWNER TO ${quoteName(owner)}`)}, o); END LOOP; END`,
    )}`;
  const given = owners.flatMap(([owner, isGiven, list]) => {
    if (isGiven !== "t") return [];
    if (owners.length === 1) return [give("SELECT oid FROM pg_largeobject_metadata", owner ?? "")];
    return inPartsOf(list).map((some) => give(`SELECT unnest(${quoteText(`{${some}}`)}::oid[])`, owner ?? ""));
  });
  const rights = await connection.rows(
    `SELECT g.privilege_type, quote_ident(pg_get_userbyid(g.grantee)), g.grantee = 0, g.is_grantable, ${parts("m.oid")}
     FROM pg_largeobject_metadata m CROSS JOIN LATERAL aclexplode(m.lomacl) AS g WHERE g.grantee <> m.lomowner GROUP BY 1, 2, 3, 4 ORDER BY 1, 2`,
  );
  return [
    ...given,
    ...rights.flatMap(([right, role, isPublic, option, list]) =>
      inPartsOf(list).map(
        (some) =>
          `GRANT ${right} ON LARGE OBJECT ${some} TO ${isPublic === "t" ? "PUBLIC" : role}${option === "t" ? " WITH GRANT OPTION" : ""}`,
      ),
    ),
  ];
}

const parts = (oid: string): string => `string_agg(${oid}::text, ',' ORDER BY ${oid})`;

function inPartsOf(list: string | null | undefined): readonly string[] {
  const numbers = (list ?? "").split(",").filter((one) => one !== "");
  return Array.from(inParts(numbers, 5000), (some) => some.join(","));
}

/** What somebody wrote beside large objects. */
export async function largeObjectComments(connection: PostgresConnection): Promise<readonly string[]> {
  const rows = await connection.rows(
    `SELECT format('COMMENT ON LARGE OBJECT %s IS %L', d.objoid, d.description) FROM pg_description d
     JOIN pg_largeobject_metadata m ON m.oid = d.objoid WHERE d.classoid = 'pg_largeobject'::regclass ORDER BY d.objoid`,
  );
  return rows.map(([statement]) => statement ?? "");
}
