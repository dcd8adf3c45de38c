import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { type MariadbServer, startMariadb } from "../../../test/support/mariadb-server.ts";
import { runCommand } from "../../../test/support/run-command.ts";
import type { DatabaseSchema, RowSums, TableRows } from "../database.ts";
import { convertibleBytes } from "./column-kind.ts";
import { mysqlEngine } from "./mysql.ts";

/**
 * Every built-in type with hostile values: what is read is loaded into another database in each way that there is, and
 * the server itself says that the values are the same.
 */
const { signal } = new AbortController();

/** A column's type, and SQL of values for it. */
interface Case {
  readonly type: string;
  readonly values: readonly string[];
  readonly random?: fc.Arbitrary<string>;
  /** The one server that has it, or that takes these values. */
  readonly only?: MariadbServer["flavour"];
}

const hex = (bytes: Uint8Array): string => `X'${Buffer.from(bytes).toString("hex")}'`;
const utf8 = (text: string): string => `_utf8mb4 ${hex(Buffer.from(text, "utf8"))}`;
const anyText = fc.string({ unit: "grapheme", maxLength: 40 }).map(utf8);
const anyBytes = (size: { readonly minLength?: number; readonly maxLength: number }) => fc.uint8Array(size).map(hex);
const latin = fc.uint8Array({ maxLength: 30 }).map((bytes) => `_latin1 ${hex(bytes)}`);
const odd = [
  "''",
  utf8("a\tb\nc\rd\\e\0f'g\"h"),
  utf8("\\N"),
  utf8("N"),
  utf8("\\"),
  utf8(" trailing  "),
  utf8("客户 🐘 é"),
  utf8("e\u0301"),
];
const basic = ["''", utf8("a\tb\nc\rd\\e\0f'g\"h"), utf8("\\N"), utf8("\\"), utf8("客户 é")];

const float32 = fc.float({ noNaN: true, noDefaultInfinity: true }).map((value) => `CAST(${value} AS DOUBLE)`);
const float64 = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => `CAST('${value}' AS DOUBLE)`);

