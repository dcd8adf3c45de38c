import assert from "node:assert/strict";
import { test } from "node:test";
import { isHoldfastError } from "../lib/errors.ts";
import { newConfig, openConfig, sealConfig } from "./config-file.ts";
import { seal } from "./crypto.ts";
import { newMasterKey, normalisePassword, openKeyFile, parseKeyFile, sealKeyFile } from "./key-file.ts";
import { isIrreducible, randomPolynomial } from "./polynomial.ts";
import { openUnpacked, sealUnpacked, sha256 } from "./unpacked.ts";

const options = { now: () => new Date("2026-11-22T08:00:00Z"), host: { hostname: "h", username: "u" } };
const damaged = (error: unknown): boolean => isHoldfastError(error, "repository-damaged");

test("a key file opens with its password only", async () => {
  const key = newMasterKey();
  const { name, bytes } = await sealKeyFile(key, "pässword 密码", options);
  assert.deepEqual(await openKeyFile(name, bytes, "pässword 密码"), key);
  assert.equal(await openKeyFile(name, bytes, "password"), undefined);
});

test("a key file that is damaged, or asks for too much, is refused before any work is done", async () => {
  const { bytes } = await sealKeyFile(newMasterKey(), "x", options);
  const fields = JSON.parse(bytes.toString()) as Record<string, unknown>;
  for (const change of [
    { N: 2 ** 30 },
    { N: 32_767 },
    { N: 1 },
    { p: 2 ** 20 },
    { p: 0 },
    { r: -1 },
    { r: 2 ** 31 },
    { kdf: "bcrypt" },
    { salt: "c2hvcnQ=" },
    { data: "???" },
    { N: null },
  ]) {
    const wrong = Buffer.from(JSON.stringify({ ...fields, ...change }));
    assert.throws(() => parseKeyFile(sha256(wrong), wrong), damaged, JSON.stringify(change));
  }
  const cut = bytes.subarray(0, 100);
  assert.throws(() => parseKeyFile(sha256(cut), cut), damaged);
  assert.throws(() => parseKeyFile("ab".repeat(32), bytes), damaged);
  // rustic's parameters.
  const large = Buffer.from(JSON.stringify({ ...fields, N: 131_072, p: 1 }));
  assert.equal(parseKeyFile(sha256(large), large).parameters.cost, 131_072);
});

test("password files are read as restic reads them", () => {
  for (const [bytes, password] of [
    [Buffer.from("secret\n"), "secret"],
    [Buffer.from(" \t two words \r\n"), "two words"],
    [Buffer.from("\ufeffsecret\n"), "secret"],
    [Buffer.from("\ufeff密码\n", "utf16le"), "密码"],
    [Buffer.from("\ufeffmot\r\n", "utf16le").swap16(), "mot"],
    [Buffer.from("\u0085\u00a0x\u3000"), "x"],
    [Buffer.from("x\ufeff"), "x\ufeff"],
    [Buffer.from("\n"), ""],
    [Buffer.from(""), ""],
  ] as const) {
    assert.equal(normalisePassword(bytes), password);
  }
  assert.throws(
    () => normalisePassword(Buffer.from([0x70, 0xff])),
    (error) => isHoldfastError(error, "config-secret"),
  );
});

test("polynomials are told apart, and ours are irreducible", () => {
  for (const good of [0x25b468838dcb75n, 0x203dfc839b35fdn, 0x2e285344369d95n]) assert.ok(isIrreducible(good));
  for (const bad of [0x20000000000001n, 0x25b468838dcb74n, 0n, 1n]) assert.ok(!isIrreducible(bad));
  const own = randomPolynomial();
  assert.ok(isIrreducible(own));
  assert.equal(own.toString(2).length, 54);
});

test("config: ours is read back, others' are checked", () => {
  const key = newMasterKey();
  const config = newConfig();
  assert.deepEqual(openConfig(key, sealConfig(key, config)), config);
  const open = (fields: object): unknown => openConfig(key, seal(key, Buffer.from(JSON.stringify(fields))));
  const { id, chunkerPolynomial } = config;
  const right = { version: 2, id, chunker_polynomial: chunkerPolynomial };
  assert.deepEqual(open({ ...right, chunker: "rabin", is_hot: false }), config);
  assert.throws(
    () => open({ ...right, version: 1 }),
    (error) => isHoldfastError(error, "repository-unsupported"),
  );
  assert.throws(
    () => open({ ...right, version: 3 }),
    (error) => isHoldfastError(error, "repository-unsupported"),
  );
  assert.throws(() => open({ ...right, chunker_polynomial: "20000000000001" }), damaged);
  assert.throws(() => open({ ...right, id: "x" }), damaged);
  assert.throws(() => openConfig(newMasterKey(), sealConfig(key, config)), damaged);
});

test("sealed JSON: both forms are read, a foreign key and unknown kinds refused", () => {
  const key = newMasterKey();
  const { name, bytes } = sealUnpacked(key, '{"a":1}');
  assert.equal(name, sha256(bytes));
  assert.equal(openUnpacked(key, bytes).toString(), '{"a":1}');
  assert.equal(openUnpacked(key, seal(key, Buffer.from('{"v":1}'))).toString(), '{"v":1}');
  assert.equal(openUnpacked(key, seal(key, Buffer.from("[]"))).toString(), "[]");
  for (const wrong of ["", "\x03abc", "\x02abc", "x"]) {
    assert.throws(() => openUnpacked(key, seal(key, Buffer.from(wrong, "latin1"))), damaged);
  }
  assert.throws(() => openUnpacked(newMasterKey(), bytes), damaged);
});
