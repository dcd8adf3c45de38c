import { createHash } from "node:crypto";
import type { ColumnSchema, RowKey, TableSchema } from "../../database/database.ts";
import type { RowTransaction } from "../../database/row-transaction.ts";
import { rowAfter, type PlannedRow } from "./planned-row.ts";
import type { HandleRules } from "./record-handle.ts";
import { foldedName, nameIn, recordRow, type RecordRow } from "./record-row.ts";
import { type Relation, type Relations } from "./relations.ts";
import type { ValueWait } from "./unique-values.ts";
import { addAll } from "../../lib/add-all.ts";

/** One statement's worth of changes of one table. */
export type RowStep =
  | {
      readonly kind: "insert";
      readonly table: TableSchema;
      readonly columns: readonly ColumnSchema[];
      readonly lines: readonly string[];
    }
  | {
      readonly kind: "update";
      readonly table: TableSchema;
      readonly changes: readonly { readonly before: string; readonly after: string }[];
    }
  | { readonly kind: "remove"; readonly table: TableSchema; readonly keys: readonly RowKey[] };

/** A change of one row, and what must be done before it. What it has become so far changes as circles are broken. */
interface Operation {
  readonly row: PlannedRow;
  before: RecordRow | undefined;
  after: RecordRow | undefined;
  readonly waitsFor: Map<Operation, readonly Wait[]>;
  readonly waitedBy: Set<Operation>;
}

/** Why a row waits, and how it can do without, by NULL: in its own columns, or in those of the row that it waits for. */
interface Wait {
  readonly own: readonly number[];
  readonly theirs: readonly number[];
  /** What is waited for is nothing but a value: one of these columns of the other row may hold any other for a while. */
  readonly any?: readonly number[];
}

export interface OrderInput {
  readonly relations: Relations;
  readonly rules: HandleRules;
  readonly waits: readonly ValueWait[];
}

/**
 * The changes in an order in which every foreign key and every unique value holds after each of them: a parent before
 * the rows that name it, a row that lets go of a value before the one that takes it, a row last of all that others named.
 * Where rows wait for each other in a circle, one of them first goes in (or lets go) with NULL, and gets its value at
 * the end; where a unique value may not be NULL, its holder gets one that nobody has. Any other circle is left to the database: it
 * may put its checks off.
 */
export function orderChanges(rows: readonly PlannedRow[], input: OrderInput): readonly RowStep[] {
  const operations = operationsOf(rows, input);
  const steps: RowStep[] = [];
  const late: RowUpdate[] = [];
  const waiting = new Set(operations);
  let ready = operations.filter(({ waitsFor }) => waitsFor.size === 0);
  while (waiting.size > 0) {
    if (ready.length === 0) ready = breakCircle(waiting, steps, late, input.rules);
    // All that is ready of one table and kind at once: statements cost more than rows.
    const [first] = ready;
    if (!first) break;
    const { true: now = [], false: later = [] } = Object.groupBy(ready, ({ row }) => `${isAlike(row, first.row)}`);
    ready = later;
    steps.push(stepOf(now));
    for (const one of now) waiting.delete(one);
    for (const one of now) addAll(ready, freed(one, waiting));
  }
  return [...steps, ...updateSteps(late)];
}

function freed(done: Operation, waiting: ReadonlySet<Operation>): readonly Operation[] {
  const free: Operation[] = [];
  for (const other of done.waitedBy) {
    if (other.waitsFor.delete(done) && other.waitsFor.size === 0 && waiting.has(other)) free.push(other);
  }
  return free;
}

interface RowUpdate {
  readonly table: TableSchema;
  readonly before: string;
  readonly after: string;
}

function updateSteps(updates: readonly RowUpdate[]): readonly RowStep[] {
  const byTable = Map.groupBy(updates, ({ table }) => table);
  return [...byTable].map(([table, changes]) => ({ kind: "update", table, changes }));
}

/** Does the steps. */
export async function runSteps(rows: RowTransaction, steps: readonly RowStep[]): Promise<void> {
  for (const step of steps) {
    if (step.kind === "insert") await rows.insert(step.table, step.columns, step.lines);
    else if (step.kind === "update") await rows.update(step.table, step.changes);
    else await rows.remove(step.table, step.keys);
  }
}

