/** Memory that is used again and again, and grows to the largest that was asked for. */
export class Scratch {
  #bytes = Buffer.alloc(0);

  of(length: number): Buffer {
    if (this.#bytes.length < length) this.#bytes = Buffer.allocUnsafeSlow(Math.max(length, smallest));
    return this.#bytes;
  }
}

const smallest = 64 << 10;
