import { statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { captureDatabase, type DatabaseCapture, type RowWatcher } from "../contents/databases.ts";
import { captureFolder, type FolderCapture } from "../contents/folders/capture-folder.ts";
import { encodeDetails, fieldsOf, nodeOf } from "../contents/folders/folder-node.ts";
import type { TouchedRows } from "../contents/journal/touched-keys.ts";
import type { DatabaseManifest, FolderManifest } from "../contents/manifest.ts";
import type { AttachmentRule, CrmParts } from "../crm/platform.ts";
import type { DatabaseEngine } from "../database/database.ts";
import type {
  ConnectOptions,
  DatabaseAddress,
  DatabaseSnapshot,
  DatabaseSource,
  SnapshotOf,
  TableSchema,
} from "../database/database.ts";
import { rootEntry } from "../files/scan.ts";
import type { TreeNode } from "../format/tree.ts";
import { nameFromText } from "../lib/byte-name.ts";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import type { Warning } from "../lib/events.ts";
import type { Limits } from "../lib/limits.ts";
import type { Run } from "../lib/run.ts";
import { systemCode } from "../lib/system-code.ts";
import type { IndexedRepository, Upload } from "../repository/repository.ts";
import { type AttachmentLedger, learnPlaces } from "./attachments.ts";
import type { BackupInput } from "./backup.ts";
import type { Early } from "./early.ts";
import { databaseEngineFor, databaseFiles, type Engine } from "./engine.ts";
import type { KeyWatch } from "./key-watch.ts";
import { coveredFolders } from "./left-out.ts";
import { paceOf } from "./pace-of.ts";
import { databaseInParent, folderToCompare, type StartingPoint } from "./starting-point.ts";

/** What the parts of one backup share. */
export interface Capture {
  readonly engine: Engine;
  readonly input: BackupInput;
  readonly parts: CrmParts;
  /** What a backup sees of a database. */
  readonly momentOf: (url: string, run: Run) => Promise<Moment>;
  readonly start: StartingPoint;
  readonly indexed: IndexedRepository;
  readonly upload: Upload;
  readonly run: Run;
  readonly started: Date;
  /** What the journal says was touched since the parent. */
  readonly touched: (
    parent: DatabaseManifest,
    database: DatabaseEngine,
    snapshot: DatabaseSnapshot,
  ) => Promise<TouchedRows | undefined>;
  /** Reports a warning and makes it part of the outcome. */
  readonly warn: (warning: Warning) => void;
}

/** One moment of a database, with the way to it. */
export interface Moment extends AsyncDisposable {
  readonly source: DatabaseSource;
  readonly snapshot: DatabaseSnapshot;
}

export async function openMoment(
  engine: Engine,
  address: DatabaseAddress,
  { signal, report }: Run,
  {
    connections,
    what,
    unread,
  }: Pick<Limits, "connections"> & Pick<ConnectOptions, "unread"> & { readonly what?: SnapshotOf } = {},
): Promise<Moment> {
  await using opening = new AsyncDisposableStack();
  const options: ConnectOptions = {
    signal,
    ...(connections !== undefined && { connections }),
    ...(unread && { unread }),
    onWait: (facts) => report({ type: "note", code: "waiting-for-table", facts }),
  };
  const source = opening.use(await databaseEngineFor(engine, address.url).connect(address, options));
  const snapshot = opening.use(await source.snapshot(signal, what));
  const opened = opening.move();
  return { source, snapshot, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

/** Captures every database at one moment each, of which the first may be taken already; any failure means no snapshot. */
export async function captureDatabases(
  capture: Capture,
  early: Early<Moment> | undefined,
  ledger: AttachmentLedger | undefined,
  keys: KeyWatch,
): Promise<readonly DatabaseCapture[]> {
  const { engine, parts, start, indexed, run } = capture;
  const captured: DatabaseCapture[] = [];
  for (const { name, url } of parts.databases) {
    run.report({ type: "phase", phase: "database", subject: name });
    const database = databaseEngineFor(engine, url);
    const taken = captured.length === 0 ? early : undefined;
    await using moment = await (taken?.take() ?? capture.momentOf(url, run));
    const { source, snapshot } = moment;
    const parent = await databaseInParent(start, name, indexed, run.signal);
    const { attachments } = parts;
    if (ledger && attachments) {
      const rowsOf = (table: TableSchema) => snapshot.reader(table).read({}, run.signal);
      await learnPlaces(attachments, snapshot.schema.tables, database, rowsOf);
    }
    const touched =
      parent && start.kind === "incremental" && (await capture.touched(parent.manifest, database, snapshot));
    const one = await captureDatabase({
      snapshot,
      engine: database,
      name,
      location: url,
      ...(parent && { parent }),
      kind: start.kind,
      ...(touched && { touched }),
      store: capture.upload,
      reader: capture.upload,
      cutKey: indexed.repository.secret("rows"),
      emptyTables: parts.emptyTables,
      pace: paceOf(capture.input.limits, "read", source, run),
      search: capture.input.search,
      time: capture.started.toISOString(),
      onBatch: watcher(ledger, parts.attachments, keys, database),
      signal: run.signal,
      report: run.report,
    });
    const [file] = databaseFiles(engine, url);
    const status = file === undefined ? undefined : statSync(file);
    const owner = status && { permissions: status.mode & 0o7777, uid: status.uid, gid: status.gid };
    captured.push({ ...one, manifest: { ...one.manifest, ...(owner && { file: owner }) } });
  }
  return captured;
}

/** Notes which files the rows own, of the tables that own any, and which keys they need. */
function watcher(
  ledger: AttachmentLedger | undefined,
  rule: AttachmentRule | undefined,
  keys: KeyWatch,
  engine: DatabaseEngine,
): RowWatcher {
  return {
    wants: (table) => rule?.ownsFiles(table) === true || keys.wants(table),
    see: (table, batch) => {
      keys.see(table, batch, engine);
      if (!ledger || !rule?.ownsFiles(table)) return;
      ledger.own(rule.files(table, batch, engine));
      if (rule.outside) ledger.keptOutside(rule.outside(table, batch, engine));
    },
  };
}

export interface CapturedFolder extends FolderCapture {
  readonly manifest: FolderManifest;
}

/** Captures the folders, after the databases: so every row's file is there, or is reported. */
export async function captureFolders(
  capture: Capture,
  ledger: AttachmentLedger | undefined,
): Promise<readonly CapturedFolder[]> {
  const { parts, start, indexed, run } = capture;
  const captured: CapturedFolder[] = [];
  for (const { name, path, excludes } of coveredFolders(capture.engine, parts, indexed.repository.location)) {
    run.report({ type: "phase", phase: "files", subject: path });
    const { compare, also, lastFullTree } = await folderToCompare(start, name, indexed, run.signal);
    const one = await captureFolder(
      {
        path: nameFromText(path),
        excludes,
        kind: start.kind,
        ...(compare !== undefined && { compareWith: compare }),
        ...(also !== undefined && { countAgainst: also }),
        upload: capture.upload,
        reader: indexed,
        ...(ledger && { onFile: (file, ctimeNs) => ledger.file(name, file, ctimeNs) }),
      },
      { ...run, report: (event) => (event.type === "warning" ? capture.warn(event.warning) : run.report(event)) },
    ).catch((error: unknown) => {
      // Gone, no folder, or not to be read: the rest of the CRM is backed up all the same.
      if (!isHoldfastError(error, "source-missing")) throw error;
      const { reason = "ENOENT" } = error.facts;
      capture.warn({ code: "part-missing", subject: path, ...(reason !== "ENOENT" && { detail: String(reason) }) });
      return undefined;
    });
    if (one === undefined) continue;
    const manifest = {
      name,
      path,
      files: one.files,
      bytes: one.bytes,
      excludes,
      lastFullTree: lastFullTree ?? one.tree,
    };
    captured.push({ ...one, manifest });
  }
  return captured;
}

export interface CapturedConfig {
  readonly name: string;
  readonly path: string;
  readonly node: TreeNode;
}

/** The CRM's own configuration files and `holdfast.yaml`, small and read whole. */
export async function captureConfig(capture: Capture): Promise<readonly CapturedConfig[]> {
  const { input, parts, upload } = capture;
  const captured: CapturedConfig[] = [];
  for (const { name, path } of [...parts.config, { name: "holdfast.yaml", path: input.configFile }]) {
    try {
      const { entry, details } = rootEntry(nameFromText(path));
      const bytes = await readFile(path);
      const size = bytes.length;
      const content = await upload.bytes(bytes, "hot");
      const node = nodeOf(
        entry,
        fieldsOf(entry),
        encodeDetails(details, () => nameFromText(path), capture.warn),
      );
      captured.push({ name, path, node: { ...node, name: nameFromText(name), type: "file", size, content } });
    } catch (error) {
      if (error instanceof HoldfastError) throw error;
      const code = systemCode(error) ?? "";
      if (code === "ENOENT") capture.warn({ code: "part-missing", subject: path });
      else capture.warn({ code: "file-unreadable", subject: path, detail: code });
    }
  }
  const names = new Set(captured.map(({ name }) => name));
  if (names.size < captured.length) throw new HoldfastError("internal", { detail: basename(input.configFile) });
  return captured;
}