function isAlike(a: PlannedRow, b: PlannedRow): boolean {
  const kind = ({ action }: PlannedRow) => (action === "undelete" ? "update" : action);
  return (
    a.table === b.table &&
    kind(a) === kind(b) &&
    (a.action !== "insert" || a.columns.map(({ name }) => name).join() === b.columns.map(({ name }) => name).join())
  );
}

function stepOf(operations: readonly Operation[]): RowStep {
  const [first] = operations;
  if (!first) throw new Error("a step without rows");
  const { table, action, columns } = first.row;
  if (action === "insert") {
    const places = columns.map((column) => table.columns.indexOf(column));
    const lines = operations.map(({ after }) => places.map((at) => after?.fields[at] ?? "\\N").join("\t"));
    return { kind: "insert", table, columns, lines };
  }
  if (action === "remove") return { kind: "remove", table, keys: operations.map(({ row }) => row.key) };
  const changes = operations.map(({ before, after }) => ({ before: before?.line ?? "", after: after?.line ?? "" }));
  return { kind: "update", table, changes };
}

function operationsOf(rows: readonly PlannedRow[], { relations, rules, waits }: OrderInput): Operation[] {
  const operations = rows.map((row): Operation => {
    const { table } = row;
    const before = row.before === undefined ? undefined : recordRow(table, row.before);
    return { row, before, after: rowAfter(row), waitsFor: new Map(), waitedBy: new Set() };
  });
  const byTable = Map.groupBy(operations, ({ row }) => row.table);
  const wait = (who: Operation, on: Operation | undefined, how: Wait): void => {
    if (!on || on === who) return;
    who.waitsFor.set(on, [...(who.waitsFor.get(on) ?? []), how]);
    on.waitedBy.add(who);
  };
  for (const [table, ofTable] of byTable) {
    for (const relation of relations.from(table).filter(({ origin }) => origin === "declared")) {
      const parents = byTable.get(relation.to) ?? [];
      const made = namedBy(relation, parents, "after", rules);
      const gone = namedBy(relation, parents, "before", rules);
      for (const operation of ofTable) {
        const { before, after } = operation;
        const names = after && nameIn(relation, "from", after, rules);
        const named = before && nameIn(relation, "from", before, rules);
        if (names !== undefined && names !== named) {
          for (const parent of made.get(foldedName(names)) ?? []) {
            wait(operation, parent, { own: relation.columns, theirs: [] });
          }
        }
        if (named === undefined || named === names) continue;
        for (const parent of gone.get(foldedName(named)) ?? []) {
          wait(parent, operation, { own: [], theirs: relation.columns });
        }
      }
    }
  }
  const byRow = new Map(operations.map((one) => [one.row, one]));
  for (const { taker, holder, columns, meanwhile } of waits) {
    const who = byRow.get(taker);
    const nulls = meanwhile === "null" ? columns : [];
    const any = freely(taker.table, columns, relations);
    if (who) wait(who, byRow.get(holder), { own: nulls, theirs: nulls, any });
  }
  return operations;
}

/** Of columns, those that neither name other rows nor are names of rows, as far as the database holds to that. */
function freely(table: TableSchema, columns: readonly number[], relations: Relations): readonly number[] {
  const held = [
    ...relations.from(table).map((relation) => ({ relation, places: relation.columns })),
    ...relations.to(table).map((relation) => ({ relation, places: relation.referenced })),
  ].filter(({ relation }) => relation.origin === "declared");
  return columns.filter((at) => at >= table.keyLength && !held.some(({ places }) => places.includes(at)));
}

/** Of parents, those whose name comes into being, or goes, by their name as the database may compare it. */
function namedBy(
  relation: Relation,
  parents: readonly Operation[],
  side: "before" | "after",
  rules: HandleRules,
): ReadonlyMap<string, readonly Operation[]> {
  const names = new Map<string, Operation[]>();
  for (const parent of parents) {
    const nameOf = (row: RecordRow | undefined) => row && nameIn(relation, "to", row, rules);
    const [own, other] = [nameOf(parent[side]), nameOf(parent[side === "before" ? "after" : "before"])];
    if (own === undefined || own === other) continue;
    const alike = names.get(foldedName(own)) ?? [];
    names.set(foldedName(own), alike);
    alike.push(parent);
  }
  return names;
}

