import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { anonymiseKinds } from "../../lib/anonymise-kinds.ts";
import { pseudonym } from "./pseudonym.ts";

const secret = Buffer.from("secret");

test("a pseudonym is the same for the same value, has its form, and fits its column", () => {
  const made = (kind: Parameters<typeof pseudonym>[0], value: string): string => pseudonym(kind, value, secret) ?? "";
  assert.match(made("name", "Anna Schmidt"), /^[A-Z][a-z]{5} [A-Z][a-z]{5}$/);
  assert.match(made("name", "张伟有限公司"), /^\p{Script=Han}{6}$/u);
  assert.match(made("email", "a@b.c"), /^p[0-9a-f]{16}@example\.org$/);
  assert.match(made("phone", "+49 (30) 123-45"), /^\+[1-9]\d \(\d\d\) \d{3}-\d\d$/);
  assert.match(made("phone", "030 1234"), /^0\d\d \d{4}$/);
  assert.match(made("code", "DE-12 ab"), /^[A-Z]{2}-\d\d [a-z]{2}$/);
  assert.equal(made("date", "1980-05-17 12:30:00"), "1980-01-01 00:00:00");
  assert.equal(made("text", "Whatever was said"), "[anonymised]");
  assert.equal(made("keep", "as it was"), "as it was");
  assert.equal(pseudonym("empty", "gone", secret), undefined);
  assert.equal(made("name", "  "), "  ");
  fc.assert(
    fc.property(
      fc.constantFrom(...anonymiseKinds.filter((kind) => kind !== "mentions")),
      fc.string(),
      fc.integer({ min: 1, max: 60 }),
      (kind, value, most) => {
        const one = pseudonym(kind, value, secret, most);
        assert.equal(one, pseudonym(kind, value, secret, most));
        if (one === undefined || kind === "keep" || value.trim() === "") return;
        assert.ok(one.length <= most, `${kind} ${value}: ${one}`);
      },
    ),
  );
  const emails = Array.from({ length: 20_000 }, (_, at) => made("email", `${at}@firma.test`));
  const names = Array.from({ length: 20_000 }, (_, at) => made("name", `Person ${at}`));
  // 张一一 …: as people are called.
  const sign = (at: number): string => String.fromCodePoint(0x4e00 + at);
  const han = Array.from({ length: 20_000 }, (_, at) =>
    made("name", `张${sign(at % 200)}${sign(Math.floor(at / 200))}`),
  );
  assert.deepEqual(
    [emails, names, han].map((some) => new Set(some).size),
    [20_000, 20_000, 20_000],
  );
  assert.notEqual(pseudonym("name", "Anna", secret), pseudonym("name", "Anna", Buffer.from("another")));
});

test("numbers and codes of one form stay different, and a number is the same whatever stands between its digits", () => {
  const made = (kind: Parameters<typeof pseudonym>[0], value: string): string => pseudonym(kind, value, secret) ?? "";
  // As many as there are.
  const numbers = Array.from({ length: 9000 }, (_, at) => made("phone", `${1000 + at}`));
  assert.ok(numbers.every((one) => /^[1-9]\d{3}$/.test(one)));
  assert.ok(new Set(numbers).size >= 8990, `${new Set(numbers).size}`);
  const mobiles = Array.from({ length: 50_000 }, (_, at) => made("phone", `0171 ${String(at).padStart(5, "0")}`));
  assert.ok(new Set(mobiles).size >= 49_990);
  const codes = Array.from({ length: 20_000 }, (_, at) => made("code", `K${String(at).padStart(5, "0")}`));
  assert.equal(new Set(codes).size, 20_000);
  assert.ok(codes.every((one) => /^[A-Z]\d{5}$/.test(one)));
  const digits = (text: string): string => text.replaceAll(/\D/g, "");
  assert.equal(digits(made("phone", "+49 (30) 1234567")), digits(made("phone", "49/301234567")));
  assert.notEqual(made("code", "K00001"), pseudonym("code", "K00001", Buffer.from("another")));
});
