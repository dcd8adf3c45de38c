import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { addProduct, coefficient, multiply, recoveryFactors } from "./reed-solomon.ts";

/** Multiplication as it is defined: polynomials over GF(2), reduced by 0x11d. */
function slowMultiply(left: number, right: number): number {
  let product = 0;
  for (let bit = 0; bit < 8; bit++) if ((right >> bit) & 1) product ^= left << bit;
  for (let bit = 15; bit >= 8; bit--) if ((product >> bit) & 1) product ^= 0x11d << (bit - 8);
  return product;
}

test("multiplication is that of the field", () => {
  for (let left = 0; left < 256; left++) {
    for (let right = 0; right < 256; right++) assert.equal(multiply(left, right), slowMultiply(left, right));
  }
});

test("a product is added byte by byte, wherever the source lies and however long it is", () => {
  const bytes = fc.uint8Array({ maxLength: 200 });
  fc.assert(
    fc.property(bytes, fc.nat(255), fc.nat(3), fc.nat(9), (source, factor, shift, longer) => {
      const memory = new Uint8Array(source.length + shift);
      memory.set(source, shift);
      const target = new Uint8Array(source.length + longer).fill(0xa5);
      addProduct(target, memory.subarray(shift), factor);
      const expected = target.map((_, at) => 0xa5 ^ slowMultiply(factor, source[at] ?? 0));
      assert.deepEqual(target, expected);
    }),
  );
});

test("any pieces may be lost, as many as there are parity pieces", () => {
  const shape = fc.record({ data: fc.integer({ min: 1, max: 40 }), parity: fc.integer({ min: 1, max: 8 }) });
  fc.assert(
    fc.property(shape, fc.nat(2 ** 31), ({ data, parity }, seed) => {
      const length = 33;
      const piece = (number: number) =>
        Uint8Array.from({ length }, (_, at) => (seed * (number + 3) + at * 97 + (seed >> (at % 24))) & 255);
      const pieces = Array.from({ length: data }, (_, number) => piece(number));
      const sums = Array.from({ length: parity }, (_, row) => {
        const sum = new Uint8Array(length + 1);
        for (const [column, one] of pieces.entries()) addProduct(sum, one, coefficient(row, column));
        return sum;
      });
      // A random choice of what is lost, of both kinds.
      const order = Array.from({ length: data + parity }, (_, at) => at).toSorted(
        (a, b) => ((a * 7919 + seed) % 101) - ((b * 7919 + seed) % 101),
      );
      const gone = new Set(order.slice(0, parity));
      const lost = pieces.flatMap((_, at) => (gone.has(at) ? [at] : []));
      const rows = sums.flatMap((_, row) => (gone.has(data + row) ? [] : [row])).slice(0, lost.length);
      const left = rows.map((row) => {
        const sum = Uint8Array.from(sums[row] ?? []);
        for (const [column, one] of pieces.entries())
          if (!gone.has(column)) addProduct(sum, one, coefficient(row, column));
        return sum;
      });
      for (const [at, factors] of recoveryFactors(lost, rows).entries()) {
        const found = new Uint8Array(length + 1);
        for (const [row, factor] of factors.entries()) addProduct(found, left[row] ?? new Uint8Array(), factor);
        assert.deepEqual(found.subarray(0, length), pieces[lost[at] ?? 0]);
      }
    }),
    { numRuns: 25 },
  );
});
