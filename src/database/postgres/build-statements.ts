import type { DatabaseSchema } from "../database.ts";
import { quoteQualified } from "./identifier.ts";

const name = String.raw`(?:"(?:[^"]|"")+"|[a-z_][a-z0-9_$]*)`;
const qualified = `(${name})\\.(${name})`;
const index = new RegExp(`^CREATE (?:UNIQUE )?INDEX ${name} ON (?:ONLY )?${qualified} `);
const key = new RegExp(`^ALTER TABLE (?:ONLY )?${qualified}\\s+ADD CONSTRAINT ${name} (?:PRIMARY KEY|UNIQUE) `);
const plainKey = new RegExp(
  `^ALTER TABLE (?:ONLY )?${qualified}\\s+ADD CONSTRAINT (${name}) (PRIMARY KEY|UNIQUE) (\\(${name}(?:, ${name})*\\))$`,
);
const foreignKey = new RegExp(
  `^ALTER TABLE ONLY ${qualified}\\s+ADD CONSTRAINT (${name}) FOREIGN KEY \\(${name}(?:, ${name})*\\) REFERENCES ${qualified}\\(`,
);
/** One that says so is never checked. */
const unchecked = / NOT (?:VALID|ENFORCED)$/;

/** A statement, and what it takes hold of: tables as `quoteQualified` writes them. */
export interface Building {
  readonly sql: string;
  readonly alone: readonly string[];
  readonly shared: readonly string[];
  /** Of a key, the same in two statements, of which only the second takes hold of the table, and takes no time. */
  readonly apart?: { readonly index: string; readonly key: string };
}

/** Statements that come after the rows. */
export interface AfterRows {
  /** Each builds an index of a table that has rows, and needs nothing but them. */
  readonly indexes: readonly Building[];
  /** All others in their order, of which those of one group need nothing of each other. */
  readonly rest: readonly (readonly Building[])[];
}

/** Sorts the statements by what they need, as far as they are written as PostgreSQL and pg_dump write them. */
export function buildStatements({
  before,
  after,
  tables,
}: Pick<DatabaseSchema, "before" | "after" | "tables">): AfterRows {
  const withRows = new Set(tables.map(quoteQualified));
  // What is done to a partitioned table takes hold of tables that it does not name.
  const isPartitioned = before.some((sql) => /\bPARTITION (BY|OF)\b|\bATTACH PARTITION\b/.test(sql));
  const indexes: Building[] = [];
  const rest: Building[][] = [];
  let checks: Building[] = [];
  const endKeys = (): void => {
    if (checks.length > 0) rest.push(checks);
    checks = [];
  };
  for (const sql of after) {
    const built = indexOf(sql);
    if (built && [...built.alone, ...built.shared].every((table) => withRows.has(table))) {
      indexes.push(built);
      continue;
    }
    const check = isPartitioned || unchecked.test(sql) ? undefined : checkOf(sql);
    if (!check) endKeys();
    rest.push([{ sql: check ? `${sql} NOT VALID` : sql, alone: [], shared: [] }]);
    if (check) checks.push(check);
  }
  endKeys();
  return { indexes, rest };
}

/** A key locks its table against readers, an index only against writers. */
function indexOf(sql: string): Building | undefined {
  const plain = tableIn(index.exec(sql), 1);
  if (plain !== undefined) return { sql, alone: [], shared: [plain] };
  const keyed = tableIn(key.exec(sql), 1);
  if (keyed === undefined) return undefined;
  const [, , , constraint, kind, columns] = plainKey.exec(sql) ?? [];
  const apart = constraint !== undefined && {
    index: `CREATE UNIQUE INDEX ${constraint} ON ${keyed} USING btree ${columns}`,
    key: `ALTER TABLE ONLY ${keyed} ADD CONSTRAINT ${constraint} ${kind} USING INDEX ${constraint}`,
  };
  return { sql, alone: [keyed], shared: [], ...(apart && { apart }) };
}

/**
 * What checks the rows of a foreign key that was added without. The statement that adds one locks both tables, and most tables
 * of a CRM refer to the same few; this one lets others check against the same table meanwhile, and only those of its own
 * table wait.
 */
function checkOf(sql: string): Building | undefined {
  const match = foreignKey.exec(sql);
  const child = tableIn(match, 1);
  if (child === undefined) return undefined;
  return { sql: `ALTER TABLE ONLY ${child} VALIDATE CONSTRAINT ${match?.[3]}`, alone: [child], shared: [] };
}

function tableIn(match: RegExpExecArray | null, at: number): string | undefined {
  const [schema, table] = [match?.[at], match?.[at + 1]];
  return schema === undefined || table === undefined
    ? undefined
    : quoteQualified({ schema: unquoted(schema), name: unquoted(table) });
}

function unquoted(identifier: string): string {
  return identifier.startsWith('"') ? identifier.slice(1, -1).replaceAll('""', '"') : identifier;
}
