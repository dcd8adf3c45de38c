import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import * as fc from "fast-check";
import { captureDatabase, loadCaptured, postgres } from "../../../test/support/postgres-capture.ts";
import { type PostgresServer, startPostgres } from "../../../test/support/postgres-server.ts";
import { temporaryFolder } from "../../../test/support/temp-folder.ts";
import type { LoadedSums, TableSchema } from "../database.ts";
import { PostgresConnection } from "./connection.ts";
import { quoteText } from "./identifier.ts";
import { rowHash } from "./row-hash.ts";
import { loadedSums } from "./sums.ts";

const { signal } = new AbortController();

let server: PostgresServer;
before(async () => {
  server = await startPostgres();
});
after(() => server[Symbol.asyncDispose]());

/** Text that text formats lose: control characters, what looks like an escape, what needs two UTF-16 units. */
const text = fc.oneof(
  fc.constantFrom(
    "",
    " ",
    "\\",
    "\\N",
    "\\.",
    "\t",
    "\n",
    "\r",
    "\r\n",
    "\b\f\v\u0001\u001f\u007f",
    "a\\tb",
    "NULL",
    "'",
    '"',
    "''",
  ),
  fc.constantFrom("ß", "é", "e\u0301", "合同", "𝄞", "\u00a0", "\ufeff", "\u202e", "x".repeat(10_000)),
  fc.string({ unit: "binary", maxLength: 20 }).filter((value) => !value.includes("\0")),
  fc.string({ unit: "grapheme", maxLength: 20 }).filter((value) => !value.includes("\0")),
);
const json = fc.json({ maxDepth: 3 }).filter((value) => !value.includes("\\u0000") && value.isWellFormed());
const numbers = [
  "0",
  "-0",
  "1.10",
  "-1.1000",
  "1e-30",
  "NaN",
  "Infinity",
  "-Infinity",
  `${"9".repeat(200)}.${"1".repeat(60)}`,
  "0.00000000000000000001",
];
const floats = [
  "0",
  "-0",
  "NaN",
  "Infinity",
  "-Infinity",
  "1e-307",
  "4.9e-324",
  "1.7976931348623157e308",
  "0.1",
  "1e15",
  "123456789.123456789",
];
const stamps = [
  "epoch",
  "infinity",
  "-infinity",
  "4713-01-01 00:00:00 BC",
  "294276-12-31 23:59:59.999999",
  "2026-03-29 02:30:00.000001",
  "0001-01-01 00:00:00",
];
const dates = ["infinity", "-infinity", "4713-01-01 BC", "5874897-12-31", "2024-02-29", "0001-12-31 BC"];
const intervals = [
  "0",
  "178000000 years",
  "-178000000 years",
  "1 mon -1 day 00:00:00.000001",
  "-1 year 2 mons -3 days +04:05:06.7",
  "1 day -24:00:00",
];

