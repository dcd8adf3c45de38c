import { type Erasure, erasureFile, parseErasure } from "../contents/erasure.ts";
import { OverlayBlobs } from "../contents/journal/overlay-blobs.ts";
import { layout } from "../contents/layout.ts";
import { subtreeAt } from "../contents/open-snapshot.ts";
import { heldRows, type HeldRows } from "../contents/records/held-rows.ts";
import type { HandleRules } from "../contents/records/record-handle.ts";
import type { StoredTable } from "../contents/tables/stored-table.ts";
import { withNode } from "../contents/tables/virtual-nodes.ts";
import type { TableSchema } from "../database/database.ts";
import type { Id } from "../format/tree.ts";
import { nameFromText } from "../lib/byte-name.ts";
import type { BlobReader, StoredSnapshot } from "../repository/repository.ts";
import { crmOf } from "./points.ts";
import { openRecordSnapshot } from "./record-snapshot.ts";

/**
 * The ledger: what was erased from what restores give back, a snapshot each under `/<crm>.ledger`. Whoever opens a point
 * (`open-point.ts`, `reach-moment.ts`) applies it, so that nobody further up can forget to.
 */
export const ledgerSuffix = ".ledger";

export function isErasure(stored: StoredSnapshot): boolean {
  return crmOf(stored).endsWith(ledgerSuffix);
}

/** Erasures of a CRM, oldest first. One that cannot be read fails: without it too much would be given back. */
export type ErasureReader = (
  reader: BlobReader,
  snapshots: readonly StoredSnapshot[],
  crm: string,
  signal: AbortSignal,
) => Promise<readonly Erasure[]>;

export const readErasures: ErasureReader = async (reader, snapshots, crm, signal) => {
  const erasures: Erasure[] = [];
  for (const stored of snapshots.filter((one) => crmOf(one) === `${crm}${ledgerSuffix}`)) {
    const read = await openRecordSnapshot(reader, stored, signal);
    erasures.push(parseErasure(await read(erasureFile)));
  }
  return erasures;
};

/** Remembers them, where many points are opened. */
export function erasureReader(): ErasureReader {
  const known = new Map<string, Promise<readonly Erasure[]>>();
  return (reader, snapshots, crm, signal) => {
    const erasures = known.get(crm) ?? readErasures(reader, snapshots, crm, signal);
    known.set(crm, erasures);
    return erasures;
  };
}

/** What is held back of one point, and how much of it was met so far. */
export class PointErasures {
  readonly #erasures: readonly Erasure[];
  /** RFC 3339: of the point. */
  readonly #time: string;
  readonly #rows = new Set<string>();
  #files = 0;

  constructor(erasures: readonly Erasure[], time: string) {
    this.#erasures = erasures;
    this.#time = time;
  }

  get state(): "none" | "some" {
    return this.#erasures.length === 0 ? "none" : "some";
  }

  get counts(): { readonly rows: number; readonly files: number } {
    return { rows: this.#rows.size, files: this.#files };
  }

  /** Told each time when a row is passed over. */
  note(database: string, table: TableSchema, line: string): void {
    this.#rows.add(
      `${database} ${table.schema} ${table.name} ${table.keyLength === 0 ? line : line.split("\t", table.keyLength).join("\t")}`,
    );
  }

  async of(
    database: string,
    table: TableSchema,
    rules: HandleRules,
    tables: readonly TableSchema[],
    open: (table: TableSchema) => Promise<Pick<StoredTable, "get">>,
    signal: AbortSignal,
  ): Promise<HeldRows | undefined> {
    if (this.#erasures.length === 0) return undefined;
    const get = async (one: TableSchema, key: string) =>
      one.keyLength === 0 ? undefined : (await open(one)).get(key, signal);
    return await heldRows({ erasures: this.#erasures, database, tables, rules, time: this.#time, get }, table);
  }

  /** The tree of a CRM without files that are held back: it may exist in the reader that comes with it only. */
  async withoutFiles(
    reader: BlobReader,
    tree: Id,
    signal: AbortSignal,
  ): Promise<{ readonly reader: BlobReader; readonly tree: Id }> {
    const files = this.#erasures.flatMap((erasure) => erasure.files);
    if (files.length === 0 || (await subtreeAt(reader, tree, [layout.files], signal)) === undefined) {
      return { reader, tree };
    }
    const blobs = new OverlayBlobs(reader);
    const without = async (at: Id, names: readonly string[]): Promise<Id> => {
      const [name, ...rest] = names;
      const found = await blobs.loadTree(at, signal);
      const node = found.nodes.find((one) => one.name === name);
      if (!node) return at;
      if (rest.length === 0) {
        if (node.type !== "file") return at;
        this.#files++;
        return await blobs.sink.tree({ nodes: found.nodes.filter((one) => one !== node) });
      }
      if (node.subtree === undefined) return at;
      const inner = await without(node.subtree, rest);
      return inner === node.subtree ? at : await blobs.sink.tree(withNode(found, { ...node, subtree: inner }));
    };
    let root = tree;
    for (const { folder, path } of files) {
      root = await without(root, [layout.files, nameFromText(folder), ...path.split("/")]);
    }
    return { reader: blobs, tree: root };
  }
}
