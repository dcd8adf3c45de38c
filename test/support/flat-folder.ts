import * as fs from "node:fs";
import { join } from "node:path";
import { formatTime } from "../../src/format/time.ts";
import type { Id, TreeNode } from "../../src/format/tree.ts";
import { nameFromText, nameText } from "../../src/lib/byte-name.ts";
import type {
  FileReadResult,
  FileToRead,
  FileToWrite,
  IndexedRepository,
  Upload,
} from "../../src/repository/repository.ts";

/** Uploads the files of a folder that has no folders inside, the plainest way: for tests of the repository alone. */
export async function uploadFlatFolder(
  upload: Upload,
  folder: string,
): Promise<{ readonly tree: Id; readonly results: ReadonlyMap<string, FileReadResult> }> {
  const results = new Map<string, FileReadResult>();
  const nodes = await Promise.all(
    fs
      .readdirSync(folder)
      .toSorted()
      .map(async (name): Promise<TreeNode | undefined> => {
        await upload.ready();
        const status = fs.lstatSync(join(folder, name), { bigint: true });
        const result = await upload.file(fileToRead(join(folder, name)));
        results.set(name, result);
        if (result.state !== "read") return undefined;
        const mtime = formatTime(status.mtimeNs);
        return {
          name: nameFromText(name),
          type: "file",
          mode: Number(status.mode & 0o777n),
          mtime,
          atime: mtime,
          ctime: mtime,
          uid: Number(status.uid),
          gid: Number(status.gid),
          size: result.size,
          content: result.content,
        };
      }),
  );
  return { tree: await upload.tree({ nodes: nodes.filter((node) => node !== undefined) }), results };
}

export function fileToRead(path: string): FileToRead {
  const status = fs.lstatSync(path);
  return { path: nameFromText(path), inode: status.ino, deviceId: status.dev, size: status.size };
}

/** Restores such a folder with `writeFiles`; the errors by name. */
export async function writeFlatFolder(
  indexed: IndexedRepository,
  tree: Id,
  target: string,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Error>> {
  fs.mkdirSync(target);
  const folder = fs.openSync(target, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
  const failed = new Map<string, Error>();
  let done = 0;
  try {
    const { nodes } = await indexed.loadTree(tree, signal);
    const files = nodes.map((node): FileToWrite => {
      const time = BigInt(Date.parse(node.mtime)) * 1_000_000n;
      return {
        folder,
        name: node.name,
        content: node.content ?? [],
        size: Number(node.size ?? 0),
        metadata: { mode: node.mode, atimeNs: time, mtimeNs: time, extendedAttributes: [] },
        done: (error) => {
          done++;
          if (error) failed.set(nameText(node.name), error);
        },
      };
    });
    await indexed.writeFiles(files, { signal, limits: { workers: 2, priority: "normal" }, placing: "direct" });
    if (done !== files.length) throw new Error(`${done} of ${files.length} files were answered`);
  } finally {
    fs.closeSync(folder);
  }
  return failed;
}
