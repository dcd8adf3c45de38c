import type { RowKey, TableSchema } from "../../database/database.ts";
import { handleOf, type HandleRules, titleOf } from "../records/record-handle.ts";
import { entityOf, fieldText, isDeleted, recordRow, type RecordRow } from "../records/record-row.ts";
import type { Relations, TableEntity } from "../records/relations.ts";
import type { ChangedRow } from "../tables/changed-rows.ts";

export interface FieldChange {
  readonly column: string;
  /** As a person reads it; `null` is NULL. Absent: the record, or the column, was not there. */
  readonly before?: string | null;
  readonly after?: string | null;
  /** What people call it, as the CRM itself says. */
  readonly label?: string;
}

/** What became of a record between two moments. */
export interface RecordChange {
  /** A record that says of itself that it is gone is `deleted`, though its row is there. */
  readonly action: "created" | "changed" | "deleted";
  readonly table: TableSchema;
  readonly key: RowKey;
  readonly entity?: TableEntity;
  readonly handle: string;
  readonly title?: string;
  /** Of one that was created or deleted: all that has a value. */
  readonly fields: readonly FieldChange[];
  /** Fields that a CRM writes by itself and that changed as well, or alone. */
  readonly noise: readonly FieldChange[];
}

/** A table at one moment, with what is known of it. */
export interface TableView {
  readonly table: TableSchema;
  readonly relations: Relations;
  /** Names of columns that change without anybody having changed anything. */
  readonly noise: ReadonlySet<string>;
  readonly rules: HandleRules;
}

export function recordChange(from: TableView, to: TableView, change: ChangedRow): RecordChange {
  const before = change.before && recordRow(from.table, change.before.toString("latin1"));
  const now = change.now && recordRow(to.table, change.now.toString("latin1"));
  const view = now ? to : from;
  const row = now ?? before ?? recordRow(to.table, change.key);
  const entity = entityOf(view.relations.entitiesOf(view.table), row, view.rules);
  const title = titleOf(entity, row, view.rules);
  const fields = fieldChanges(from, to, before, now);
  const isNoise = ({ column }: FieldChange) => before !== undefined && now !== undefined && to.noise.has(column);
  return {
    action: actionOf(entity?.deleted ?? view.relations.flagOf(view.table), before, now, view.rules),
    table: view.table,
    key: change.key,
    ...(entity && { entity }),
    handle: handleOf(view.relations, row, entity, view.rules),
    ...(title !== undefined && { title }),
    fields: fields.filter((field) => !isNoise(field)),
    noise: fields.filter(isNoise),
  };
}

function actionOf(
  deleted: TableEntity["deleted"],
  before: RecordRow | undefined,
  now: RecordRow | undefined,
  rules: HandleRules,
): RecordChange["action"] {
  if (!before) return "created";
  if (!now) return "deleted";
  const flag = deleted && { deleted };
  const [was, is] = [isDeleted(flag, before, rules), isDeleted(flag, now, rules)];
  if (was === is) return "changed";
  return is === "yes" ? "deleted" : "created";
}

function fieldChanges(
  from: TableView,
  to: TableView,
  before: RecordRow | undefined,
  now: RecordRow | undefined,
): readonly FieldChange[] {
  const changes: FieldChange[] = [];
  const names = new Set(
    [...(now ? to.table.columns : []), ...(before ? from.table.columns : [])].map(({ name }) => name),
  );
  for (const column of names) {
    const was = before && textIn(from, before, column);
    const is = now && textIn(to, now, column);
    if (before && now ? was === is || was === undefined || is === undefined : (was ?? is ?? null) === null) continue;
    changes.push({ column, ...(was !== undefined && { before: was }), ...(is !== undefined && { after: is }) });
  }
  return changes;
}

/** `undefined`: there is no such column. */
function textIn({ table, rules }: TableView, row: RecordRow, column: string): string | null | undefined {
  const at = table.columns.findIndex(({ name }) => name === column);
  return at < 0 ? undefined : fieldText(row, at, rules);
}

interface SeenField {
  readonly column: string;
  readonly value: string | null;
  readonly label?: string;
}

/** Fields in which two sights of a record differ; where it was not there, all that have a value. */
export function fieldChangesOf(before: readonly SeenField[], now: readonly SeenField[]): readonly FieldChange[] {
  const was = new Map(before.map((field) => [field.column, field]));
  const is = new Map(now.map((field) => [field.column, field]));
  return [...new Set([...is.keys(), ...was.keys()])].flatMap((column) => {
    const [old, value] = [was.get(column)?.value, is.get(column)?.value];
    if ((old ?? null) === (value ?? null)) return [];
    const label = (is.get(column) ?? was.get(column))?.label;
    return [
      {
        column,
        ...(old !== undefined && { before: old }),
        ...(value !== undefined && { after: value }),
        ...(label !== undefined && { label }),
      },
    ];
  });
}
