import { fieldChangesOf, type FieldChange } from "../contents/compare/record-changes.ts";
import { filledIn } from "../contents/journal/replay.ts";
import { type JournalTransaction, keysOf, type RowChange, writersOf } from "../contents/journal/transactions.ts";
import type { LabelOf } from "../contents/records/column-labels.ts";
import { pointRecords } from "../contents/records/point-records.ts";
import {
  entityFacts,
  extensionRows,
  fieldsOf,
  type FieldValue,
  namedRecord,
} from "../contents/records/record-details.ts";
import type { RecordHandle } from "../contents/records/record-handle.ts";
import { entityOf, recordRow, type RecordRow } from "../contents/records/record-row.ts";
import { type Relation, type Relations, relationsOf, sameTable } from "../contents/records/relations.ts";
import { unchangedField } from "../database/change-feed.ts";
import type { TableSchema } from "../database/database.ts";
import type { HistoryReport } from "./history.ts";
import type { OpenedPoint } from "./open-point.ts";
import { type PointFacts, pointFacts } from "./point-facts.ts";
import type { DatabaseView } from "./point-model.ts";

/** A point or a transaction at which the record differs from the one before. */
export interface RecordVersion {
  /** Of a transaction: when it was committed, without a snapshot. */
  readonly point: PointFacts;
  /** The transaction that made it so, where the journal tells; absent: some time between the point before and this. */
  readonly transaction?: VersionTransaction;
  /** `first`: there already in the oldest point that there is. */
  readonly action: "first" | "created" | "changed" | "deleted";
  /** What changed; of one that is new, all that has a value. */
  readonly fields: readonly FieldChange[];
  /** Fields among them that a CRM writes by itself. */
  readonly noise: readonly string[];
}

export interface VersionTransaction {
  readonly transaction: string;
  readonly position: string;
  /** RFC 3339 with the server's digits. */
  readonly time: string;
  /** Who the rows themselves say wrote them. */
  readonly users: readonly string[];
}

export interface VersionSubject {
  readonly crm: string;
  readonly record: string;
  readonly database: string;
  readonly view: DatabaseView;
  readonly handle: RecordHandle;
  readonly labelOf: LabelOf;
}

/** How other tables hold more columns of records of this one. */
export function extensionsOf(relations: Relations, table: TableSchema): readonly Relation[] {
  return relations.to(table).filter((relation) => relation.extends === "record");
}

/** A record and its rows as they are known by now. */
interface Sight {
  readonly row: RecordRow | undefined;
  readonly extensions: readonly RecordRow[];
  readonly relations: Relations;
  /** That the relations are of. */
  readonly tables: readonly TableSchema[];
}

interface Seen {
  readonly state: "there" | "absent" | "flagged";
  readonly fields: readonly FieldValue[];
}

type WriteOrDelete = Exclude<RowChange, { readonly type: "truncate" }>;

/** Gathers versions: of points and of transactions, oldest first. */
export class VersionLine {
  readonly #subject: VersionSubject;
  readonly #versions: RecordVersion[] = [];
  #sight: Sight;
  #before: Seen = { state: "absent", fields: [] };
  #trees = "";
  #points = 0;
  #about: Pick<HistoryReport, "handle" | "title" | "entity" | "label">;
  #deletedSince: PointFacts | undefined;

  constructor(subject: VersionSubject) {
    this.#subject = subject;
    this.#about = { handle: subject.record };
    const { relations, database } = subject.view;
    this.#sight = { row: undefined, extensions: [], relations, tables: database.schema.tables };
  }

  async add(point: OpenedPoint, signal: AbortSignal): Promise<void> {
    const isFirst = this.#points++ === 0;
    const trees = this.#treesOf(point);
    // The same trees as in the point before: nothing to look for.
    if (trees !== "" && trees === this.#trees) return;
    this.#trees = trees;
    this.#sight = await this.#look(point, signal);
    this.#note(pointFacts(point), isFirst ? "first" : "created");
  }

  /** What a transaction did to the record's rows. */
  apply({ transaction, position, time, changes }: JournalTransaction): void {
    // What is known of the last point's trees holds no more.
    this.#trees = "";
    for (const change of changes) this.#change(change);
    const users = [...writersOf(changes)].map((user) => Buffer.from(user, "latin1").toString("utf8"));
    const { crm } = this.#subject;
    this.#note({ crm, time }, "created", { transaction, position, time, users });
  }

  report(): HistoryReport {
    return {
      type: "history",
      ...this.#about,
      table: this.#subject.handle.table.name,
      versions: this.#versions,
      ...(this.#deletedSince && this.#versions.length > 0 && { deletedSince: this.#deletedSince }),
      points: this.#points,
    };
  }

  /** Compares what is known by now with what was. */
  #note(facts: PointFacts, fresh: "first" | "created", transaction?: VersionTransaction): void {
    const now = this.#seen();
    const before = this.#before;
    this.#before = now;
    const fields = fieldChangesOf(before.fields, now.fields);
    if (before.state === now.state && fields.length === 0) return;
    if (now.state === "there") this.#deletedSince = undefined;
    else this.#deletedSince ??= facts;
    // One that said that it is gone, and is now gone altogether.
    if (before.state === "flagged" && now.state === "absent") return;
    const action = actionOf(before, now, fresh);
    const known = this.#noise();
    const noise = action === "changed" ? fields.map(({ column }) => column).filter((column) => known.has(column)) : [];
    const told = now.state === "absent" ? [] : fields;
    this.#versions.push({ point: facts, ...(transaction && { transaction }), action, fields: told, noise });
  }

  #noise(): ReadonlySet<string> {
    return this.#subject.view.noiseOf(this.#subject.handle.table);
  }

