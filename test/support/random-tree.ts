import * as fs from "node:fs";
import * as fc from "fast-check";
import { makeNode, setExtendedAttribute, setLinkTimes } from "../../src/lib/posix.ts";
import type { ByteName } from "../../src/lib/byte-name.ts";

/** A folder tree to be made on disk, with everything that a backup must bring back. */
export interface RandomFolder {
  readonly type: "folder";
  readonly mode: number;
  readonly mtimeNs: bigint;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: ReadonlyMap<ByteName, RandomThing>;
}

export type RandomThing =
  | RandomFolder
  | {
      readonly type: "file";
      readonly mode: number;
      readonly mtimeNs: bigint;
      readonly attributes: Readonly<Record<string, string>>;
      readonly content: Buffer;
      /** Bytes of a hole before the content. */
      readonly hole: number;
    }
  | { readonly type: "symlink"; readonly mtimeNs: bigint; readonly target: ByteName }
  /** Another link to one of the files made before; to none, and then nothing, where there are none. */
  | { readonly type: "hard-link"; readonly pick: number }
  | { readonly type: "fifo" | "device"; readonly mode: number; readonly mtimeNs: bigint };

const forbidden = new Set([0, 0x2f]);

const oddName = fc
  .uint8Array({ minLength: 1, maxLength: 20 })
  .map((bytes) => Buffer.from(bytes.map((byte) => (forbidden.has(byte) ? 0xff : byte))).toString("latin1"));
const plainName = fc.constantFrom("a", "b", "c", "合同.pdf", "with space", "-dash", ".hidden", "n".repeat(255));
const entryName = fc
  .oneof(
    oddName,
    plainName.map((text) => Buffer.from(text).toString("latin1")),
  )
  .filter((name) => name !== "." && name !== "..") as fc.Arbitrary<ByteName>;

const mtimeNs = fc.oneof(
  fc.bigInt({ min: 0n, max: 4_000_000_000_000_000_000n }),
  fc.constantFrom(0n, 1n, -1n, -1_000_000_001n, 1_790_000_000_000_000_000n),
);
const permissions = fc.oneof(fc.integer({ min: 0o400, max: 0o777 }), fc.constantFrom(0o4755, 0o2750, 0o1777, 0));
const folderMode = fc.constantFrom(0o755, 0o700, 0o1777, 0o2775);
const attributes = fc.oneof(
  { weight: 3, arbitrary: fc.constant({}) },
  { weight: 1, arbitrary: fc.dictionary(fc.constantFrom("user.a", "user.标签"), fc.string({ maxLength: 9 })) },
);
const content = fc.oneof(
  fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes)),
  fc.tuple(fc.nat(255), fc.integer({ min: 0, max: 1_500_000 })).map(([byte, size]) => Buffer.alloc(size, byte)),
);
const hole = fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.constant(9 << 20) });

export function randomTree(options: { readonly devices: "yes" | "no" }): fc.Arbitrary<RandomFolder> {
  const special = fc.record({
    type:
      options.devices === "yes" ? fc.constantFrom("fifo" as const, "device" as const) : fc.constant("fifo" as const),
    mode: permissions,
    mtimeNs,
  });
  const file = fc.record({ type: fc.constant("file" as const), mode: permissions, mtimeNs, attributes, content, hole });
  const symlink = fc.record({ type: fc.constant("symlink" as const), mtimeNs, target: entryName });
  const hardLink = fc.record({ type: fc.constant("hard-link" as const), pick: fc.nat(100) });
  const { tree } = fc.letrec<{ tree: RandomFolder; thing: RandomThing }>((tie) => ({
    thing: fc.oneof({ maxDepth: 3, depthSize: "small" }, file, symlink, hardLink, special, file, tie("tree")),
    tree: fc.record({
      type: fc.constant("folder" as const),
      mode: folderMode,
      mtimeNs,
      attributes,
      children: fc.array(fc.tuple(entryName, tie("thing")), { maxLength: 8 }).map((all) => new Map(all)),
    }),
  }));
  return tree;
}

/** Makes the tree; its root too. */
export function makeTree(root: string, tree: RandomFolder): void {
  fs.mkdirSync(root);
  makeFolder(Buffer.from(root).toString("latin1") as ByteName, tree, []);
}

function makeFolder(path: ByteName, folder: RandomFolder, files: ByteName[]): void {
  for (const [name, thing] of folder.children) makeThing(`${path}/${name}` as ByteName, thing, files);
  for (const [name, value] of Object.entries(folder.attributes)) setExtendedAttribute(path, name, Buffer.from(value));
  fs.chmodSync(Buffer.from(path, "latin1"), folder.mode);
  setLinkTimes(path, folder.mtimeNs, folder.mtimeNs);
}

function makeThing(path: ByteName, thing: RandomThing, files: ByteName[]): void {
  const bytes = Buffer.from(path, "latin1");
  switch (thing.type) {
    case "folder":
      fs.mkdirSync(bytes);
      return makeFolder(path, thing, files);
    case "hard-link": {
      const existing = files[thing.pick % Math.max(files.length, 1)];
      if (existing !== undefined) fs.linkSync(Buffer.from(existing, "latin1"), bytes);
      return;
    }
    case "symlink":
      fs.symlinkSync(Buffer.from(thing.target, "latin1"), bytes);
      return setLinkTimes(path, thing.mtimeNs, thing.mtimeNs);
    case "file": {
      const descriptor = fs.openSync(bytes, "wx");
      fs.ftruncateSync(descriptor, thing.hole);
      fs.writeSync(descriptor, thing.content, 0, thing.content.length, thing.hole);
      fs.closeSync(descriptor);
      for (const [name, value] of Object.entries(thing.attributes))
        setExtendedAttribute(path, name, Buffer.from(value));
      files.push(path);
      break;
    }
    default:
      makeNode(path, (thing.type === "fifo" ? fs.constants.S_IFIFO : fs.constants.S_IFCHR) | 0o600, 0x0103);
  }
  fs.chmodSync(bytes, thing.mode);
  setLinkTimes(path, thing.mtimeNs, thing.mtimeNs);
}