const cases: readonly Case[] = [
  { type: "TINYINT", values: ["-128", "127", "0"] },
  { type: "TINYINT UNSIGNED", values: ["255"] },
  { type: "SMALLINT(4) UNSIGNED ZEROFILL", values: ["7", "65535"] },
  { type: "MEDIUMINT", values: ["-8388608"] },
  { type: "INT", values: ["-2147483648", "2147483647"] },
  {
    type: "BIGINT",
    values: ["-9223372036854775808"],
    random: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
  },
  {
    type: "BIGINT UNSIGNED",
    values: ["18446744073709551615"],
    random: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String),
  },
  { type: "DECIMAL(65,30)", values: ["-99999999999999999999999999999999999.999999999999999999999999999999", "0.1"] },
  { type: "DECIMAL(5,0) ZEROFILL", values: ["42"] },
  { type: "FLOAT", values: ["3.4028234e38", "-1.17549435e-38", "1e-45", "0.1", "16777217", "-0e0"], random: float32 },
  { type: "FLOAT(7,3)", values: ["1234.567", "0.001"] },
  {
    type: "DOUBLE",
    values: ["1.7976931348623157e308", "5e-324", "0.1", "9007199254740993", "-0e0", "1e22", "123456789.12345678"],
    random: float64,
  },
  { type: "DOUBLE(20,4)", values: ["1234567890123.4567", "-0.0001"] },
  { type: "BIT(1)", values: ["b'1'", "b'0'"] },
  { type: "BIT(12)", values: ["b'101010101010'", "9", "0"] },
  { type: "BIT(64)", values: ["X'FFFFFFFFFFFFFFFF'", "1"] },
  {
    type: "DATE",
    values: ["'0000-00-00'", "'2024-02-31'", "'2024-00-15'", "'9999-12-31'", "'1000-01-01'", "'0001-01-01'"],
  },
  { type: "DATETIME", values: ["'0000-00-00 00:00:00'", "'9999-12-31 23:59:59'", "'2024-03-31 02:30:00'"] },
  { type: "DATETIME(6)", values: ["'2024-10-27 02:30:00.000001'", "'0000-00-00 00:00:00.000000'"] },
  {
    type: "TIMESTAMP NULL",
    values: [
      "'1970-01-01 00:00:01'",
      "'2038-01-19 03:14:07'",
      "'0000-00-00 00:00:00'",
      "'2024-10-27 00:30:00'",
      "'2024-10-27 01:30:00'",
    ],
  },
  { type: "TIMESTAMP(6) NULL", values: ["'2024-10-27 00:30:00.999999'"] },
  { type: "TIME", values: ["'-838:59:59'", "'838:59:59'", "'00:00:00'", "'-00:00:01'"] },
  { type: "TIME(6)", values: ["'-838:59:59.999999'", "'-00:00:00.000001'"] },
  { type: "YEAR", values: ["0", "1901", "2155"] },
  { type: "CHAR(50) CHARACTER SET utf8mb4", values: odd, random: anyText },
  { type: "VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", values: odd, random: anyText },
  { type: "VARCHAR(200) CHARACTER SET utf8mb3", values: basic },
  { type: "VARCHAR(200) CHARACTER SET latin1", values: ["''", utf8("é€"), utf8("a\tb\\")], random: latin },
  { type: "VARCHAR(200) CHARACTER SET ucs2", values: basic },
  { type: "VARCHAR(200) CHARACTER SET utf16", values: odd, random: anyText },
  { type: "VARCHAR(200) CHARACTER SET utf32", values: odd },
  { type: "VARCHAR(200) CHARACTER SET gbk", values: ["''", "_gbk X'8140'", "_gbk X'A1A1FE4F'", utf8("客户")] },
  { type: "VARCHAR(200) CHARACTER SET sjis", values: ["_sjis X'8181'", "_sjis X'815F'", "'\\\\'"] },
  { type: "VARCHAR(200) CHARACTER SET cp1250", values: ["_cp1250 X'8AE9'", "'x'"] },
  { type: "VARCHAR(200) CHARACTER SET cp1251", values: [utf8("Привет")] },
  // Those that the driver has not heard of.
  ...["dec8", "hp8", "swe7", "keybcs2", "geostd8"].map((charset) => ({
    type: `VARCHAR(200) CHARACTER SET ${charset}`,
    values: ["''", "'\\\\'", `_${charset} X'A1C0'`],
  })),
  { type: "VARCHAR(200) CHARACTER SET eucjpms", values: ["_eucjpms X'8FF3F3'", "_eucjpms X'B5DCC5C4'", "'x'"] },
  { type: "ENUM('宮','x') CHARACTER SET eucjpms", values: ["'宮'", "'x'"] },
  { type: "TINYTEXT CHARACTER SET utf8mb4", values: odd },
  { type: "LONGTEXT CHARACTER SET utf8mb4", values: [...odd, "REPEAT('0123456789abcdef\\t',20000)"], random: anyText },
  { type: "JSON", values: [`'{"a":[1,2.50,"\\\\u00e9",null], "b" : {} }'`, "'[]'", "'1e400'"], only: "mariadb" },
  {
    type: "JSON",
    values: [
      `'{"b":[1,2.50,"\\\\u00e9 \\\\\\\\ \\\\t",null], "a" : {} }'`,
      "'[]'",
      "'null'",
      "CAST(1.5 AS JSON)",
      "JSON_QUOTE('客户 🐘')",
    ],
    only: "mysql",
  },
  { type: "BINARY(5)", values: ["X'00'", "X'0A090D5C00'", "'a '"] },
  { type: "VARBINARY(300)", values: ["''", "X'000102090A0D5CFF'"], random: anyBytes({ maxLength: 60 }) },
  { type: "LONGBLOB", values: ["''", "REPEAT(X'00FF0A',50000)"], random: anyBytes({ maxLength: 300 }) },
  { type: "ENUM('a','B','c\\'d','','客户')", values: ["'a'", "'B'", "'c\\'d'", "''", "0", "'客户'"] },
  { type: "ENUM('x','y') CHARACTER SET latin1", values: ["'x'", "0"] },
  { type: "SET('a','b','c d','é')", values: ["''", "'a,c d'", "15", "'é'"] },
  {
    type: "POINT",
    values: ["ST_GeomFromText('POINT(1.5 -2.25)')", "ST_GeomFromText('POINT(0.1 1e300)',4326)"],
    only: "mariadb",
  },
  {
    type: "POINT",
    values: ["ST_GeomFromText('POINT(1.5 -2.25)')", "ST_GeomFromText('POINT(10 20)',4326)"],
    only: "mysql",
  },
  { type: "POINT SRID 4326", values: ["ST_GeomFromText('POINT(89.5 -179.25)',4326)"], only: "mysql" },
  {
    type: "VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci",
    values: odd,
    random: anyText,
    only: "mysql",
  },
  {
    type: "GEOMETRY",
    values: [
      "ST_GeomFromText('POLYGON((0 0,10 0,10 10,0 0))')",
      "ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 1),LINESTRING(0 0,1 1))')",
    ],
  },
  {
    type: "UUID",
    values: ["'123e4567-e89b-12d3-a456-426614174000'", "'00000000-0000-0000-0000-000000000000'"],
    only: "mariadb",
  },
  { type: "INET6", values: ["'2001:db8::ff00:42:8329'", "'::'", "'::ffff:1.2.3.4'"], only: "mariadb" },
  { type: "INET4", values: ["'255.0.0.1'"], only: "mariadb" },
];

