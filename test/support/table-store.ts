import type { Id } from "../../src/format/tree.ts";
import { captureTable, type CaptureTableOptions, type TableCapture } from "../../src/contents/tables/capture-table.ts";
import type { BlobReader, Upload } from "../../src/repository/repository.ts";
import { auditEvery } from "../../src/database/database.ts";
import { openTable, type StoredTable } from "../../src/contents/tables/stored-table.ts";
import { type TableSizes, tableSizes } from "../../src/contents/tables/table-sizes.ts";
import { contactTable, rules } from "./table-model.ts";
import { testRepository } from "./test-repository.ts";

/** Chunks, parts and ranges so small that a few hundred rows make many. */
export const smallSizes: TableSizes = {
  ...tableSizes,
  chunkMin: 64,
  chunkMax: 512,
  blobMax: 900,
  part: 4096,
  range: 2048,
  foldAbove: 1024,
};

/** Decides where chunks end. A repository has a secret one; here one for all, so that sizes are the same in each run. */
const cutKey = Buffer.alloc(32, "where chunks end");

/** Tables captured into a real repository in memory, within one upload. */
export interface TableStore {
  readonly upload: Upload;
  readonly signal: AbortSignal;
  /** Reads what was captured, and notes it in `loaded`. */
  readonly blobs: BlobReader;
  /** Ids of chunks that were read, newest last. */
  readonly loaded: Id[];
  capture(options: Pick<CaptureTableOptions, "reader" | "kind"> & Partial<CaptureTableOptions>): Promise<TableCapture>;
  open(tree: Id, table?: typeof contactTable, reader?: BlobReader): Promise<StoredTable>;
  /** Lines without LF, each as latin1. */
  lines(tree: Id, table?: typeof contactTable): Promise<string[]>;
}

export async function withTableStore(use: (store: TableStore) => Promise<void>): Promise<void> {
  await using repository = await testRepository();
  const { signal } = repository;
  await repository.upload(async (upload) => {
    const loaded: Id[] = [];
    const noting = (reader: BlobReader): BlobReader => ({
      has: (type, id) => reader.has(type, id),
      size: (type, id) => reader.size(type, id),
      load: (type, id, during) => {
        loaded.push(id);
        return reader.load(type, id, during);
      },
      loadTree: (id, during) => reader.loadTree(id, during),
      openTree: (id, during) => reader.openTree(id, during),
    });
    const blobs: BlobReader = {
      ...noting(upload),
      ahead: (ids, during) => {
        const ahead = upload.ahead(ids, during);
        return { ...noting(ahead), [Symbol.asyncDispose]: () => ahead[Symbol.asyncDispose]() };
      },
    };
    let serial = 0;
    const open = (tree: Id, table = contactTable, reader: BlobReader = blobs) =>
      openTable(reader, tree, table, rules, signal);
    await use({
      upload,
      signal,
      blobs,
      loaded,
      capture: (options) => {
        const time = new Date(Date.UTC(2026, 0, 1, 0, 0, serial++)).toISOString();
        return captureTable({
          rules,
          store: upload,
          blobs,
          cutKey,
          time,
          audit: serial % auditEvery,
          signal,
          sizes: smallSizes,
          ...options,
        });
      },
      open,
      lines: async (tree, table) => {
        const lines: string[] = [];
        for await (const batch of (await open(tree, table)).rows({}, signal)) {
          const found = batch.lines.toString("latin1").split("\n").slice(0, -1);
          if (found.length !== batch.rows) throw new Error(`${found.length} lines, ${batch.rows} rows`);
          lines.push(...found);
        }
        return lines;
      },
    });
    return { tree: await upload.tree({ nodes: [] }) };
  });
}
