import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";

import * as fc from "fast-check";

import { compareKeys } from "./compare-keys.ts";
import { decodeField } from "./field.ts";
import { lineBytes, lineExpression, registerRowFunctions } from "./row-sql.ts";
import { createRealEncoder, decodeReal } from "./real.ts";

test("reals keep all 64 bits", () => {
  const encode = createRealEncoder();
  const special = [
    0,
    -0,
    5e-324,
    -5e-324,
    2.225073858507201e-308,
    2 ** -1022,
    Number.MAX_VALUE,
    Infinity,
    -Infinity,
    0.1,
    1 / 3,
  ];
  for (const value of special) assert.ok(Object.is(decodeReal(encode(value)), value), encode(value));
  fc.assert(
    fc.property(fc.double({ noNaN: true }), (value) => {
      const encoded = encode(value);
      assert.ok(encoded.length <= 24, encoded);
      assert.ok(Object.is(decodeReal(encoded), value), encoded);
    }),
    { numRuns: 5000 },
  );
  assert.equal(encode(0.1), "r3602879701896397p-55");
});

test("SQLite writes fields as it always did: another form would change every row hash", () => {
  const ascii = Array.from({ length: 127 }, (_, code) => String.fromCharCode(code + 1)).join("");
  const escapes = ["\\b", "\\t", "\\n", "\\u000b", "\\f", "\\r"];
  const control = (code: number): string => escapes[code - 8] ?? `\\u${code.toString(16).padStart(4, "0")}`;
  const encoded = Array.from(ascii, (character) => {
    const code = character.charCodeAt(0);
    if (code < 0x20) return control(code);
    return character === '"' || character === "\\" ? `\\${character}` : character;
  }).join("");
  const known: Readonly<Record<string, string>> = {
    NULL: "\\N",
    "-9223372036854775808": "i-9223372036854775808",
    "1.5": "r3p-1",
    "''": '""',
    "'中é😀/<'": '"中é😀/<"',
    "x''": "b",
    "x'00aF'": "b00AF",
    "'a'||char(0)": "t6100",
    [`'${ascii.replaceAll("'", "''")}'`]: `"${encoded}"`,
  };
  for (const encoding of ["UTF-8", "UTF-16le", "UTF-16be"] as const) {
    const database = new DatabaseSync(":memory:");
    database.exec(`PRAGMA encoding='${encoding}'; CREATE TABLE t(a)`);
    registerRowFunctions(database);
    for (const [sql, field] of Object.entries(known)) {
      database.exec(`DELETE FROM t; INSERT INTO t VALUES(${sql})`);
      const line = database
        .prepare(`SELECT CAST(${lineExpression([{ name: "a" }], encoding, "single")} AS BLOB) AS line FROM t`)
        .get();
      assert.ok(line?.["line"] instanceof Uint8Array);
      const expected =
        field === "t6100" && encoding !== "UTF-8" ? (encoding === "UTF-16le" ? "t61000000" : "t00610000") : field;
      assert.equal(lineBytes(line["line"], encoding).toString(), expected, `${encoding} ${sql}`);
    }
    database.close();
  }
});

test("what no field of ours looks like is refused", () => {
  for (const field of [
    "",
    "x",
    "i",
    "i1.5",
    "i12345678901234567890",
    "r1",
    "rp1",
    "r1p",
    '"',
    '"a',
    '"\\x"',
    "b0",
    "bzz",
    "t0g",
    "\\n",
    "N",
  ]) {
    assert.throws(() => decodeField(field), { code: "restore-mismatch" }, field);
  }
});

test("keys compare as SQLite's binary index walks, and are equal only when their bytes are", () => {
  const ascending = [
    "i-9223372036854775808",
    "i-10",
    "i-9",
    "i0",
    "i9",
    "i10",
    "i9223372036854775807",
    '""',
    '"\\u0001"',
    '"\\t"',
    '" "',
    '"!"',
    '"\\""',
    '"A"',
    '"\\\\"',
    '"a"',
    '"a b"',
    '"ab"',
    "t616263",
    '"abd"',
    Buffer.from('"é"').toString("latin1"),
    Buffer.from('"中"').toString("latin1"),
    "b",
    "b00",
    "b00FF",
    "b01",
  ];
  ascending.forEach((a, at) =>
    ascending.forEach((b, to) => {
      assert.equal(Math.sign(compareKeys(a, b)), Math.sign(at - to), `${a} ${b}`);
      assert.equal(Math.sign(compareKeys(`i5\t${a}\ti1`, `i5\t${b}\ti0`)), at === to ? 1 : Math.sign(at - to));
    }),
  );
  assert.notEqual(compareKeys('"a"', "t61"), 0);
});
