import assert from "node:assert/strict";
import { test } from "node:test";
import { fittedValue } from "./fitted-value.ts";

const cases: readonly (readonly [text: string, type: string, fitted: string | undefined])[] = [
  ["12.50", "decimal(24,8)", "12.50000000"],
  ["-3", "numeric(12,2)", "-3.00"],
  ["12.50000000", "numeric(10,2)", "12.50"],
  ["12.505", "numeric(10,2)", undefined],
  ["12.5", "numeric", "12.5"],
  ["7.00", "decimal(10,0)", "7"],
  ["12.5", "double(24,8)", "12.5"],
  ["10000.00000000", "double(24,8)", "10000"],
  ["12.123456789", "double(24,8)", undefined],
  ["12.50", "double", "12.5"],
  ["0.00", "real", "0"],
  ["0.1", "float", "0.10000000149011612"],
  ["16777217", "float", "16777216"],
  ["12.50", "float(7,3)", "12.5"],
  ["12.3456", "float(7,3)", undefined],
  ["0.123456789", "real", "0.12345679"],
  ["1234567.00", "real", "1.234567e+06"],
  ["0.1234567890123456789", "double", undefined],
  ["1e300", "double", "1e300"],
  ["12.5", "double", "12.5"],
  ["12.5", "double precision", "12.5"],
  ["12.00", "int(11)", "12"],
  ["12.50", "integer", undefined],
  ["007", "bigint", "7"],
  ["seven", "smallint", undefined],
  ["t", "tinyint(4)", "1"],
  ["1", "boolean", "t"],
  ["2026-01-02", "datetime", "2026-01-02 00:00:00"],
  ["2026-01-02", "timestamp without time zone", "2026-01-02 00:00:00"],
  ["2026-01-02 03:04:05", "datetime", "2026-01-02 03:04:05"],
  ["2026-01-02 00:00:00", "date", "2026-01-02"],
  ["2026-01-02 03:04:05", "date", undefined],
  ["张伟", "varchar(2)", "张伟"],
  ["张伟有", "character varying(2)", undefined],
  ["any", "text", "any"],
];

for (const [text, type, fitted] of cases) {
  test(`${text} in ${type}`, () => {
    assert.equal(fittedValue(text, { type }), fitted);
  });
}
