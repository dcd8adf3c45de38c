import { predictFolder } from "../contents/folders/predict-folder.ts";
import { fieldText, recordRows } from "../contents/records/record-row.ts";
import { rowTexts } from "../crm/column-texts.ts";
import type { CrmDescription, RestoredCopy, StoredSecret } from "../crm/platform.ts";
import type { TableSchema } from "../database/database.ts";
import { type ByteName, nameFromText } from "../lib/byte-name.ts";
import { isHoldfastError } from "../lib/errors.ts";
import type { Run } from "../lib/run.ts";
import { AttachmentLedger, learnPlaces } from "./attachments.ts";
import { databaseEngineFor, type Engine } from "./engine.ts";
import type { OpenedPoint } from "./open-point.ts";
import { placedFiles } from "./point-files.ts";
import { viewOf } from "./point-model.ts";
import type { RestoreReport } from "./restore-apply.ts";

/** A question to the restored database, from the configuration: passed by an answer that is neither NULL, 0 nor false. */
export interface SqlCheck {
  readonly name: string;
  readonly sql: string;
}

/**
 * - `rows`: each table's rows hash to what was noted when they were backed up, as the database itself computes it, and
 *   the engine's own check is clean; a restore ends otherwise.
 * - `references`: rows that name rows which are not there; those that were so in the recovery point are no fault of a restore.
 * - `files`: every file of the recovery point was written, and each row's file is there.
 * - `secret`: a value that the CRM stores encrypted opens with the restored keys.
 * - `sql`: a question of the operator's own.
 * - `application`: the CRM, started on the copy, gives a record as the recovery point has it.
 */
export interface DrillCheck {
  readonly kind: "rows" | "references" | "files" | "secret" | "sql" | "application";
  /** `none`: there was nothing to check; `skipped`: it could not be, `detail` says why (key of `words` under `drill.why`). */
  readonly state: "ok" | "failed" | "none" | "skipped";
  readonly subject?: string;
  readonly detail?: string;
}

export interface CopyToCheck {
  readonly engine: Engine;
  readonly point: OpenedPoint;
  readonly copy: RestoredCopy;
  readonly purpose: "clone" | "replacement";
  readonly restored?: RestoreReport;
  /** What was told while it was restored. */
  readonly notes: readonly { readonly code: string; readonly facts: Readonly<Record<string, unknown>> }[];
  readonly sql: readonly SqlCheck[];
}

export async function* checkCopy(input: CopyToCheck, run: Run): AsyncGenerator<DrillCheck, void> {
  const { point, notes } = input;
  const tables = point.databases.reduce((sum, { schema }) => sum + schema.tables.length, 0);
  yield { kind: "rows", state: tables === 0 ? "none" : "ok", detail: String(tables) };
  const orphans = notes
    .filter(({ code }) => code === "rows-without-parent")
    .map(({ facts }) => String(facts["relation"]));
  yield { kind: "references", state: "ok", ...(orphans.length > 0 && { detail: orphans.slice(0, 3).join("; ") }) };
  yield* checkFiles(input, run);
  yield* checkSecrets(input, run);
  yield* checkSql(input, run);
  yield await checkApplication(input, run);
}

/** Which file belongs to which row is worked out anew, as a backup of the copy would. */
async function* checkFiles({ point, copy, restored }: CopyToCheck, run: Run): AsyncGenerator<DrillCheck, void> {
  for (const { path, reason } of restored?.failed ?? []) {
    yield { kind: "files", state: "failed", subject: path, detail: reason };
  }
  const { platform, snapshot } = point;
  if (!platform || !snapshot) return;
  const { attachments: rule } = await platform.parts(describeCopy(snapshot.manifest.description, copy));
  if (rule) {
    const ledger = new AttachmentLedger(rule, new Date(0));
    for (const { engine: rules, schema, open } of point.databases) {
      const rowsOf = async function* (table: TableSchema) {
        yield* (await open(table)).rows({}, run.signal);
      };
      await learnPlaces(rule, schema.tables, rules, rowsOf);
      for (const table of schema.tables.filter(rule.ownsFiles)) {
        for await (const batch of rowsOf(table)) ledger.own(rule.files(table, batch, rules));
      }
    }
    for (const { name, path } of copy.folders) {
      const root = nameFromText(`${path}/`);
      const onEntry = (at: ByteName): void => ledger.file(name, at.slice(root.length) as ByteName, 1n);
      await predictFolder({ path: nameFromText(path), excludes: [], signal: run.signal, onEntry });
    }
    const { known, warnings } = snapshot.manifest;
    const before = new Set([...known, ...warnings].map(({ code, subject }) => `${code} ${subject}`));
    const lost = ledger
      .warnings()
      .filter(({ code, subject }) => code === "file-missing" && !before.has(`${code} ${subject}`));
    for (const { subject, detail } of lost)
      yield { kind: "files", state: "failed", subject, ...(detail && { detail }) };
    if (lost.length > 0) return;
  }
  if ((restored?.failed.length ?? 0) > 0) return;
  const files = restored?.files ?? 0;
  yield { kind: "files", state: files === 0 ? "none" : "ok", detail: String(files) };
}

