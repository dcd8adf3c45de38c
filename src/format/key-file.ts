import { randomBytes, scrypt } from "node:crypto";
import { isUtf8 } from "node:buffer";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import { seal, unseal, type MasterKey } from "./crypto.ts";
import { asBase64, asObject, asOptionalString, asString, asUint32, type JsonObject, parseJson } from "./json-fields.ts";
import type { Id } from "./tree.ts";
import { sha256, type SealedFile } from "./unpacked.ts";

/**
 * A key file: the repository's master key, sealed with a key that scrypt derives from one password. Plain JSON, not
 * encrypted. Each password has its own file; all hold the same master key, so a leaked master key cannot be taken back
 * by removing a password: that needs a copy into a new repository.
 */
export interface KeyParameters {
  /** scrypt's N, r and p: memory is 128·N·r bytes, time goes with N·r·p. */
  readonly cost: number;
  readonly blockSize: number;
  readonly parallel: number;
}

/** 32 MiB and about 0.2 s on this decade's machines; N and r as restic writes them. */
const ownParameters: KeyParameters = { cost: 32_768, blockSize: 8, parallel: 3 };
const saltBytes = 64;
/** What a hostile key file may make us spend: 1 GiB of memory, and about half a minute. rustic writes 128 MiB. */
const maxMemory = 1024 * 1024 * 1024;
const maxWork = 2 ** 27;

export function newMasterKey(): MasterKey {
  return { encrypt: randomBytes(32), macK: randomBytes(16), macR: randomBytes(16) };
}

/**
 * The text of a password file, by restic's rules, so that one file opens the repository with both programs: a byte
 * order mark says UTF-8 or UTF-16 and is dropped, white space around the password is trimmed.
 * `config-secret` when the bytes are no text.
 */
export function normalisePassword(bytes: Uint8Array): string {
  return decodeText(Buffer.from(bytes)).replace(aroundPassword, "");
}

