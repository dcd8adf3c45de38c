import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { type ErrorCode, isHoldfastError } from "../../src/lib/errors.ts";
import type { FileKind, Storage, StoredFile } from "../../src/storage/storage.ts";

/** A name that nothing has yet. */
export function fileOf(kind: FileKind = "data"): StoredFile {
  return { kind, name: randomBytes(32).toString("hex") };
}

/** All that a listing gives. */
export async function listed(
  storage: Storage,
  kind: FileKind,
): Promise<readonly { readonly name: string; readonly size: number }[]> {
  const found: { name: string; size: number }[] = [];
  for await (const one of storage.list(kind, new AbortController().signal)) found.push(one);
  return found;
}

/** Fails as it should; gives the error's facts, in which `secret` must not stand. */
export async function fails(
  promise: Promise<unknown>,
  code: ErrorCode,
  reason?: string,
  secret = "SECRET",
): Promise<Readonly<Record<string, unknown>>> {
  let facts: Readonly<Record<string, unknown>> = {};
  await assert.rejects(promise, (error) => {
    assert.ok(isHoldfastError(error, code), String(error));
    if (reason !== undefined) assert.equal(error.facts["reason"], reason);
    facts = error.facts;
    return true;
  });
  assert.ok(!JSON.stringify(facts).includes(secret), JSON.stringify(facts));
  return facts;
}