/** A column for each built-in type and what a user can make of them, with values that go wrong elsewhere. */
const types: Readonly<Record<string, fc.Arbitrary<string>>> = {
  smallint: fc.integer({ min: -32768, max: 32767 }).map(String),
  integer: fc.integer().map(String),
  bigint: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
  numeric: fc.constantFrom(...numbers),
  "numeric(12,3)": fc.constantFrom("0", "-123456789.123", "NaN"),
  real: fc.constantFrom("0", "-0", "NaN", "Infinity", "1e-45", "3.4028235e38", "0.1", "16777217"),
  "double precision": fc.oneof(fc.constantFrom(...floats), fc.double({ noNaN: true }).map(String)),
  money: fc.constantFrom("-92233720368547758.08", "92233720368547758.07", "0.01"),
  boolean: fc.constantFrom("t", "f"),
  text,
  "character varying(30)": fc.string({ unit: "grapheme-ascii", maxLength: 30 }),
  "character(5)": fc.constantFrom("", "a", "ab  ", " a", "é é"),
  '"char"': fc.constantFrom("", "a", "\\"),
  name: fc.constantFrom("n", "Ä b"),
  bytea: fc.uint8Array({ maxLength: 40 }).map((bytes) => `\\x${Buffer.from(bytes).toString("hex")}`),
  date: fc.constantFrom(...dates),
  time: fc.constantFrom("00:00:00", "24:00:00", "23:59:59.999999"),
  "time with time zone": fc.constantFrom("00:00:00+15:59:59", "24:00:00-15:59", "12:00:00.5+05:30"),
  timestamp: fc.constantFrom(...stamps),
  "timestamp with time zone": fc.constantFrom(
    ...stamps.map((stamp) => (/\d/.test(stamp) ? stamp.replace(/(:\d\d(\.\d+)?)/, "$1") : stamp)),
  ),
  "timestamp(3)": fc.constantFrom("2026-01-01 00:00:00.999"),
  interval: fc.constantFrom(...intervals),
  uuid: fc.uuid(),
  json,
  jsonb: json,
  xml: fc.constantFrom("<a>\t&amp;</a>", "text only", '<?xml version="1.0"?><ä b="1"/>'),
  "bit(5)": fc.constantFrom("10101", "00000"),
  "bit varying": fc.constantFrom("", "1", "0".repeat(70)),
  inet: fc.constantFrom("192.168.0.1", "192.168.0.1/24", "::ffff:1.2.3.4/128", "fe80::1/64"),
  cidr: fc.constantFrom("10.0.0.0/8", "::/0"),
  macaddr: fc.constantFrom("08:00:2b:01:02:03"),
  macaddr8: fc.constantFrom("08:00:2b:01:02:03:04:05"),
  point: fc.constantFrom("(0,-0)", "(1e300,NaN)", "(Infinity,0.1)"),
  line: fc.constantFrom("{1,-1,0}"),
  lseg: fc.constantFrom("[(0,0),(1,1e-300)]"),
  box: fc.constantFrom("(2,2),(0,0)"),
  path: fc.constantFrom("[(0,0),(1,1)]", "((0,0),(1,0.1))"),
  polygon: fc.constantFrom("((0,0),(0,1),(1,0))"),
  circle: fc.constantFrom("<(0.1,2),3>"),
  tsvector: fc.constantFrom("", "'a':1A,2B 'b'' \\\\':3", "'合同':1"),
  tsquery: fc.constantFrom("'a' & !'b'", "'x':*A <-> 'y'"),
  int4range: fc.constantFrom("empty", "[1,5)", "(,)", "[-3,)"),
  numrange: fc.constantFrom("[1.10,2.0]", "(,NaN)"),
  tstzrange: fc.constantFrom('["2026-01-01 00:00:00+00",infinity)'),
  int8multirange: fc.constantFrom("{}", "{[1,3),[5,)}"),
  "integer[]": fc.constantFrom("{}", "{1,NULL,-3}", "[0:1]={1,2}", "{{1,2},{3,4}}"),
  "text[]": fc.constantFrom('{"",NULL,"NULL","a,b","\\"","\\\\","{}"}', '{"\t\n"}'),
  "public.stage": fc.constantFrom("lead", 'won \\ "it"', ""),
  "public.mail": fc.constantFrom("a@b", "\t@\\"),
  "public.pair": fc.constantFrom('(1,"a,b")', '(,"\\\\""")', "(NaN,)"),
  "public.pair[]": fc.constantFrom('{"(1,\\"x y\\")",NULL}'),
  pg_lsn: fc.constantFrom("0/0", "FFFFFFFF/FFFFFFFF"),
  oid: fc.constantFrom("0", "4294967295"),
  txid_snapshot: fc.constantFrom("10:20:10,14"),
  jsonpath: fc.constantFrom('$."a"[*]?(@ > 1)'),
};

const made = `
  CREATE TYPE public.stage AS ENUM ('lead', 'won \\ "it"', '');
  CREATE DOMAIN public.mail AS text CHECK (VALUE LIKE '%@%');
  CREATE TYPE public.pair AS (a numeric, b text);
`;

test("every type, with hostile values, comes back as it was, and the database's sums are ours", async () => {
  const names = Object.keys(types);
  const row = fc.tuple(...names.map((name) => fc.option(types[name] ?? fc.constant(""), { freq: 8 })));
  const rows = fc.sample(row, { seed: 7, numRuns: 400 });
  await server.sql("CREATE DATABASE types");
  const columns = names.map((name, at) => `c${at} ${name}`).join(", ");
  const values = rows.map(
    (cells, id) => `(${id}, ${cells.map((cell) => (cell === null ? "NULL" : quoteText(cell))).join(", ")})`,
  );
  await server.sql(
    `${made} CREATE TABLE every (id integer PRIMARY KEY, ${columns}); INSERT INTO every VALUES ${values.join(",\n")};`,
    "types",
  );
  const captured = await captureDatabase(server.url("types"));
  const told = new Map<TableSchema, LoadedSums>();
  const onSums = (table: TableSchema, sums: LoadedSums) => void told.set(table, sums);
  assert.deepEqual(await loadCaptured(server.url("types copy"), captured, { onSums }), []);

  // What the server itself writes of each row, in its binary form, byte for byte.
  assert.ok((await binary("types copy")).equals(await binary("types")));

  await using source = await postgres.connect({ url: server.url("types copy") }, { signal });
  await using snapshot = await source.snapshot(signal);
  for (const [table, lines] of captured.lines) {
    const [sums] = (await snapshot.reader(table).sums?.({ starts: [] }, "rows", signal)) ?? [];
    const ours = sumsOf(lines);
    assert.deepEqual(sums, { ...ours, keySum: table.keyLength === 0 ? ours.rowSum : 0n });
    assert.deepEqual(told.get(table), ours);
  }
});