/** Unicode's White_Space, which is what Go trims; JavaScript's `trim` takes U+FEFF too and leaves U+0085. */
const aroundPassword =
  /^[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+|[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+$/g;

function decodeText(bytes: Buffer): string {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return bytes.toString("utf16le", 2);
  if (bytes[0] === 0xfe && bytes[1] === 0xff) {
    return bytes
      .subarray(2, bytes.length - (bytes.length % 2))
      .swap16()
      .toString("utf16le");
  }
  if (!isUtf8(bytes)) throw new HoldfastError("config-secret", { reason: "password is not UTF-8" });
  const marked = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
  return bytes.toString("utf8", marked ? 3 : 0);
}

export interface KeyFileOptions {
  readonly now: () => Date;
  readonly host: { readonly hostname: string; readonly username: string };
}

/** A new key file for `password`; its seal is opened again before it is given out. */
export async function sealKeyFile(key: MasterKey, password: string, options: KeyFileOptions): Promise<SealedFile> {
  const salt = randomBytes(saltBytes);
  const userKey = await deriveKey(password, { salt, parameters: ownParameters });
  const { encrypt, macK, macR } = key;
  const secret = JSON.stringify({
    mac: { k: macK.toString("base64"), r: macR.toString("base64") },
    encrypt: encrypt.toString("base64"),
  });
  const data = seal(userKey, Buffer.from(secret));
  parseMasterKey(unseal(userKey, data));
  const json = JSON.stringify({
    created: options.now().toISOString(),
    username: options.host.username,
    hostname: options.host.hostname,
    kdf: "scrypt",
    N: ownParameters.cost,
    r: ownParameters.blockSize,
    p: ownParameters.parallel,
    salt: salt.toString("base64"),
    data: data.toString("base64"),
  });
  const bytes = Buffer.from(json);
  return { name: sha256(bytes), bytes };
}

/**
 * The master key, or `undefined` when the password is not the one of this file. `repository-damaged` when `bytes` do
 * not belong to `name`, are no key file, or ask for more memory or time than any honest one does.
 */
export async function openKeyFile(
  name: Id,
  bytes: Uint8Array,
  password: string,
  derive: DeriveKey = deriveKey,
): Promise<MasterKey | undefined> {
  checkName(name, bytes);
  return openDamagedKeyFile(bytes, password, derive);
}

/**
 * The same of a file whose contents do not fit its name: a bit that flipped in a host's name leaves the sealed master
 * key as good as it was, and what opens with the password is no forgery.
 */
export async function openDamagedKeyFile(
  bytes: Uint8Array,
  password: string,
  derive: DeriveKey = deriveKey,
): Promise<MasterKey | undefined> {
  const { data, ...salted } = parse(bytes);
  const userKey = await derive(password, salted);
  let secret: Buffer;
  try {
    secret = unseal(userKey, data);
  } catch (error) {
    if (isHoldfastError(error, "repository-damaged")) return undefined;
    throw error;
  }
  return parseMasterKey(secret);
}

/** What scrypt is told beside the password. No secret, and of no use for trying passwords without the rest of the key file. */
export interface Salted {
  readonly salt: Buffer;
  readonly parameters: KeyParameters;
}

/** What a key file says without its password. */
export interface KeyFile extends Salted {
  readonly data: Buffer;
  /** As its writer had it: RFC 3339, mostly. Empty where it does not say. */
  readonly created: string;
  readonly username: string;
  readonly hostname: string;
}

/** Checked; `repository-damaged` as `openKeyFile`. */
export function parseKeyFile(name: Id, bytes: Uint8Array): KeyFile {
  checkName(name, bytes);
  return parse(bytes);
}

function checkName(name: Id, bytes: Uint8Array): void {
  if (sha256(bytes) !== name) throw new HoldfastError("repository-damaged", { reason: "key file: name" });
}

function parse(bytes: Uint8Array): KeyFile {
  const json = parseJson(bytes, "key file");
  const salted = saltedOf(json);
  const data = asBase64(json["data"], "key file: data");
  const said = (field: string): string => asOptionalString(json[field], `key file: ${field}`) ?? "";
  return {
    ...salted,
    data,
    created: said("created"),
    username: said("username"),
    hostname: said("hostname"),
  };
}

function saltedOf(json: JsonObject): Salted {
  if (asString(json["kdf"], "key file: kdf") !== "scrypt") {
    throw new HoldfastError("repository-damaged", { reason: "key file: kdf" });
  }
  const salt = asBase64(json["salt"], "key file: salt");
  const parameters = {
    cost: asUint32(json["N"], "key file: N"),
    blockSize: asUint32(json["r"], "key file: r"),
    parallel: asUint32(json["p"], "key file: p"),
  };
  checkParameters(salt, parameters);
  return { salt, parameters };
}

/** Of a key file, or of what `encodeSalted` made; checked as a key file is. */
export function parseSalted(bytes: Uint8Array): Salted {
  return saltedOf(parseJson(bytes, "key file"));
}

/** Nothing of the key file but this. */
export function encodeSalted({ salt, parameters: { cost, blockSize, parallel } }: Salted): Buffer {
  return Buffer.from(
    JSON.stringify({ kdf: "scrypt", N: cost, r: blockSize, p: parallel, salt: salt.toString("base64") }),
  );
}

function checkParameters(salt: Buffer, { cost, blockSize, parallel }: KeyParameters): void {
  const fits =
    salt.length === saltBytes &&
    cost > 1 &&
    Number.isInteger(Math.log2(cost)) &&
    blockSize > 0 &&
    parallel > 0 &&
    128 * cost * blockSize <= maxMemory &&
    cost * blockSize * parallel <= maxWork;
  if (!fits) throw new HoldfastError("repository-damaged", { reason: "key file: parameters" });
}

function parseMasterKey(secret: Buffer): MasterKey {
  const json = parseJson(secret, "master key");
  const mac = asObject(json["mac"], "master key: mac");
  const key = {
    encrypt: asBase64(json["encrypt"], "master key: encrypt"),
    macK: asBase64(mac["k"], "master key: k"),
    macR: asBase64(mac["r"], "master key: r"),
  };
  const valid =
    key.encrypt.length === 32 &&
    key.macK.length === 16 &&
    key.macR.length === 16 &&
    [key.encrypt, key.macK, key.macR].every((part) => part.some((byte) => byte !== 0));
  if (!valid) throw new HoldfastError("repository-damaged", { reason: "master key" });
  return key;
}

export type DeriveKey = (password: string, salted: Salted) => Promise<MasterKey>;

/** A fifth of a second on a thread of its own; begins at once. */
export function deriveKey(password: string, { salt, parameters }: Salted): Promise<MasterKey> {
  const { cost, blockSize, parallel } = parameters;
  const maxmem = 128 * cost * blockSize + 128 * parallel * blockSize + 1024 * 1024;
  return new Promise((resolve, reject) => {
    const options = { N: cost, r: blockSize, p: parallel, maxmem };
    scrypt(Buffer.from(password, "utf8"), salt, 64, options, (error, derived) => {
      if (error) reject(error);
      else {
        resolve({ encrypt: derived.subarray(0, 32), macK: derived.subarray(32, 48), macR: derived.subarray(48, 64) });
      }
    });
  });
}
