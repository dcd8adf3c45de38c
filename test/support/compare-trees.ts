import assert from "node:assert/strict";
import * as fs from "node:fs";
import { readExtendedAttributes } from "../../src/lib/posix.ts";

/** What need not be equal. */
export type Aspect = "owner" | "links" | "attributes" | "times" | "folder-times" | "mode" | "root";

/**
 * Compares two folders in every respect: names as bytes, types, modes, owners, modification times to the nanosecond,
 * extended attributes, link targets, devices, sizes, contents, numbers of links, and which names are links to one
 * file. Independent of how Holdfast reads and writes trees, but for attributes, which Node cannot read.
 *
 * @returns one line for each difference, none when they are equal
 */
export function compareTrees(a: string, b: string, ignored: readonly Aspect[] = []): readonly string[] {
  const comparison = new Comparison(new Set(ignored));
  comparison.run(a, b);
  return comparison.differences;
}

/** Fails with the differences of `compareTrees`. */
export function assertSameTrees(actual: string, expected: string, ignored: readonly Aspect[] = []): void {
  assert.deepEqual(compareTrees(actual, expected, ignored), []);
}

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = fs.constants;
const atOnce = 1 << 20;

class Comparison {
  readonly differences: string[] = [];
  readonly #ignored: ReadonlySet<Aspect>;
  /** For each side: the first path seen of an inode with several links. */
  readonly #groups = [new Map<bigint, string>(), new Map<bigint, string>()] as const;

  constructor(ignored: ReadonlySet<Aspect>) {
    this.#ignored = ignored;
  }

  run(a: string, b: string): void {
    const left = fs.openSync(a, O_RDONLY | O_DIRECTORY);
    const right = fs.openSync(b, O_RDONLY | O_DIRECTORY);
    if (!this.#ignored.has("root")) this.#metadata(".", Buffer.from(`${a}/.`), Buffer.from(`${b}/.`));
    this.#folder("", left, right);
  }

  /** Closes both. Paths go through the open folder, so that no tree is too deep. */
  #folder(inside: string, left: number, right: number): void {
    const names = (fd: number): Set<string> =>
      new Set(fs.readdirSync(`/proc/self/fd/${fd}`, { encoding: "latin1" as BufferEncoding }));
    const there = names(right);
    const here = names(left);
    for (const name of there) if (!here.has(name)) this.#differ(inside + name, "missing");
    for (const name of here) {
      const path = inside + name;
      if (!there.has(name)) {
        this.#differ(path, "should not be there");
        continue;
      }
      const one = Buffer.from(`/proc/self/fd/${left}/${name}`, "latin1");
      const other = Buffer.from(`/proc/self/fd/${right}/${name}`, "latin1");
      if (!this.#metadata(path, one, other)) continue;
      const type = fs.lstatSync(one);
      if (type.isDirectory()) {
        const flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
        this.#folder(`${path}/`, fs.openSync(one, flags), fs.openSync(other, flags));
      } else if (type.isSymbolicLink()) {
        const encoding = "latin1" as BufferEncoding;
        this.#same(path, "target", fs.readlinkSync(one, { encoding }), fs.readlinkSync(other, { encoding }));
      } else if (type.isFile()) {
        this.#contents(path, one, other);
      }
    }
    fs.closeSync(left);
    fs.closeSync(right);
  }

  /** Whether both are of one type. */
  #metadata(path: string, one: Buffer, other: Buffer): boolean {
    const a = fs.lstatSync(one, { bigint: true });
    const b = fs.lstatSync(other, { bigint: true });
    const format = BigInt(fs.constants.S_IFMT);
    if (!this.#same(path, "type", (a.mode & format).toString(8), (b.mode & format).toString(8))) return false;
    const ignored = this.#ignored;
    if (!a.isSymbolicLink() && !ignored.has("mode")) this.#same(path, "mode", a.mode.toString(8), b.mode.toString(8));
    if (!ignored.has("owner")) this.#same(path, "owner", `${a.uid}:${a.gid}`, `${b.uid}:${b.gid}`);
    const timesCount = !ignored.has("times") && !(a.isDirectory() && ignored.has("folder-times"));
    if (timesCount) this.#same(path, "mtime", a.mtimeNs, b.mtimeNs);
    if (a.isBlockDevice() || a.isCharacterDevice()) this.#same(path, "device", a.rdev, b.rdev);
    if (a.isFile()) this.#same(path, "size", a.size, b.size);
    if (!a.isDirectory() && !ignored.has("links")) {
      this.#same(path, "links", a.nlink, b.nlink);
      this.#same(path, "linked with", this.#group(0, a, path), this.#group(1, b, path));
    }
    if (!ignored.has("attributes")) this.#same(path, "attributes", attributes(one), attributes(other));
    return true;
  }

  #group(side: 0 | 1, status: fs.BigIntStats, path: string): string {
    const first = this.#groups[side].get(status.ino) ?? path;
    if (status.nlink > 1n) this.#groups[side].set(status.ino, first);
    return first;
  }

  #contents(path: string, one: Buffer, other: Buffer): void {
    const left = fs.openSync(one, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    const right = fs.openSync(other, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    const a = Buffer.alloc(atOnce);
    const b = Buffer.alloc(atOnce);
    for (let position = 0; ; position += atOnce) {
      const length = fs.readSync(left, a, 0, atOnce, position);
      const same =
        fs.readSync(right, b, 0, atOnce, position) === length && a.subarray(0, length).equals(b.subarray(0, length));
      if (!same) this.#differ(path, `contents differ in the MiB from ${position} on`);
      if (!same || length < atOnce) break;
    }
    fs.closeSync(left);
    fs.closeSync(right);
  }

  #same(path: string, what: string, a: string | bigint, b: string | bigint): boolean {
    if (a !== b) this.#differ(path, `${what} ${a}, expected ${b}`);
    return a === b;
  }

  #differ(path: string, difference: string): void {
    this.differences.push(`${Buffer.from(path, "latin1").toString("utf8")}: ${difference}`);
  }
}

function attributes(path: Buffer): string {
  const found = readExtendedAttributes(path).map(({ name, value }) => `${name}=${value.toString("hex")}`);
  return found.toSorted().join(" ");
}