  /** Trees of the tables that hold the record; empty where they cannot tell. */
  #treesOf({ databases }: OpenedPoint): string {
    const { view, handle } = this.#subject;
    const database = databases.find(({ name }) => name === this.#subject.database);
    const extensions = extensionsOf(view.relations, handle.table);
    const trees: string[] = [];
    for (const wanted of [handle.table, ...extensions.map(({ from }) => from)]) {
      const table = database?.schema.tables.find((one) => sameTable(one, wanted));
      const tree = table ? database?.treeOf?.(table) : "none";
      if (tree === undefined) return "";
      trees.push(tree);
    }
    return trees.join();
  }

  async #look({ databases }: OpenedPoint, signal: AbortSignal): Promise<Sight> {
    const { handle, view } = this.#subject;
    const database = databases.find(({ name }) => name === this.#subject.database);
    if (!database) return { ...this.#sight, row: undefined, extensions: [] };
    const rules = database.engine;
    const isSameSchema = database.schema === view.database.schema;
    const relations = isSameSchema
      ? view.relations
      : relationsOf(database.schema.tables, view.model, view.relations.home);
    const records = pointRecords(database, rules, signal);
    const row = await records.get(handle.table, handle.key);
    const scene = { source: database, relations, rules, signal };
    const extensions = row ? await extensionRows(scene, records, row) : [];
    return { row, extensions, relations, tables: database.schema.tables };
  }

  #seen(): Seen {
    const { row, extensions, relations } = this.#sight;
    const { labelOf } = this.#subject;
    if (!row) return { state: "absent", fields: [] };
    const rules = this.#subject.view.database.engine;
    const entity = entityOf(relations.entitiesOf(row.table), row, rules);
    const { deleted, ...named } = namedRecord({ relations, rules }, row, extensions);
    this.#about = { ...named, ...entityFacts(entity) };
    return {
      state: deleted ? "flagged" : "there",
      fields: [
        ...fieldsOf(row, rules, "", labelOf),
        ...extensions.flatMap((more) => fieldsOf(more, rules, `${more.table.name}.`, labelOf)),
      ],
    };
  }

  #change(change: RowChange): void {
    const { row, extensions } = this.#sight;
    const { table, key } = this.#subject.handle;
    const isOwn = sameTable(change.table, table);
    const known = isOwn ? row : extensions.find((one) => sameTable(one.table, change.table));
    const others = extensions.filter((one) => one !== known);
    const now = change.type === "truncate" ? undefined : this.#rowAfter(change, known, key);
    if (isOwn) this.#sight = { ...this.#sight, row: now };
    else this.#sight = { ...this.#sight, extensions: now ? [...others, now] : others };
  }

  /** `undefined`: gone, or another record's by its new key. */
  #rowAfter(change: WriteOrDelete, known: RecordRow | undefined, key: string): RecordRow | undefined {
    if (change.type === "delete") return undefined;
    const own = known?.table ?? this.#tableNow(change.table);
    const before = change.before ?? (known && fitted(known.line, known.table, change.table));
    const line = filledIn(change.after, before);
    const after = recordRow(own, fitted(line, change.table, own));
    return after.key === key && keysOf(change).includes(key) ? after : undefined;
  }

  #tableNow(table: TableSchema): TableSchema {
    return this.#sight.tables.find((one) => sameTable(one, table)) ?? table;
  }
}

/** A line with the columns that a table has in another version of it; NULL where there is none, or where nobody knows. */
function fitted(line: string, from: TableSchema, to: TableSchema): string {
  const fields = line.split("\t");
  const isSame =
    from.columns.length === to.columns.length && from.columns.every(({ name }, at) => name === to.columns[at]?.name);
  const wanted = isSame
    ? fields
    : to.columns.map((column) => fields[from.columns.findIndex(({ name }) => name === column.name)]);
  return wanted.map((field) => (field === undefined || field === unchangedField ? String.raw`\N` : field)).join("\t");
}

function actionOf(before: Seen, now: Seen, fresh: "first" | "created"): RecordVersion["action"] {
  if (before.state === "absent") return fresh;
  if (now.state !== "there") return before.state === "there" ? "deleted" : "changed";
  return before.state === "there" ? "changed" : "created";
}
