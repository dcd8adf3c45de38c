import { openJournal } from "../contents/journal/open-journal.ts";
import { segmentsSince } from "../contents/journal/span-segments.ts";
import { type JournalTransaction, keysOf, transactionsOf, writersOf } from "../contents/journal/transactions.ts";
import { tableName } from "../database/change-feed.ts";
import type { RowKey } from "../database/database.ts";
import { compareTimes } from "../format/time.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { Run } from "../lib/run.ts";
import { openFor } from "./access.ts";
import type { Engine } from "./engine.ts";
import { chooseCrm } from "./points.ts";
import type { ChosenRoots, RecordRoots } from "./record-selection.ts";
import { planRestore, type RestorePlan, type RestorePlanInput } from "./restore-plan.ts";
import type { PointName } from "./snapshots.ts";

/** Whose changes are to be taken back. */
export type UndoCause =
  /** One transaction, by its number or position; `around`: its second, which saves looking through the whole journal. */
  | { readonly kind: "transaction"; readonly transaction: string; readonly around?: Date }
  /** What was committed behind the first moment and up to the second; `by`: by this user alone, as rows say. */
  | { readonly kind: "between"; readonly from: Date; readonly to: Date; readonly by?: string };

export interface UndoPlanInput extends Pick<RestorePlanInput, "repository" | "crm" | "crms" | "targetDatabase"> {
  readonly cause: UndoCause;
  /** Name of the database, of a CRM with several: each has transactions of its own. Absent: the one that has such changes. */
  readonly database?: string;
}

/**
 * Plans to put the rows back that a cause changed, as they were before it. A row that something else changed as well, since then or
 * meanwhile, is a conflict to decide, and stays as it is.
 */
export async function planUndo(engine: Engine, input: UndoPlanInput, run: Run): Promise<RestorePlan> {
  const { cause: _cause, database: _database, ...rest } = input;
  const found = await findCause(engine, input, run);
  return planRestore(
    engine,
    {
      ...rest,
      crm: found.crm,
      point: found.before,
      scope: {
        kind: "records",
        selection: { handles: [], keys: [], compared: [], in: [], until: found.after, related: "none", renames: [] },
      },
      switches: { createMissing: true, updateChanged: true, removeNewer: true },
      roots: found.roots,
    },
    run,
  );
}

interface FoundCause {
  readonly crm: string;
  readonly before: PointName;
  readonly after: PointName;
  readonly roots: ChosenRoots;
}

async function findCause(
  engine: Engine,
  { repository: access, crm: named, cause, database }: UndoPlanInput,
  run: Run,
): Promise<FoundCause> {
  await using repository = await openFor(engine, access, run);
  const snapshots = await repository.snapshots(run.signal);
  const crm = chooseCrm(snapshots, named);
  const journal = await openJournal(await repository.index(run.signal), snapshots, crm, run.signal);
  if (!journal) throw new HoldfastError("journal-none", { crm });
  const known = journal.databases.map(({ name }) => name);
  if (database !== undefined && !known.includes(database)) {
    throw new HoldfastError("database-unknown", { name: database, known: known.join(", ") });
  }
  const since = cause.kind === "between" ? cause.from : (cause.around ?? new Date(0));
  const found: { readonly roots: ChosenRoots; readonly only: JournalTransaction | undefined }[] = [];
  for (const name of known) {
    if (database !== undefined && name !== database) continue;
    const touched = new TouchedRows();
    let only: JournalTransaction | undefined;
    for await (const one of transactionsOf(segmentsSince(journal, name, since.toISOString(), run.signal))) {
      if (cause.kind === "transaction") {
        if (one.transaction !== cause.transaction && one.position !== cause.transaction) continue;
        only = one;
        touched.add(one);
        break;
      }
      if (compareTimes(one.time, cause.from.toISOString()) <= 0) continue;
      if (compareTimes(one.time, cause.to.toISOString()) > 0) break;
      const isHis =
        cause.by === undefined || writersOf(one.changes).has(Buffer.from(cause.by, "utf8").toString("latin1"));
      if (isHis) touched.add(one);
      else touched.leave(one);
    }
    const roots = touched.roots();
    if (roots.length > 0) found.push({ roots: { database: name, roots }, only });
  }
  // Rows of two databases are in no transaction together.
  if (found.length > 1) {
    throw new HoldfastError("undo-databases", { names: found.map(({ roots }) => roots.database).join(", ") });
  }
  const [{ roots, only } = {}] = found;
  if (!roots) {
    const text = cause.kind === "transaction" ? cause.transaction : (cause.by ?? "");
    throw new HoldfastError("moment-transaction", { text });
  }
  if (cause.kind === "between") {
    return { crm, before: { kind: "moment", time: cause.from }, after: { kind: "moment", time: cause.to }, roots };
  }
  const time = new Date(Math.ceil(Date.parse(only?.time ?? "")));
  const { transaction } = only ?? { transaction: cause.transaction };
  return {
    crm,
    before: { kind: "moment", time, transaction, side: "before" },
    after: { kind: "moment", time, transaction },
    roots,
  };
}

/** Keys of rows by their tables. */
class TouchedRows {
  readonly #tables = new Map<string, { readonly schema: string; readonly table: string; readonly keys: Set<RowKey> }>();
  readonly #left = new Map<string, Set<RowKey>>();

  add({ changes, transaction }: JournalTransaction): void {
    for (const change of changes) {
      const { table } = change;
      // Which rows there were is nowhere but in the backup: the whole table is what there is to put back.
      if (change.type === "truncate") throw new HoldfastError("undo-emptied", { table: table.name, transaction });
      const name = tableName(table);
      const found = this.#tables.get(name) ?? { schema: table.schema, table: table.name, keys: new Set() };
      this.#tables.set(name, found);
      for (const key of keysOf(change)) found.keys.add(key);
    }
  }

  /** What others changed meanwhile is not his alone. */
  leave({ changes }: JournalTransaction): void {
    for (const change of changes) {
      if (change.type === "truncate") continue;
      const name = tableName(change.table);
      const left = this.#left.get(name) ?? new Set();
      this.#left.set(name, left);
      for (const key of keysOf(change)) left.add(key);
    }
  }

  /** Each key both ways: whether the row was there before is for the plan to see. */
  roots(): readonly RecordRoots[] {
    return [...this.#tables].flatMap(([name, { schema, table, keys }]) => {
      const own = [...keys].filter((key) => this.#left.get(name)?.has(key) !== true);
      return own.length === 0 ? [] : [{ schema, table, keys: own, newer: own }];
    });
  }
}
