import { lstatSync } from "node:fs";
import { type OpenedSnapshot, subtreeAt } from "../contents/open-snapshot.ts";
import type { DatabaseAddress, DatabaseEngine } from "../database/database.ts";
import { throughOwnLinks } from "../files/open-folder.ts";
import type { Id } from "../format/tree.ts";
import { nameFromText, nameText } from "../lib/byte-name.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { Run } from "../lib/run.ts";
import type { BlobReader } from "../repository/repository.ts";
import type { AddressOf } from "./database-address.ts";
import { databaseEngineFor, type Engine } from "./engine.ts";
import { countMerge, type DatabaseWork } from "./restore-database.ts";
import type { RestoreDraft } from "./restore-draft.ts";
import type { DatabasePlace } from "./restore-places.ts";
import type { RestorePlan } from "./restore-plan.ts";
import { seeDatabase } from "./restore-target.ts";

export interface DatabaseInput extends Pick<DatabaseWork, "erased"> {
  readonly engine: Engine;
  readonly opened: OpenedSnapshot;
  readonly reader: BlobReader;
  readonly addressOf: AddressOf;
  readonly switches: RestorePlan["switches"];
  /** Whether it goes where the CRM is not: then nothing may be there yet. */
  readonly isElsewhere: boolean;
  /** Of a clone in which nobody is to be known. */
  readonly anonymised?: (database: DatabaseEngine) => NonNullable<DatabaseWork["anonymised"]>;
}

/** Works out what a restore does to one database. */
export async function prepareDatabase(
  draft: RestoreDraft,
  place: DatabasePlace,
  input: DatabaseInput,
  run: Run,
): Promise<void> {
  const { opened, reader, switches, erased, anonymised } = input;
  const manifest = opened.manifest.databases.find((one) => one.name === place.name);
  const tree = await subtreeAt(reader, opened.tree, ["databases", place.name], run.signal);
  if (!manifest || tree === undefined) throw new HoldfastError("repository-damaged", { subject: place.name });
  const database = databaseEngineFor(input.engine, place.url);
  const { name, url, shown, file } = whereLinksLead(draft, database, place);
  const address = input.addressOf(url);
  const exists = await seeDatabase(draft.witness, database, address, run.signal);
  const bytes = await treeBytes(reader, tree, run.signal);
  const rows = manifest.tables.reduce((total, table) => total + table.rows, 0);
  const part = { kind: "database", name, path: shown, rows, bytes } as const;
  const where = file === undefined ? { shown } : { shown, file: { path: file, owner: manifest.file } };
  const base = { name, engine: database, tree, address, erased, ...where } as const;
  const work = { ...base, ...(anonymised && { anonymised: anonymised(database) }) };
  if (file === undefined && exists === "yes" && input.isElsewhere) {
    // Nobody may lose a database by a slip of the hand: elsewhere means where nothing is.
    throw new HoldfastError("target-not-empty", { path: shown });
  }
  if (exists === "no") {
    const action = switches.createMissing ? "create" : "skip";
    draft.add({ ...part, action, ...(action === "skip" && { reason: "missing" }) });
    if (action === "create") draft.databases.push({ ...work, how: "exact" });
    return;
  }
  if (isExact(switches)) {
    draft.replacesLive = "yes";
    await warnOfLeft(draft, database, address, run.signal);
    draft.add({ ...part, action: "replace" });
    draft.databases.push({ ...work, how: "exact" });
    return;
  }
  const merge = { ...work, how: "merge" } as const;
  const counted = await countMerge(merge, reader, switches, run);
  if (typeof counted === "string") {
    draft.add({ ...part, action: "conflict", reason: counted });
    return;
  }
  const { counts, alike } = counted;
  if (counts.created + counts.updated + counts.removed === 0) {
    const reason = counts.differ + counts.newer + counts.missing === 0 ? "same" : "left";
    draft.add({ ...part, action: "skip", reason, changes: counts });
  } else {
    draft.replacesLive = "yes";
    await warnOfLeft(draft, database, address, run.signal);
    draft.add({ ...part, action: "update", changes: counts });
    draft.databases.push({ ...merge, alike });
  }
}

/** An administrator may have put the file on another disk: it is replaced there, and his link stays. Nobody else's is followed. */
function whereLinksLead(draft: RestoreDraft, { home }: DatabaseEngine, place: DatabasePlace): DatabasePlace {
  if (place.file === undefined || home.kind !== "file") return place;
  const file = nameText(throughOwnLinks(nameFromText(place.file)));
  if (lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink() === true)
    draft.warnings.push({ code: "link-replaced", subject: file });
  return file === place.file ? place : { ...place, url: home.urlOf(file), shown: file, file };
}

/** What replaces it trades names with it: said before, since an undo cannot bring it back. */
async function warnOfLeft(
  { warnings }: RestoreDraft,
  { home }: DatabaseEngine,
  address: DatabaseAddress,
  signal: AbortSignal,
): Promise<void> {
  if (home.kind === "file") return;
  for (const subject of (await home.leftByRename?.(address, signal)) ?? [])
    warnings.push({ code: "undo-without", subject });
}

function isExact(switches: RestorePlan["switches"]): boolean {
  return switches.createMissing && switches.updateChanged && switches.removeNewer;
}

/** Sum of the sizes of all files below a tree. */
async function treeBytes(reader: BlobReader, tree: Id, signal: AbortSignal): Promise<number> {
  let bytes = 0;
  const rest = [tree];
  for (let id = rest.pop(); id !== undefined; id = rest.pop()) {
    for (const node of (await reader.loadTree(id, signal)).nodes) {
      bytes += Number(node.size ?? 0);
      if (node.subtree !== undefined) rest.push(node.subtree);
    }
  }
  return bytes;
}
