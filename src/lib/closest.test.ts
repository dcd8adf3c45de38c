import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { closest, editDistance } from "./closest.ts";

test("finds the word that was meant", () => {
  const keys = ["repository", "password", "limits", "language", "timezone", "crm", "crms"];
  assert.equal(closest("repositry", keys), "repository");
  assert.equal(closest("pasword", keys), "password");
  assert.equal(closest("limtis", keys), "limits");
  assert.equal(closest("Timezone", keys), "timezone");
  assert.equal(closest("colour", keys), undefined);
});

test("is a distance: nothing to itself, the same both ways, never above the longer word", () => {
  const word = fc.string({ maxLength: 12 });
  fc.assert(
    fc.property(word, word, (a, b) => {
      const distance = editDistance(a, b);
      assert.equal(editDistance(a, a), 0);
      assert.equal(distance, editDistance(b, a));
      assert.equal(distance === 0, a === b);
      assert.ok(distance <= Math.max(a.length, b.length));
      assert.ok(distance >= Math.abs(a.length - b.length));
    }),
  );
});
