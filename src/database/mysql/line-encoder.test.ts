import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { LineEncoder } from "./line-encoder.ts";

const text = "varchar(9) character set utf8mb4 collate utf8mb4_bin";
const table = {
  schema: "",
  name: "t",
  columns: [text, "datetime", text].map((type, at) => ({ name: `c${at}`, type, nullable: true })),
  keyLength: 0,
  foreignKeys: [],
  fingerprint: "",
};
const letters: Readonly<Record<string, string>> = { "\0": "0", "\t": "t", "\n": "n", "\r": "r", "\\": "\\" };

/** Bytes among which some are to be escaped, others nearly so. */
const field = fc.string({
  unit: fc.constantFrom("\0", "\t", "\n", "\r", "\\", "[", "]", "\u000B", "\u000E", "a", "\u00FF", "\u0080"),
  maxLength: 80,
});
const plain = fc.string({ unit: fc.constantFrom("0", "9", ":"), maxLength: 80 });

test("a field is escaped wherever and however long it stands", () => {
  const row = fc.tuple(field, plain, fc.option(field));
  fc.assert(
    fc.property(fc.array(row, { minLength: 1, maxLength: 9 }), fc.nat(3), (rows, before) => {
      const encoder = new LineEncoder(table, 100);
      for (const fields of rows) {
        const packet = [...new Array<number>(before).fill(9), ...fields.flatMap(sent)];
        encoder.row(Buffer.from(packet), before, packet.length);
      }
      const lines = rows.map((fields) => `${fields.map(escaped).join("\t")}\n`);
      assert.equal(encoder.take().lines.toString("latin1"), lines.join(""));
    }),
  );
});

function sent(value: string | null): readonly number[] {
  return value === null ? [0xfb] : [value.length, ...Buffer.from(value, "latin1")];
}

function escaped(value: string | null): string {
  return value === null ? String.raw`\N` : value.replaceAll(/[\0\t\n\r\\]/g, (byte) => `\\${letters[byte]}`);
}
