import { randomBytes } from "node:crypto";
import { HoldfastError } from "../lib/errors.ts";
import { seal, unseal, type MasterKey } from "./crypto.ts";
import { asId, asString, asUint32, parseJson } from "./json-fields.ts";
import { isIrreducible, randomPolynomial } from "./polynomial.ts";
import type { Id } from "./tree.ts";

/** The repository's `config` file: sealed JSON, never compressed. Nothing but its seal protects it. */
export interface RepositoryConfig {
  readonly version: 2;
  /** Random; restic names its cache after it, so it is never used twice. */
  readonly id: Id;
  /** Hexadecimal without leading zeros. */
  readonly chunkerPolynomial: string;
}

/** Of a repository that is to cut files where another does, as restic cuts them: with that one's polynomial. */
export function newConfig(chunkerPolynomial: string = randomPolynomial().toString(16)): RepositoryConfig {
  return { version: 2, id: randomBytes(32).toString("hex"), chunkerPolynomial };
}

export function sealConfig(key: MasterKey, config: RepositoryConfig): Buffer {
  const { version, id, chunkerPolynomial } = config;
  return seal(key, Buffer.from(JSON.stringify({ version, id, chunker_polynomial: chunkerPolynomial })));
}

/**
 * `repository-damaged` when the seal or a field is wrong, `repository-unsupported` for another version of the format
 * (`restic migrate upgrade_repo_v2` turns version 1 into 2). Fields of other programs are ignored.
 */
export function openConfig(key: MasterKey, sealed: Uint8Array): RepositoryConfig {
  const json = parseJson(unseal(key, sealed), "config");
  const version = asUint32(json["version"], "config version");
  if (version !== 2) throw new HoldfastError("repository-unsupported", { version });
  const chunkerPolynomial = asString(json["chunker_polynomial"], "config chunker_polynomial");
  if (!/^[0-9a-f]{1,16}$/.test(chunkerPolynomial) || !isIrreducible(BigInt(`0x${chunkerPolynomial}`))) {
    throw new HoldfastError("repository-damaged", { reason: "config chunker_polynomial" });
  }
  return { version, id: asId(json["id"], "config id"), chunkerPolynomial };
}