const loose = "SET SESSION sql_mode='ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO'; SET time_zone='+00:00';\n";

/** A table of one column and a key for each type. */
function tablesOfTypes(of: readonly Case[]): string {
  return of
    .map(({ type, values, random }, at) => {
      const drawn = random === undefined ? [] : fc.sample(random, { seed: at + 1, numRuns: 60 });
      const rows = ["NULL", ...values, ...drawn].map((value, id) => `INSERT INTO t${at} VALUES(${id},${value});`);
      return `CREATE TABLE t${at} (id INT PRIMARY KEY, v ${type} DEFAULT NULL) CHARACTER SET utf8mb4;\n${rows.join("\n")}\n`;
    })
    .join("");
}

/** Rows of a number each, from 1 on. */
const numbered = (row: (number: number) => string): string =>
  Array.from({ length: 4000 }, (_, at) => `(${row(at + 1)})`).join(",");

const shapes = `
  CREATE TABLE \`generated\` (a INT PRIMARY KEY, b INT GENERATED ALWAYS AS (a*2) STORED, c INT INVISIBLE DEFAULT 7,
    d INT AS (a+1) VIRTUAL, \`sel\`\`ect\` VARCHAR(9), \`名\` INT);
  INSERT INTO \`generated\`(a,c,\`sel\`\`ect\`,\`名\`) VALUES (0,1,'x',1),(5,DEFAULT,NULL,2),(-3,9,'y',NULL);
  CREATE TABLE nokey (a INT, b VARCHAR(10)); INSERT INTO nokey VALUES (1,'x'),(1,'x'),(NULL,NULL);
  CREATE TABLE zero (id INT AUTO_INCREMENT PRIMARY KEY, v INT); INSERT INTO zero VALUES (0,1),(7,2);
  ALTER TABLE zero AUTO_INCREMENT=100;
  CREATE TABLE uniquekey (a VARCHAR(20) NOT NULL, b VARBINARY(20) NOT NULL, v INT, UNIQUE KEY (b,a)) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
  INSERT INTO uniquekey VALUES ('b',X'00',1),('a',X'00FF',2),('a\\tb',X'09',3),('',X'',4);
  CREATE TABLE prefixed (a VARCHAR(300) NOT NULL, v INT, PRIMARY KEY (a(10))) CHARACTER SET utf8mb4; INSERT INTO prefixed VALUES ('zz',1),('Aa',2);
  CREATE TABLE \`odd \`\`name/客\` (id INT PRIMARY KEY); INSERT INTO \`odd \`\`name/客\` VALUES (1);
  CREATE TABLE parts (id INT PRIMARY KEY, v INT) PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN MAXVALUE);
  INSERT INTO parts VALUES (1,1),(100,2);
  CREATE TABLE myisam (id INT PRIMARY KEY) ENGINE=MyISAM; INSERT INTO myisam VALUES (1);
  CREATE TABLE \`empty\` (id INT PRIMARY KEY);
  CREATE TABLE indexed (id INT PRIMARY KEY, boss INT, a VARCHAR(300), b INT, UNIQUE KEY u (b), KEY z (a(20) DESC, b), KEY k (b) COMMENT 'a,b',
    CONSTRAINT f FOREIGN KEY (boss) REFERENCES indexed(id)) CHARACTER SET utf8mb4;
  INSERT INTO indexed VALUES ${numbered((n) => `${n},NULL,REPEAT(SHA2(${n},256),4),${n}`)};
  CREATE TABLE counted (id INT PRIMARY KEY, n INT AUTO_INCREMENT, a VARCHAR(300), KEY (n), KEY (a)) CHARACTER SET utf8mb4;
  INSERT INTO counted VALUES ${numbered((n) => `${n},${n},REPEAT(SHA2(${n},256),4)`)};
`;

