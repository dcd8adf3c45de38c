import { accessSync, constants, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { CrmDescription, CrmParts } from "../crm/platform.ts";
import type { DatabaseAddress, DatabaseRights } from "../database/database.ts";
import { predictFolder } from "../contents/folders/predict-folder.ts";
import { nameFromText, nameText } from "../lib/byte-name.ts";
import { isHoldfastError } from "../lib/errors.ts";
import type { Run } from "../lib/run.ts";
import type { StoredSnapshot } from "../repository/repository.ts";
import { openFor } from "./access.ts";
import { copyPlaces } from "./copy-places.ts";
import { addressesOf } from "./database-address.ts";
import { databaseEngineFor, databaseFiles, platformNamed, type Engine, type RepositoryAccess } from "./engine.ts";
import { kitWasUsed } from "./kit.ts";
import { backupsOf, outcomeOf } from "./points.ts";
import { listUndoable } from "./undo.ts";

export interface DoctorInput {
  readonly crms: readonly CrmDescription[];
  readonly configFile?: string;
  /** Absent when the password could not be read: `passwordProblem` says why. */
  readonly repository?: RepositoryAccess;
  /** Path of the password file, where it is one. */
  readonly passwordFile?: string;
  /** Where the copies are that the configuration names; absent: there is no configuration. */
  readonly copies?: readonly string[];
}

export const doctorCodes = [
  "config-read",
  "repository-opened",
  "repository-failed",
  "password-file-private",
  "password-file-open",
  "kit-used",
  "kit-unused",
  "copies-enough",
  "copies-few",
  "repository-same-disk",
  "password-same-disk",
  "crm-failed",
  "crm-recognised",
  "database-read",
  "database-failed",
  "changes-by-wal",
  "changes-by-xmin",
  "changes-by-hash",
  "changes-by-read",
  "rights-enough",
  "rights-missing",
  "table-unkeyed",
  "not-covered",
  "keys-found",
  "key-missing",
  "key-absent",
  "maintenance",
  "folder-read",
  "folder-missing",
  "files-unreadable",
  "config-file-missing",
  "config-file-unreadable",
  "owners-not-restorable",
  "clone-possible",
  "clone-impossible",
  "backup-none",
  "backup-newest",
  "backup-newest-warning",
  "restore-half-made",
] as const;
export type DoctorCode = (typeof doctorCodes)[number];

export interface DoctorCheck {
  readonly state: "ok" | "warning" | "failed";
  /** Key of `words` under `doctor`. */
  readonly code: DoctorCode;
  readonly facts: Readonly<Record<string, string | number>>;
  /** CRM that it is about, absent: all. */
  readonly crm?: string;
}

export interface DoctorReport {
  readonly type: "doctor";
  readonly checks: readonly DoctorCheck[];
}

type Tell = (state: DoctorCheck["state"], code: DoctorCode, facts?: DoctorCheck["facts"]) => void;

/** Looks at everything a backup needs and everything that would be missed on the worst day. Changes nothing. */
export async function doctor(engine: Engine, input: DoctorInput, run: Run): Promise<DoctorReport> {
  const checks: DoctorCheck[] = [];
  const tell: Tell = (state, code, facts = {}) => checks.push({ state, code, facts });
  if (input.configFile !== undefined) tell("ok", "config-read", { file: input.configFile });
  if (input.passwordFile !== undefined) checkPasswordFile(input.passwordFile, tell);
  const snapshots = input.repository ? await checkRepository(engine, input.repository, tell, run) : [];
  if (input.repository && input.copies) checkCopies([input.repository.location, ...input.copies], tell);
  for (const crm of input.crms) {
    const tellOfCrm: Tell = (state, code, facts = {}) => checks.push({ state, code, facts, crm: crm.name });
    await checkCrm(engine, crm, input, tellOfCrm, run);
    checkBackups(backupsOf(snapshots, crm.name), tellOfCrm, run);
  }
  for (const record of await listUndoable(engine)) {
    const { id, plan, crm, state, undoing } = record;
    if (state === "half-made") tell("failed", "restore-half-made", { id, crm, ...(!undoing && { plan }) });
  }
  return { type: "doctor", checks };
}

/** By their places alone: `holdfast copy` and its report say how fresh they are. */
function checkCopies(locations: readonly string[], tell: Tell): void {
  const { copies, kinds, elsewhere } = copyPlaces(locations);
  const isEnough = copies >= 3 && kinds >= 2 && elsewhere >= 1;
  tell(isEnough ? "ok" : "warning", isEnough ? "copies-enough" : "copies-few", { copies, kinds, elsewhere });
}

function checkPasswordFile(file: string, tell: Tell): void {
  const status = statSync(file, { throwIfNoEntry: false });
  if (!status) return;
  if ((status.mode & 0o077) === 0) tell("ok", "password-file-private", { file });
  else tell("warning", "password-file-open", { file });
}

async function checkRepository(
  engine: Engine,
  access: RepositoryAccess,
  tell: Tell,
  run: Run,
): Promise<readonly StoredSnapshot[]> {
  try {
    await using repository = await openFor(engine, access, run);
    const snapshots = await repository.snapshots(run.signal);
    tell("ok", "repository-opened", { location: repository.location, snapshots: snapshots.length });
    if (await kitWasUsed(engine, repository.id)) tell("ok", "kit-used");
    else tell("warning", "kit-unused");
    return snapshots;
  } catch (error) {
    if (!isHoldfastError(error)) throw error;
    tell("failed", "repository-failed", { location: access.location, error: error.code });
    return [];
  }
}

async function checkCrm(engine: Engine, crm: CrmDescription, input: DoctorInput, tell: Tell, run: Run): Promise<void> {
  let parts: CrmParts;
  try {
    const platform = platformNamed(engine, crm.platform);
    parts = await platform.parts(crm);
    tell("ok", "crm-recognised", { platform: platform.title, version: parts.version ?? "" });
    if (platform.neutralise(crm)) tell("ok", "clone-possible");
    else tell("ok", "clone-impossible");
  } catch (error) {
    if (!isHoldfastError(error)) throw error;
    tell("failed", "crm-failed", { error: error.code, detail: error.message });
    return;
  }
  const addressOf = await addressesOf(engine, crm, parts, run.signal).catch((error: unknown) => {
    if (!isHoldfastError(error)) throw error;
    tell("failed", "crm-failed", { error: error.code, detail: error.message });
    return (url: string) => ({ url });
  });
  for (const { url } of parts.databases) await checkDatabase(engine, addressOf(url), tell, run);
  for (const folder of parts.folders) await checkFolder(folder, tell, run);
  for (const file of parts.config) checkConfigFile(file.path, tell);
  for (const { subject, reason, loses } of parts.uncovered) {
    tell(loses === undefined ? "warning" : "ok", "not-covered", { subject, reason });
  }
  checkKeys(parts, tell);
  const { maintenance } = platformNamed(engine, crm.platform);
  if (maintenance) tell("ok", "maintenance", { how: maintenance.on });
  checkDisks(engine, parts, input, tell);
}

async function checkDatabase(engine: Engine, address: DatabaseAddress, tell: Tell, run: Run): Promise<void> {
  try {
    await using source = await databaseEngineFor(engine, address.url).connect(address, { signal: run.signal });
    const schema = await source.inspect(run.signal);
    tell("ok", "database-read", { location: source.location, tables: schema.tables.length });
    for (const table of schema.tables) {
      if (table.unkeyedBecause) tell("ok", "table-unkeyed", { table: table.name, because: table.unkeyedBecause });
    }
    for (const { subject, reason } of schema.uncovered) tell("warning", "not-covered", { subject, reason });
    if (source.changesBy) tell("ok", `changes-by-${await source.changesBy(run.signal)}`);
    if (source.rights) tellRights(await source.rights(run.signal), tell);
  } catch (error) {
    if (!isHoldfastError(error)) throw error;
    tell("failed", "database-failed", {
      url: address.url,
      error: error.code,
      detail: String(error.facts["detail"] ?? ""),
    });
  }
}

function tellRights({ user, missing, script }: DatabaseRights, tell: Tell): void {
  if (missing.length === 0) tell("ok", "rights-enough", { user });
  const [first] = missing;
  if (!first) return;
  tell("warning", "rights-missing", {
    user,
    count: missing.length,
    right: first.right,
    subject: first.subject,
    script,
  });
}

const namesShown = 20;

async function checkFolder(folder: CrmParts["folders"][number], tell: Tell, run: Run): Promise<void> {
  if (!statSync(folder.path, { throwIfNoEntry: false })?.isDirectory()) {
    tell("failed", "folder-missing", { path: folder.path });
    return;
  }
  const unreadable: string[] = [];
  const foreign = new Set<number>();
  const uid = process.getuid?.() ?? 0;
  const seen = await predictFolder({
    path: nameFromText(folder.path),
    excludes: folder.excludes,
    signal: run.signal,
    onEntry: (path, entry) => {
      if (uid !== 0 && entry.uid !== uid) foreign.add(entry.uid);
      if (uid !== 0 && entry.type === "file" && !isReadable(nameText(path))) unreadable.push(nameText(path));
    },
    onWarning: (warning) => unreadable.push(warning.subject),
  });
  tell("ok", "folder-read", { path: folder.path, files: seen.files, bytes: seen.bytes });
  if (unreadable.length > 0) {
    const names = unreadable.slice(0, namesShown).join(", ") + (unreadable.length > namesShown ? ", …" : "");
    tell("warning", "files-unreadable", { count: unreadable.length, names });
  }
  if (foreign.size > 0) {
    tell("warning", "owners-not-restorable", {
      path: folder.path,
      owners: [...foreign].toSorted((a, b) => a - b).join(", "),
    });
  }
}

function checkConfigFile(path: string, tell: Tell): void {
  if (!statSync(path, { throwIfNoEntry: false })) tell("warning", "config-file-missing", { path });
  else if (!isReadable(path)) tell("warning", "config-file-unreadable", { path });
}

/** Keys that are there, those that are missed, and those that are made when the CRM first needs them. */
function checkKeys({ keys = [] }: CrmParts, tell: Tell): void {
  const found = keys.filter(({ state }) => state === "found");
  if (found.length > 0) tell("ok", "keys-found", { names: found.map(({ name }) => name).join(", ") });
  for (const { name, path, use, usedBy } of keys.filter(({ state }) => state === "missing")) {
    if (usedBy === undefined) tell("warning", "key-missing", { name, path, use });
    else tell("ok", "key-absent", { name, path, use });
  }
}

/** A repository or a password that lies only on the CRM's own disk is lost with it. */
function checkDisks(engine: Engine, parts: CrmParts, input: DoctorInput, tell: Tell): void {
  const files = parts.databases.flatMap(({ url }) => databaseFiles(engine, url).slice(0, 1));
  const disks = new Set([...files, ...parts.folders.map(({ path }) => path)].map(diskOf));
  const location = input.repository?.location;
  if (location !== undefined && !/^[a-z0-9]+:/.test(location) && disks.has(diskOf(resolve(location)))) {
    tell("warning", "repository-same-disk", { location });
  }
  if (input.passwordFile !== undefined && disks.has(diskOf(input.passwordFile))) {
    tell("warning", "password-same-disk", { file: input.passwordFile });
  }
}

function checkBackups(backups: readonly StoredSnapshot[], tell: Tell, run: Run): void {
  const newest = backups.at(-1);
  if (!newest) {
    tell("warning", "backup-none");
    return;
  }
  const hours = Math.floor((run.now().getTime() - Date.parse(newest.snapshot.time)) / 3_600_000);
  const facts = { id: newest.id.slice(0, 8), time: newest.snapshot.time, hours };
  if (outcomeOf(newest) === "ok") tell("ok", "backup-newest", facts);
  else tell("warning", "backup-newest-warning", facts);
}

function diskOf(path: string): number {
  let at = path;
  for (;;) {
    const status = statSync(at, { throwIfNoEntry: false });
    if (status || at === "/") return status?.dev ?? 0;
    at = dirname(at);
  }
}

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}