/**
 * Lets one operation go ahead by NULL in the columns that make it wait: in its own, which get their values last, or in
 * those of the rows it waits for, which let go first; by another value there where none may be NULL. Where that helps none, the
 * first goes ahead as it is.
 */
function breakCircle(
  waiting: ReadonlySet<Operation>,
  steps: RowStep[],
  late: RowUpdate[],
  rules: HandleRules,
): Operation[] {
  const canBeNull = (operation: Operation, on: Operation, wait: Wait): boolean =>
    mayBeNull(operation, "after", wait.own) || mayBeNull(on, "before", wait.theirs);
  const canGo = (one: Operation, how: (on: Operation, wait: Wait) => boolean): boolean =>
    one.waitsFor.entries().every(([on, reasons]) => reasons.every((wait) => how(on, wait)));
  // Not as lists: there may be thousands of circles, and the first that waits mostly is one that can go ahead.
  const operation =
    waiting.values().find((one) => canGo(one, (on, wait) => canBeNull(one, on, wait))) ??
    waiting
      .values()
      .find((one) =>
        canGo(one, (on, wait) => canBeNull(one, on, wait) || withOther(on.before, wait, rules) !== undefined),
      );
  if (!operation) return [...waiting.values().take(1)];
  const { after, row } = operation;
  const waits = [...operation.waitsFor];
  const isOwn = ({ own }: Wait): boolean => mayBeNull(operation, "after", own);
  const own = waits.flatMap(([, reasons]) => reasons.filter(isOwn).flatMap((wait) => wait.own));
  for (const [on, reasons] of waits) {
    on.waitedBy.delete(operation);
    if (!on.before) continue;
    let bare = on.before;
    for (const wait of reasons.filter((one) => !isOwn(one))) {
      bare = mayBeNull(on, "before", wait.theirs)
        ? withNull(bare, wait.theirs)
        : (withOther(bare, wait, rules) ?? bare);
    }
    if (bare === on.before) continue;
    steps.push(...updateSteps([{ table: on.row.table, before: on.before.line, after: bare.line }]));
    on.before = bare;
  }
  if (after && own.length > 0) {
    operation.after = withNull(after, own);
    late.push({ table: row.table, before: operation.after.line, after: after.line });
  }
  operation.waitsFor.clear();
  return [operation];
}

/** The row with a value that nobody has, by all likelihood; `undefined`: of what type one would be is not known. */
function withOther(row: RecordRow | undefined, { any = [] }: Wait, rules: HandleRules): RecordRow | undefined {
  if (!row) return undefined;
  for (const at of any) {
    const column = row.table.columns[at];
    const text = column && otherValue(column.type, row.line);
    if (column && text !== undefined)
      return recordRow(row.table, row.fields.with(at, rules.lineField(text, column)).join("\t"));
  }
  return undefined;
}

function otherValue(type: string, line: string): string | undefined {
  const digest = createHash("sha256").update(line, "latin1").digest();
  // Of the upper end of what fits, where numbers that were counted seldom are.
  if (/^(?:integer|int|bigint)\b/i.test(type)) return String(2_000_000_000 + (digest.readUInt32BE() % 147_000_000));
  if (/^smallint\b/i.test(type)) return String(30_000 + (digest.readUInt16BE() % 2_767));
  const [, size = "24"] = /^(?:(?:var)?char|character|text)\b[^(]*(?:\((\d+)\))?/i.exec(type) ?? [];
  return /char|text/i.test(type) ? digest.toString("hex").slice(0, Math.min(24, Number(size))) : undefined;
}

function mayBeNull(operation: Operation, side: "before" | "after", columns: readonly number[]): boolean {
  const { columns: all, keyLength } = operation.row.table;
  return (
    operation[side] !== undefined &&
    columns.length > 0 &&
    columns.every((at) => at >= keyLength && all[at]?.nullable === true)
  );
}

function withNull(row: RecordRow, columns: readonly number[]): RecordRow {
  return recordRow(row.table, row.fields.map((field, at) => (columns.includes(at) ? "\\N" : field)).join("\t"));
}