/** What only one of the servers has. */
const ownShapes = {
  mariadb: `
    CREATE TABLE checked (id INT PRIMARY KEY, v INT CHECK (v > 0)); SET check_constraint_checks=0; INSERT INTO checked VALUES (1,-1); SET check_constraint_checks=1;
    CREATE TABLE aria (id INT PRIMARY KEY) ENGINE=Aria; INSERT INTO aria VALUES (1);`,
  mysql: `
    CREATE TABLE checked (id INT PRIMARY KEY, v INT, CONSTRAINT v CHECK (v > 0) NOT ENFORCED); INSERT INTO checked VALUES (1,-1);
    CREATE TABLE computed (id INT PRIMARY KEY, v VARCHAR(40) DEFAULT (CONCAT('a','b')), w INT, UNIQUE KEY ((w + 1)), KEY ((upper(v)) DESC)); INSERT INTO computed(id) VALUES (1);`,
};

async function readAll(
  server: MariadbServer,
  database: string,
): Promise<{
  readonly schema: DatabaseSchema;
  readonly lines: ReadonlyMap<string, string>;
}> {
  await using source = await mysqlEngine.connect({ url: server.url(database) }, { signal });
  await using snapshot = await source.snapshot(signal);
  const lines = new Map<string, string>();
  for (const table of snapshot.schema.tables) {
    const reader = snapshot.reader(table);
    let text = "";
    for await (const batch of reader.read({}, signal, 4096)) text += batch.lines.toString("latin1");
    lines.set(table.name, text);
    const expected: RowSums = sumsOf(text, table.keyLength);
    const sums = await reader.sums?.({ starts: [] }, "rows", signal);
    // MySQL has no function for one half of the hash.
    assert.deepEqual(sums, server.flavour === "mariadb" ? [expected] : undefined, `sums of ${table.name}`);
    // A stretch is read then.
    assert.deepEqual(await reader.sums?.({ starts: [], only: [0] }, "rows", signal), [expected], table.name);
  }
  return { schema: snapshot.schema, lines };
}

function sumsOf(text: string, keyLength: number): RowSums {
  const sums = { rows: 0, keySum: 0n, rowSum: 0n };
  for (const line of text.split("\n").slice(0, -1)) {
    const bytes = Buffer.from(line, "latin1");
    const row = mysqlEngine.rowHash(bytes, 0, bytes.length);
    sums.rows++;
    sums.rowSum = BigInt.asUintN(64, sums.rowSum + row);
    if (keyLength === 0) sums.keySum = sums.rowSum;
  }
  return sums;
}

