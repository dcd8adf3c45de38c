import { isHoldfastError } from "../../lib/errors.ts";
import type { SnapshotMark } from "./changes.ts";

/** So many bytes of tables are summed up in the time that reading the definitions takes. */
const worthBytes = 64 << 20;

/**
 * The mark of a snapshot that was taken without definitions. They are read when a mark saves more than they cost: not for
 * tables that are so small, all together, that summing them up is quicker.
 */
export class MarkSource {
  readonly #read: () => Promise<SnapshotMark>;
  #summedUpBytes = 0;
  #mark: Promise<SnapshotMark | undefined> | undefined;

  constructor(read: () => Promise<SnapshotMark>) {
    this.#read = read;
  }

  /** `undefined`: not worth it for a table of so many bytes. */
  async worthFor(bytes: number): Promise<SnapshotMark | undefined> {
    if (this.#mark) return this.#mark;
    this.#summedUpBytes += bytes;
    if (this.#summedUpBytes <= worthBytes) return undefined;
    return (this.#mark = this.#readOrNone());
  }

  /** Somebody may wait for a table that this moment holds: then they cannot be read before he has given up. */
  async #readOrNone(): Promise<SnapshotMark | undefined> {
    try {
      return await this.#read();
    } catch (error) {
      if (isHoldfastError(error, "database-busy")) return undefined;
      throw error;
    }
  }
}