/** The CRM as it is described where it was restored to. */
function describeCopy(was: CrmDescription, { databases, folders, config }: RestoredCopy): CrmDescription {
  const { databasePassword: _, ...description } = was;
  const configuration =
    was.configuration === undefined ? undefined : config.find(({ name }) => was.configuration?.endsWith(`/${name}`));
  const main = databases.find(({ name }) => name === "main");
  return {
    ...description,
    ...(configuration && { configuration: configuration.path }),
    ...(was.database !== undefined && main && { database: main.url }),
    files: was.files.map((folder) => folders.find(({ name }) => name === folder.name) ?? folder),
  };
}

async function* checkSecrets({ point, copy }: CopyToCheck, run: Run): AsyncGenerator<DrillCheck, void> {
  const secrets = await point.platform?.secrets?.(placedFiles(copy));
  if (!secrets) return;
  for (const secret of secrets) {
    const state = await openStored(point, secret, run.signal);
    if (state === undefined) continue;
    yield { kind: "secret", state, subject: `${secret.table}.${secret.column}` };
    return; // one that opens proves the keys, one that does not needs no second
  }
  yield { kind: "secret", state: "none" };
}

/** The first value in the column that is encrypted; `undefined`: there is none. */
async function openStored(
  point: OpenedPoint,
  secret: StoredSecret,
  signal: AbortSignal,
): Promise<"ok" | "failed" | undefined> {
  const { database = "main", table: name, column, where, context } = secret;
  const found = point.databases.find((one) => one.name === database);
  const table = found?.schema.tables.find((one) => one.name === name);
  if (!found || !table) return undefined;
  const columns = [column, ...(where ? [where.column] : []), ...(context === undefined ? [] : [context])];
  for await (const batch of (await found.open(table)).rows({}, signal)) {
    for (const { texts } of rowTexts(found.engine, table, batch, columns)) {
      const [value, second] = texts;
      if (value === undefined || value === "" || (where && second !== where.equals)) continue;
      const opened = secret.open(value, context === undefined ? undefined : texts.at(-1));
      if (opened !== "plain") return opened === "opened" ? "ok" : "failed";
    }
  }
  return undefined;
}

async function* checkSql({ engine, copy, sql }: CopyToCheck, run: Run): AsyncGenerator<DrillCheck, void> {
  const [database] = copy.databases;
  for (const { name, sql: statement } of sql) {
    if (!database) {
      yield { kind: "sql", state: "skipped", subject: name, detail: "no-database" };
      continue;
    }
    try {
      const answer = await databaseEngineFor(engine, database.url).ask(database, statement, run.signal);
      // 0.00 is a 0 too, and so is what Number makes of no text at all.
      const isPassed = answer !== null && Number(answer) !== 0 && !["f", "false"].includes(answer.toLowerCase());
      yield { kind: "sql", state: isPassed ? "ok" : "failed", subject: name, detail: answer ?? "NULL" };
    } catch (error) {
      if (!isHoldfastError(error)) throw error;
      yield { kind: "sql", state: "failed", subject: name, detail: String(error.facts["reason"] ?? error.code) };
    }
  }
}

/** Only a copy that was made harmless is ever started. */
async function checkApplication(input: CopyToCheck, run: Run): Promise<DrillCheck> {
  const { point, copy, purpose } = input;
  const kind = "application";
  if (!point.platform?.start) return { kind, state: "skipped", detail: "not-startable" };
  if (purpose !== "clone") return { kind, state: "skipped", detail: "not-neutralised" };
  const known = await knownRecord(point, run.signal);
  if (!known) return { kind, state: "skipped", detail: "no-record" };
  try {
    await using running = await point.platform.start(copy, run.signal);
    if (!running) return { kind, state: "skipped", detail: "not-installed" };
    const { table, key, column, text } = known;
    const answer = await running.ask(table, key, column);
    const subject = `${table} ${key}`;
    return answer === text
      ? { kind, state: "ok", subject, detail: text }
      : { kind, state: "failed", subject, detail: answer ?? "" };
  } catch (error) {
    run.signal.throwIfAborted();
    return {
      kind,
      state: "failed",
      detail: isHoldfastError(error) ? String(error.facts["reason"] ?? error.code) : String(error),
    };
  }
}

/** A record of the first entity that has one with a name. */
async function knownRecord(point: OpenedPoint, signal: AbortSignal) {
  const [database] = point.databases;
  if (!database) return undefined;
  const { relations } = await viewOf(point, database, signal);
  for (const { entity, table } of relations.entities) {
    const title = entity.title.find(({ extension }) => extension === undefined)?.column;
    const at = table.columns.findIndex(({ name }) => name === title);
    if (at < 0 || table.keyLength !== 1) continue;
    for await (const batch of (await database.open(table)).rows({}, signal)) {
      for (const row of recordRows(table, batch)) {
        const [key, text] = [fieldText(row, 0, database.engine), fieldText(row, at, database.engine)];
        if (key && text) return { table: table.name, key, column: title ?? "", text };
      }
    }
  }
  return undefined;
}