async function* asRows(schema: DatabaseSchema, lines: ReadonlyMap<string, string>): AsyncGenerator<TableRows> {
  for (const table of schema.tables) {
    const bytes = Buffer.from(lines.get(table.name) ?? "", "latin1");
    const rows = (lines.get(table.name) ?? "").split("\n").length - 1;
    yield {
      table,
      batches: (async function* () {
        yield { lines: bytes, rows };
      })(),
    };
  }
}

/** The server compares both databases by bytes, without us. */
async function differences(server: MariadbServer, a: string, b: string, schema: DatabaseSchema): Promise<string> {
  const quoted = (name: string): string => `\`${name.replaceAll("`", "``")}\``;
  const compared = schema.tables.map(({ name, columns, keyLength }) => {
    const same = columns.map((column) => {
      const [x, y] = [`x.${quoted(column.name)}`, `y.${quoted(column.name)}`];
      return `HEX(${x})<=>HEX(${y}) AND ${x}<=>${y} AND CONCAT(${x})<=>CONCAT(${y})`;
    });
    const from = `${quoted(a)}.${quoted(name)} x`;
    const other = `${quoted(b)}.${quoted(name)} y`;
    const label = Buffer.from(name).toString("hex");
    if (keyLength === 0)
      return `SELECT X'${label}', 'rows' FROM DUAL WHERE (SELECT COUNT(*) FROM ${from})<>(SELECT COUNT(*) FROM ${other});`;
    const keys = columns.slice(0, keyLength).map((column) => `x.${quoted(column.name)}=y.${quoted(column.name)}`);
    return (
      `SELECT X'${label}', x.${quoted(columns[0]?.name ?? "")}, HEX(x.${quoted(columns.at(-1)?.name ?? "")}), HEX(y.${quoted(columns.at(-1)?.name ?? "")})` +
      ` FROM ${from} LEFT JOIN ${other} ON ${keys.join(" AND ")} WHERE NOT (${same.join(" AND ")});` +
      `SELECT X'${label}', 'count' FROM DUAL WHERE (SELECT COUNT(*) FROM ${from})<>(SELECT COUNT(*) FROM ${other});`
    );
  });
  return server.sql(`SET time_zone='+00:00';\n${compared.join("\n")}`);
}

/** What the server's setting was it is again afterwards. */
async function localFiles<T>(server: MariadbServer, value: 0 | 1, work: () => Promise<T>): Promise<T> {
  const set = (to: string) => server.sql(`SET GLOBAL local_infile=${to}`);
  const was = (await server.sql("SELECT @@global.local_infile")).trim();
  await set(String(value));
  try {
    return await work();
  } finally {
    await set(was);
  }
}

async function loadedInEachWay(server: MariadbServer): Promise<void> {
  const here = cases.filter(({ only }) => only === undefined || only === server.flavour);
  const script = `${loose}${tablesOfTypes(here)}${shapes}${ownShapes[server.flavour]}`;
  await server.sql(`CREATE DATABASE types CHARACTER SET utf8mb4`);
  await server.sql(script, "types");
  const { schema, lines } = await readAll(server, "types");
  assert.deepEqual(schema.tables.length, here.length + 13);
  for (const [name, text] of lines) {
    assert.doesNotMatch(text, /[\0\r]/, name);
    const width = schema.tables.find((table) => table.name === name)?.columns.length;
    for (const line of text.split("\n").slice(0, -1)) assert.equal(line.split("\t").length, width, name);
  }

  const load = (name: string) =>
    mysqlEngine.load({ url: server.url(name) }, schema, asRows(schema, lines), { signal, grants: "skip" });
  await localFiles(server, 1, () => load("copied"));
  const copied = await readAll(server, "copied");
  assert.deepEqual(copied.lines, lines);
  assert.equal(await differences(server, "types", "copied", schema), "");
  // MySQL says the character set of a column again if it was typed, and only then.
  const plain = (statements: readonly string[]) =>
    statements.map((one) =>
      server.flavour === "mysql" ? one.replaceAll(" CHARACTER SET utf8mb4 COLLATE", " COLLATE") : one,
    );
  assert.deepEqual(plain(copied.schema.before), plain(schema.before));
  assert.deepEqual(copied.schema.sequences, schema.sequences);
  assert.deepEqual(
    copied.schema.tables.map(({ fingerprint }) => fingerprint),
    schema.tables.map(({ fingerprint }) => fingerprint),
  );

  await localFiles(server, 0, () => load("inserted"));
  assert.deepEqual((await readAll(server, "inserted")).lines, lines);
  assert.equal(await differences(server, "types", "inserted", schema), "");
}

