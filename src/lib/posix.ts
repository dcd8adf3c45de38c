/**
 * The few calls of the C library that Node does not offer: a look at a name inside an open folder, times to the
 * nanosecond, extended attributes, holes, device nodes, file locks, the two special renames and I/O priority. The only file that knows the foreign-function
 * library, which is loaded by the first call and by nothing else: commands that need none of this do not pay for it.
 *
 * Linux on x64 and arm64, glibc 2.28 or newer. Every function throws an error like those of `node:fs`: with `code`
 * (`ENOENT`), `errno` (negative), `syscall` and, where there is one, `path`.
 *
 * A path is a `ByteName` or a Buffer and never goes through UTF-8; links at its end are never followed.
 */
import { isUtf8 } from "node:buffer";
import { constants } from "node:fs";
import { createRequire } from "node:module";
import * as os from "node:os";
import { getSystemErrorMessage, getSystemErrorName } from "node:util";
import type * as Koffi from "koffi";
import { nameText, type ByteName } from "./byte-name.ts";

export type NativePath = ByteName | Buffer;

/** A path (the thing itself, never what a link at its end points to) or an open descriptor. */
export type NativeTarget = NativePath | number;

export interface NativeAttribute {
  readonly name: string;
  readonly value: Buffer;
  /** Its name is no UTF-8: what is here of it serves to be shown, and the value was not read. */
  readonly isUnnameable?: true;
}

/** A stretch of a file that holds data; between two of them is a hole that reads as zeros. */
export interface DataRange {
  readonly offset: number;
  readonly length: number;
}

/** What `lstat` tells, with exact numbers. */
export interface NativeStatus {
  /** `st_mode`: type and permission bits. */
  readonly mode: number;
  readonly links: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** `bigint` only above `Number.MAX_SAFE_INTEGER`. */
  readonly inode: bigint | number;
  readonly deviceId: number;
  /** `st_rdev` of a device, else 0. */
  readonly device: number;
  readonly atimeNs: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}

const currentFolder = -100; // AT_FDCWD
const noFollow = 0x100; // AT_SYMLINK_NOFOLLOW
const { errno } = os.constants;
const noPath = Buffer.alloc(1);
const stateWords = [40, 44, 96, 100, 104, 112, 116, 120]; // stx_size, stx_ctime, stx_mtime

/**
 * `lstat` of a name inside an open folder: the path to the folder may be longer than the system allows, or may have
 * been changed by somebody, and the answer is still about the folder that was opened. Half the cost of `fs.lstatSync`.
 * With an empty name, of the open thing itself.
 */
export function statAt(folder: number, name: NativePath): NativeStatus {
  const c = library();
  const noAutomount = 0x800; // AT_NO_AUTOMOUNT: looking must not mount anything
  const emptyPath = 0x1000; // AT_EMPTY_PATH
  const basicStats = 0x7ff; // STATX_BASIC_STATS
  if (c.statx(folder, put(c.path, name), noFollow | noAutomount | emptyPath, basicStats, c.status) !== 0) {
    throw failure(c, "statx", name);
  }
  // struct statx, the same on every architecture
  const s = c.status;
  return {
    mode: s.getUint16(28, true),
    links: s.getUint32(16, true),
    uid: s.getUint32(20, true),
    gid: s.getUint32(24, true),
    size: Number(whole(s, 40)),
    inode: whole(s, 32),
    deviceId: deviceNumber(s.getUint32(136, true), s.getUint32(140, true)),
    device: deviceNumber(s.getUint32(128, true), s.getUint32(132, true)),
    atimeNs: statusTime(s, 64),
    mtimeNs: statusTime(s, 112),
    ctimeNs: statusTime(s, 96),
  };
}

/** What an open file is, kept as the system told it: numbers are read only when asked for, since this is for very many. */
export class OpenFileStatus {
  // struct statx
  readonly #status = new DataView(new ArrayBuffer(256));

