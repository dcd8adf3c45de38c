import type { Id } from "../format/tree.ts";

/** Packs by a small number, which is what `BlobIndex` keeps of them. Used by the main thread alone. */
export class PackTable {
  readonly #ids: Id[] = [];
  readonly #numbers = new Map<Id, number>();
  readonly #ends: number[] = [];

  get count(): number {
    return this.#ids.length;
  }

  /** Of all packs, without their headers. */
  get bytes(): number {
    return this.#ends.reduce((sum, end) => sum + end, 0);
  }

  has(id: Id): boolean {
    return this.#numbers.has(id);
  }

  /** The number of a pack, a new one when it has none. */
  number(id: Id): number {
    const known = this.#numbers.get(id);
    if (known !== undefined) return known;
    this.#numbers.set(id, this.#ids.length);
    this.#ends.push(0);
    return this.#ids.push(id) - 1;
  }

  id(number: number): Id {
    const id = this.#ids[number];
    if (id === undefined) throw new RangeError(`no pack ${number}`);
    return id;
  }

  /** Notes that a blob ends there; `end` is then where the last one ends and the header starts. */
  extend(number: number, end: number): void {
    if (end > this.end(number)) this.#ends[number] = end;
  }

  end(number: number): number {
    return this.#ends[number] ?? 0;
  }
}