async function loadedByClient(server: MariadbServer): Promise<void> {
  const { schema, lines } = await readAll(server, "types");
  const folder = join(server.folder, "script");
  mkdirSync(folder);
  const layouts = schema.tables.map((table, at) => {
    writeFileSync(join(folder, `rows${at}`), lines.get(table.name) ?? "", "latin1");
    return { table, base: [`rows${at}`], runs: [] };
  });
  await server.sql(`CREATE DATABASE scripted CHARACTER SET utf8mb4`);
  const script = mysqlEngine.restoreScript(schema, layouts);
  const args = [...server.client.options, "--local-infile=1", "scripted"];
  const { code, stderr } = await localFiles(server, 1, () =>
    runCommand(server.client.program, args, { input: script, cwd: folder }),
  );
  assert.equal(code, 0, stderr);
  assert.deepEqual((await readAll(server, "scripted")).lines, lines);
  assert.equal(await differences(server, "types", "scripted", schema), "");
}

async function charactersConverted(server: MariadbServer): Promise<void> {
  const all = Array.from({ length: 256 }, (_, byte) => byte.toString(16).toUpperCase().padStart(2, "0"));
  const bytes = all.map((byte) => `SELECT '${byte}' h`).join(" UNION ALL ");
  const asked = convertibleBytes.map(
    (name) =>
      `SELECT '${name}', SUM(HEX(CONVERT(CONVERT(c USING utf8mb4) USING ${name}))<>h) FROM ` +
      `(SELECT CONVERT(UNHEX(h) USING ${name}) c, h FROM (${bytes}) b) q;`,
  );
  const answers = await server.sql(asked.join("\n"));
  assert.deepEqual(
    answers.trim().split("\n"),
    convertibleBytes.map((name) => `${name}\t0`),
  );
}

let server: MariadbServer;
before(async () => {
  server = await startMariadb();
});
after(() => server[Symbol.asyncDispose]());