  /** Takes note of how the file is now. */
  look(fd: number): void {
    const c = library();
    const emptyPath = 0x1000; // AT_EMPTY_PATH
    const basicStats = 0x7ff; // STATX_BASIC_STATS
    if (c.statx(fd, noPath, emptyPath, basicStats, this.#status) !== 0) throw failure(c, "statx");
  }

  get isFile(): boolean {
    return (this.#status.getUint16(28, true) & constants.S_IFMT) === constants.S_IFREG;
  }

  get inode(): number {
    return Number(whole(this.#status, 32));
  }

  get deviceId(): number {
    return deviceNumber(this.#status.getUint32(136, true), this.#status.getUint32(140, true));
  }

  get size(): number {
    return Number(whole(this.#status, 40));
  }

  /** Less than the size in a file with holes. */
  get allocatedBytes(): number {
    return Number(whole(this.#status, 48)) * 512;
  }

  /** Whether size, modification and change time are the same. */
  isSameState(other: OpenFileStatus): boolean {
    return stateWords.every((offset) => this.#status.getUint32(offset, true) === other.#status.getUint32(offset, true));
  }
}

/** Asks for a part of an open file to be in memory soon. Only advice: nothing tells whether it was taken. */
export function willNeed(fd: number, offset: number, length: number): void {
  const advice = 3; // POSIX_FADV_WILLNEED
  library().fadvise(fd, offset, length, advice);
}

/**
 * Opens a name inside an open folder, with `O_CLOEXEC`: cheaper by 3 µs than a path through `/proc/self/fd`, which
 * counts where files are made by the hundred thousand.
 */
export function openAt(folder: number, name: NativePath, flags: number, mode = 0): number {
  const closeOnExec = 0o2000000; // O_CLOEXEC, the same on x64 and arm64
  const c = library();
  const fd = c.openat(folder, put(c.path, name), flags | closeOnExec, mode);
  if (fd < 0) throw failure(c, "open", name);
  return fd;
}

/** Sets access and modification time of an open file. */
export function setTimes(fd: number, atimeNs: bigint, mtimeNs: bigint): void {
  const c = library();
  putTimes(c, atimeNs, mtimeNs);
  if (c.futimens(fd, c.times) !== 0) throw failure(c, "futimens");
}

/** Sets the times of the thing at `path` itself: also of a link, a device, a folder that may not be opened. */
export function setLinkTimes(path: NativePath, atimeNs: bigint, mtimeNs: bigint): void {
  const c = library();
  putTimes(c, atimeNs, mtimeNs);
  if (c.utimensat(currentFolder, put(c.path, path), c.times, noFollow) !== 0) throw failure(c, "utimensat", path);
}

/** Names of the extended attributes, in the kernel's order; empty where the file system has none. */
export function listExtendedAttributes(target: NativeTarget): readonly string[] {
  return attributeNames(target).map((name) => name.toString("utf8"));
}

function attributeNames(target: NativeTarget): readonly Buffer[] {
  const c = library();
  for (;;) {
    const size =
      typeof target === "number"
        ? c.flistxattr(target, c.value, c.value.length)
        : c.llistxattr(put(c.path, target), c.value, c.value.length);
    if (size === 0) return [];
    if (size > 0) return splitNames(c.value.subarray(0, size));
    const code = c.errno();
    if (code === errno.ENOTSUP) return [];
    if (code !== errno.ERANGE || !growValue(c)) throw failure(c, "listxattr", target);
  }
}

/** Each ends with a NUL. */
function splitNames(list: Buffer): readonly Buffer[] {
  const names: Buffer[] = [];
  for (let at = 0; at < list.length;) {
    const end = list.indexOf(0, at);
    names.push(Buffer.from(list.subarray(at, end < 0 ? list.length : end)));
    at = end < 0 ? list.length : end + 1;
  }
  return names;
}

/** The value, or `undefined` when there is no attribute of this name (any more). */
export function getExtendedAttribute(target: NativeTarget, name: string): Buffer | undefined {
  const c = library();
  const nameBuffer = put(c.name, Buffer.from(name, "utf8"));
  for (;;) {
    const size =
      typeof target === "number"
        ? c.fgetxattr(target, nameBuffer, c.value, c.value.length)
        : c.lgetxattr(put(c.path, target), nameBuffer, c.value, c.value.length);
    if (size >= 0) return Buffer.from(c.value.subarray(0, size));
    const code = c.errno();
    if (code === errno.ENODATA) return undefined;
    if (code !== errno.ERANGE || !growValue(c)) throw failure(c, "getxattr", target);
  }
}

/** Names and values; one call when there are none, which is the rule. */
export function readExtendedAttributes(target: NativeTarget): readonly NativeAttribute[] {
  const found: NativeAttribute[] = [];
  for (const bytes of attributeNames(target)) {
    const name = bytes.toString("utf8");
    if (!isUtf8(bytes)) {
      found.push({ name, value: Buffer.alloc(0), isUnnameable: true });
      continue;
    }
    const value = getExtendedAttribute(target, name);
    if (value !== undefined) found.push({ name, value });
  }
  return found;
}

export function setExtendedAttribute(target: NativeTarget, name: string, value: Uint8Array): void {
  const c = library();
  const nameBuffer = put(c.name, Buffer.from(name, "utf8"));
  const result =
    typeof target === "number"
      ? c.fsetxattr(target, nameBuffer, value, value.length, 0)
      : c.lsetxattr(put(c.path, target), nameBuffer, value, value.length, 0);
  if (result !== 0) throw failure(c, "setxattr", target);
}

export function removeExtendedAttribute(target: NativeTarget, name: string): void {
  const c = library();
  const nameBuffer = put(c.name, Buffer.from(name, "utf8"));
  const result =
    typeof target === "number" ? c.fremovexattr(target, nameBuffer) : c.lremovexattr(put(c.path, target), nameBuffer);
  if (result !== 0) throw failure(c, "removexattr", target);
}

/**
 * The stretches of data in the first `size` bytes of a file, in order. A file system that knows no holes gives one.
 * Moves the descriptor's file position: read with explicit positions.
 */
export function* dataRanges(fd: number, size: number): Generator<DataRange> {
  const seekData = 3;
  const seekHole = 4;
  const c = library();
  let position = 0;
  while (position < size) {
    const start = Number(c.lseek(fd, position, seekData));
    if (start < 0) {
      const code = c.errno();
      if (code === errno.ENXIO) return; // nothing but a hole up to the end
      if (code !== errno.EINVAL && code !== errno.ENOTSUP) throw failure(c, "lseek");
      yield { offset: position, length: size - position };
      return;
    }
    if (start >= size) return;
    const end = Number(c.lseek(fd, start, seekHole));
    if (end < 0) throw failure(c, "lseek");
    position = Math.min(end, size);
    yield { offset: start, length: position - start };
  }
}

/**
 * Makes a device or a FIFO. `mode` is a whole `st_mode` with its type bits (`S_IFIFO`, `S_IFCHR`, `S_IFBLK`), `device`
 * an `st_rdev`. Devices need root.
 */
export function makeNode(path: NativePath, mode: number, device: bigint | number): void {
  const c = library();
  const number = os.arch() === "arm64" ? 33 : 259; // SYS_mknodat: the C library has had a `mknod` only since 2.33
  const result = c.mknodat(number, currentFolder, put(c.path, path), mode, Number(device));
  if (Number(result) !== 0) throw failure(c, "mknod", path);
}

/**
 * Lets everything else on the machine go first: nice 10 and the last place of the best-effort I/O class. On Linux both
 * belong to the calling thread and are inherited by threads it starts, so call this before the workers are started.
 */
export function lowerPriority(): void {
  const c = library();
  os.setPriority(10);
  const number = os.arch() === "arm64" ? 30 : 251; // SYS_ioprio_set
  const whoProcess = 1;
  const bestEffortLast = (2 << 13) | 7;
  if (Number(c.ioprioSet(number, whoProcess, 0, bestEffortLast)) !== 0) throw failure(c, "ioprio_set");
}

/** Takes an exclusive `flock`; false when somebody else holds it. Closing the descriptor gives it back. */
export function tryLockFile(fd: number): boolean {
  const exclusiveNonBlocking = 2 | 4;
  const c = library();
  if (c.flock(fd, exclusiveNonBlocking) === 0) return true;
  if (c.errno() === errno.EWOULDBLOCK) return false;
  throw failure(c, "flock");
}

const tcpOptions = 6; // IPPROTO_TCP
const quickAck = 12; // TCP_QUICKACK
const on = new Uint8Array([1, 0, 0, 0]);

/** Has the system acknowledge at once what comes next on a TCP connection. For speed alone: a refusal is ignored. */
export function acknowledgeQuickly(fd: number): void {
  library().setsockopt(fd, tcpOptions, quickAck, on, on.length);
}

/** Swaps two things of one file system in one step; both must be there. `EINVAL` where that cannot be done. */
export function exchange(pathA: NativePath, pathB: NativePath): void {
  renameWith(2, pathA, pathB);
}

/** Renames, but fails with `EEXIST` when `to` is there, whatever it is. `EINVAL` where that cannot be done. */
export function renameNoReplace(from: NativePath, to: NativePath): void {
  renameWith(1, from, to);
}

/** Waits until everything written to the file system of this descriptor is on the disk. */
export function syncFileSystem(fd: number): void {
  const c = library();
  if (c.syncfs(fd) !== 0) throw failure(c, "syncfs");
}

/** The same while others work. */
export function beginSyncFileSystem(fd: number): Promise<void> {
  const c = library();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  c.syncfs.async(fd, (error, result) => {
    if (error === null && result === 0) resolve();
    else reject(error ?? failure(c, "syncfs"));
  });
  return promise;
}

function renameWith(flags: number, from: NativePath, to: NativePath): void {
  const c = library();
  const result = c.renameat2(currentFolder, put(c.path, from), currentFolder, put(c.otherPath, to), flags);
  if (result !== 0) throw failure(c, "renameat2", from);
}

type Foreign<A extends readonly unknown[]> = (...values: A) => number;
type Path = Buffer;

interface Library {
  readonly status: DataView;
  readonly statx: Foreign<[number, Path, number, number, DataView]>;
  readonly errno: () => number;
  readonly openat: Foreign<[number, Path, number, number]>;
  readonly path: Path;
  readonly otherPath: Path;
  readonly name: Path;
  readonly times: BigInt64Array;
  value: Buffer;
  readonly futimens: Foreign<[number, BigInt64Array]>;
  readonly utimensat: Foreign<[number, Path, BigInt64Array, number]>;
  readonly llistxattr: Foreign<[Path, Buffer, number]>;
  readonly flistxattr: Foreign<[number, Buffer, number]>;
  readonly lgetxattr: Foreign<[Path, Path, Buffer, number]>;
  readonly fgetxattr: Foreign<[number, Path, Buffer, number]>;
  readonly lsetxattr: Foreign<[Path, Path, Uint8Array, number, number]>;
  readonly fsetxattr: Foreign<[number, Path, Uint8Array, number, number]>;
  readonly lremovexattr: Foreign<[Path, Path]>;
  readonly fremovexattr: Foreign<[number, Path]>;
  readonly lseek: (fd: number, offset: number, whence: number) => number | bigint;
  readonly fadvise: Foreign<[number, number, number, number]>;
  readonly mknodat: (number: number, fd: number, path: Path, mode: number, device: number) => number | bigint;
  readonly ioprioSet: (number: number, which: number, who: number, priority: number) => number | bigint;
  readonly flock: Foreign<[number, number]>;
  readonly setsockopt: Foreign<[number, number, number, Uint8Array, number]>;
  readonly renameat2: Foreign<[number, Path, number, Path, number]>;
  readonly syncfs: Foreign<[number]> & {
    readonly async: (fd: number, done: (error: unknown, result: number) => void) => void;
  };
}

/** One a thread: handles of the C library and the buffers that its calls read from and write to. */
let loaded: Library | undefined;

function library(): Library {
  if (loaded) return loaded;
  const koffi = createRequire(import.meta.url)("koffi") as typeof Koffi;
  const libc = koffi.load("libc.so.6");
  loaded = {
    errno: () => koffi.errno(),
    status: new DataView(new ArrayBuffer(256)),
    statx: libc.func("int statx(int, const void *, int, uint32_t, void *)"),
    // declared with `...` in C, which both architectures call in the same way
    openat: libc.func("int openat64(int, const void *, int, uint32_t)"),
    path: Buffer.alloc(4096), // PATH_MAX
    otherPath: Buffer.alloc(4096),
    name: Buffer.alloc(256), // XATTR_NAME_MAX and its NUL
    times: new BigInt64Array(4),
    value: Buffer.alloc(4096),
    futimens: libc.func("int futimens(int, const void *)"),
    utimensat: libc.func("int utimensat(int, const void *, const void *, int)"),
    llistxattr: libc.func("int64_t llistxattr(const void *, void *, size_t)"),
    flistxattr: libc.func("int64_t flistxattr(int, void *, size_t)"),
    lgetxattr: libc.func("int64_t lgetxattr(const void *, const void *, void *, size_t)"),
    fgetxattr: libc.func("int64_t fgetxattr(int, const void *, void *, size_t)"),
    lsetxattr: libc.func("int lsetxattr(const void *, const void *, const void *, size_t, int)"),
    fsetxattr: libc.func("int fsetxattr(int, const void *, const void *, size_t, int)"),
    lremovexattr: libc.func("int lremovexattr(const void *, const void *)"),
    fremovexattr: libc.func("int fremovexattr(int, const void *)"),
    lseek: libc.func("int64_t lseek64(int, int64_t, int)"),
    fadvise: libc.func("int posix_fadvise64(int, int64_t, int64_t, int)"),
    mknodat: libc.func("int64_t syscall(int64_t, int, const void *, uint32_t, uint32_t)"),
    ioprioSet: libc.func("int64_t syscall(int64_t, int, int, int)"),
    flock: libc.func("int flock(int, int)"),
    setsockopt: libc.func("int setsockopt(int, int, int, const void *, uint32_t)"),
    renameat2: libc.func("int renameat2(int, const void *, int, const void *, uint32_t)"),
    syncfs: libc.func("int syncfs(int)"),
  };
  return loaded;
}

/** Puts a path and its NUL into a buffer that the C library reads from. */
function put(buffer: Buffer, path: NativePath): Buffer {
  if (path.length >= buffer.length) throw named(errno.ENAMETOOLONG, "path", path);
  // a NUL inside would cut the path short and name something else
  if (typeof path === "string" ? path.includes("\0") : path.includes(0)) throw named(errno.EINVAL, "path", path);
  const length = typeof path === "string" ? buffer.write(path, 0, "latin1") : path.copy(buffer);
  buffer[length] = 0;
  return buffer;
}

function whole(status: DataView, offset: number): bigint | number {
  const high = status.getUint32(offset + 4, true);
  if (high >= 0x20_0000) return status.getBigUint64(offset, true);
  return high * 0x1_0000_0000 + status.getUint32(offset, true);
}

function statusTime(status: DataView, offset: number): bigint {
  return status.getBigInt64(offset, true) * 1_000_000_000n + BigInt(status.getUint32(offset + 8, true));
}

/** The C library's `makedev`; the kernel has 12 bits of major and 20 of minor numbers. */
function deviceNumber(major: number, minor: number): number {
  return (minor & 0xff) + (major & 0xfff) * 0x100 + (minor >>> 8) * 0x10_0000;
}

/** Two `struct timespec`: whole seconds, rounded down also before 1970, and nanoseconds. */
function putTimes(c: Library, atimeNs: bigint, mtimeNs: bigint): void {
  for (const [index, time] of [atimeNs, mtimeNs].entries()) {
    const rest = time % 1_000_000_000n;
    const nanoseconds = rest < 0n ? rest + 1_000_000_000n : rest;
    c.times[index * 2] = (time - nanoseconds) / 1_000_000_000n;
    c.times[index * 2 + 1] = nanoseconds;
  }
}

/** Linux holds values and lists of names up to 64 KiB; false once that is reached. */
function growValue(c: Library): boolean {
  if (c.value.length >= 65536) return false;
  c.value = Buffer.alloc(65536);
  return true;
}

function failure(c: Library, syscall: string, target?: NativeTarget): Error {
  return named(c.errno(), syscall, typeof target === "number" ? undefined : target);
}

function named(number: number, syscall: string, path?: NativePath): Error {
  const code = getSystemErrorName(-number);
  const shown = path === undefined ? undefined : typeof path === "string" ? nameText(path) : path.toString("utf8");
  const where = shown === undefined ? "" : ` '${shown}'`;
  const error = new Error(`${code}: ${getSystemErrorMessage(-number)}, ${syscall}${where}`);
  return Object.assign(error, { code, errno: -number, syscall }, shown === undefined ? {} : { path: shown });
}
