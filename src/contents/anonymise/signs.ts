import { hash } from "node:crypto";

/** More than one `Set` holds: a CRM may have tens of millions of values. */
const shards = 64;

/** Texts of which only whether they are in it is to be known: 48 bits of each one's hash. */
export class Signs {
  readonly #sets = Array.from({ length: shards }, () => new Set<number>());

  add(text: string): void {
    const sign = signOf(text);
    this.#sets[sign % shards]?.add(sign);
  }

  has(text: string): boolean {
    const sign = signOf(text);
    return this.#sets[sign % shards]?.has(sign) === true;
  }
}

function signOf(text: string): number {
  return hash("sha1", text, "buffer").readUIntBE(0, 6);
}