test("each type's hostile values come back as they were, in each way to load them", () => loadedInEachWay(server));
test("restore.sql does the same with the server's own client", () => loadedByClient(server));
test("each byte of a character set that is written as UTF-8 comes back", () => charactersConverted(server));
test("a number that goes into a column of 32 bits is planned as it reads back", async () => {
  const texts = [
    "0.1",
    "-12.50",
    "0.1234567890123",
    "16777217",
    "999999.94",
    "1234567",
    "0.00012345678",
    "100000000000",
    "0",
  ];
  await server.sql("CREATE DATABASE single; CREATE TABLE single.one (id INT PRIMARY KEY, f FLOAT, g FLOAT(20,3))");
  await server.sql(
    texts.map((text, at) => `INSERT INTO single.one VALUES (${at}, ${text}, ROUND(${text}, 3));`).join(""),
  );
  const { schema, lines } = await readAll(server, "single");
  const [, f, g] = schema.tables[0]?.columns ?? [];
  assert.ok(f && g);
  const planned = texts.map((text, at) => {
    const short = String(Math.round(Number(text) * 1000) / 1000);
    return `${at}\t${mysqlEngine.fitted(text, f) ?? ""}\t${mysqlEngine.fitted(short, g) ?? ""}`;
  });
  assert.deepEqual(lines.get("one")?.trimEnd().split("\n"), planned);
});
test("text in a character set of its own is read as text, and taken back as the same bytes", async () => {
  const texts: Readonly<Record<string, string>> = {
    ...{ gbk: "张伟 Ltd. 客户", gb2312: "张伟", big5: "張偉", sjis: "田中 ｶﾅ", euckr: "김 상사" },
    ...{ ujis: "田中", cp1251: "Иван", greek: "Άννα", hebrew: "שלום", tis620: "สวัสดี", cp1250: "Žižka" },
  };
  const names = Object.keys(texts);
  const columns = names.map((name) => `${name}_ VARCHAR(40) CHARACTER SET ${name}`).join();
  await server.sql(
    `CREATE DATABASE legacy; CREATE TABLE legacy.one (id INT PRIMARY KEY, ${columns}, raw VARBINARY(9))`,
  );
  const values = names.map((name) => utf8(texts[name] ?? "")).join();
  await server.sql(`INSERT INTO legacy.one VALUES (1, ${values}, 'x')`);
  const { schema, lines } = await readAll(server, "legacy");
  const [table] = schema.tables;
  assert.ok(table);
  const fields = lines.get("one")?.trimEnd().split("\t") ?? [];
  for (const [at, column] of table.columns.entries()) {
    const field = fields[at] ?? "";
    const shown = mysqlEngine.readable(field, column);
    assert.equal(shown, { id: "1", raw: "x'78'" }[column.name] ?? texts[column.name.slice(0, -1)], column.name);
    assert.equal(mysqlEngine.lineField(shown, column), field, column.name);
  }
  const [, gbk] = table.columns;
  assert.ok(gbk);
  // Half a character is none, and what the set has not is no value of it.
  assert.equal(mysqlEngine.readable("D5C5CE", gbk), "x'd5c5ce'");
  assert.deepEqual([mysqlEngine.fitted("张伟", gbk), mysqlEngine.fitted("张伟 🙂", gbk)], ["张伟", undefined]);
});

test("characters of four bytes are read as text in GB18030, as rare names have them, and taken back", () => {
  const column = { name: "a", type: "varchar(40) character set gb18030 collate gb18030_bin", nullable: false };
  for (const [text, bytes] of [
    ["张𠮷", "D5C59534B235"],
    ["é€", "A8A6A2E3"],
    ["ÿ", "81308B37"],
    ["👍", "9439D131"],
  ] as const) {
    assert.deepEqual([mysqlEngine.readable(bytes, column), mysqlEngine.lineField(text, column)], [text, bytes]);
    assert.equal(mysqlEngine.fitted(text, column), text);
  }
});

test("bytes in a character set of its own are shown so that just they come back", () => {
  for (const charset of ["gbk", "big5", "cp932", "ujis", "gb18030", "cp1251"]) {
    const column = { name: "a", type: `varchar(40) character set ${charset} collate ${charset}_bin`, nullable: false };
    const back = (bytes: Buffer): string =>
      mysqlEngine.lineField(mysqlEngine.readable(bytes.toString("hex"), column), column);
    for (let number = 0; number < 0x1_0000; number += 13) {
      const bytes = Buffer.from(number < 256 ? [number] : [number >> 8, number & 255]);
      assert.equal(back(bytes), bytes.toString("hex").toUpperCase(), charset);
    }
    for (let number = 0; charset === "gb18030" && number < 1_600_000; number += 331) {
      const four = [
        0x81 + number / 12_600,
        0x30 + ((number / 1260) % 10),
        0x81 + ((number / 10) % 126),
        0x30 + (number % 10),
      ];
      const bytes = Buffer.from(four);
      assert.equal(back(bytes), bytes.toString("hex").toUpperCase(), charset);
    }
    for (const text of ["x'ab'", "x''", "X'AB'", "x'ab"]) {
      assert.equal(back(Buffer.from(text)), Buffer.from(text).toString("hex").toUpperCase(), charset);
    }
  }
});