function sumsOf(lines: Buffer): LoadedSums {
  const sums = { rows: 0, rowSum: 0n };
  for (let start = 0; start < lines.length; sums.rows++) {
    const end = lines.indexOf(10, start);
    sums.rowSum += rowHash(lines, start, end);
    start = end + 1;
  }
  return { ...sums, rowSum: BigInt.asUintN(64, sums.rowSum) };
}

test("where no text has a backslash, none is looked for, and what looks like NULL is still none", async () => {
  await server.sql("CREATE DATABASE plain");
  await server.sql(
    `CREATE COLLATION anycase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
     CREATE TABLE plain (id integer PRIMARY KEY, a text COLLATE anycase NOT NULL, b text COLLATE anycase, c varchar(9), d numeric,
       e text[] COLLATE anycase, f "char");
     INSERT INTO plain VALUES (1, 'A', NULL, 'x', NULL, NULL, NULL), (2, 'a', 'b', NULL, 1.50, '{a,"b c"}', 'f'),
       (3, E'two\nlines', E'\t', '', 0, '{}', NULL), (4, 'N', 'n', 'N', NULL, NULL, NULL)`,
    "plain",
  );
  const captured = await captureDatabase(server.url("plain"));
  const [[table, lines] = []] = captured.lines;
  assert.ok(table && lines && !lines.includes("\\\\"));
  const told: LoadedSums[] = [];
  await loadCaptured(server.url("plain copy"), captured, { onSums: (_, sums) => void told.push(sums) });
  const { rows, rowSum } = sumsOf(lines);
  assert.deepEqual(told, [{ rows, rowSum }]);

  await server.sql(String.raw`UPDATE plain SET c = '\N' WHERE id = 2`, "plain copy");
  const address = { url: server.url("plain copy") };
  await using session = await PostgresConnection.open(address, { environment: {}, signal });
  const mistaken = await loadedSums(table, session, "none");
  assert.notEqual(mistaken?.rowSum, rowSum);
});

async function binary(database: string): Promise<Buffer> {
  using folder = temporaryFolder();
  const file = join(folder.path, "rows");
  // In binary, an array of our own type holds that type's number, which is another in another database.
  const columns = Object.keys(types).map((name, at) => (name === "public.pair[]" ? `c${at}::text` : `c${at}`));
  await server.sql(
    `\\copy (SELECT id, ${columns.join(",")} FROM every ORDER BY id) to '${file}' with (format binary)`,
    database,
  );
  return readFileSync(file);
}

test("the same in a database of another encoding, and in one without", async () => {
  for (const [encoding, value] of [
    ["LATIN1", "grün \\ ÿ"],
    ["SQL_ASCII", "any \xc3\x28 bytes"],
    ["EUC_JP", "契約"],
  ] as const) {
    const name = `in ${encoding}`;
    await server.sql(`CREATE DATABASE "${name}" ENCODING '${encoding}' LOCALE 'C' TEMPLATE template0`);
    const literal =
      encoding === "SQL_ASCII"
        ? `convert_from('\\x${Buffer.from(value, "latin1").toString("hex")}', 'SQL_ASCII')`
        : quoteText(value);
    await server.sql(
      `SET client_encoding = 'UTF8'; CREATE TABLE t (id integer PRIMARY KEY, v text); INSERT INTO t VALUES (1, ${literal})`,
      name,
    );
    const captured = await captureDatabase(server.url(name));
    await loadCaptured(server.url(`${name} copy`), captured);
    const bytes = "SELECT encode(convert_to(v, getdatabaseencoding()), 'hex') FROM t";
    assert.equal(await server.sql(bytes, `${name} copy`), await server.sql(bytes, name));
  }
});
