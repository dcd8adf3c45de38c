import type { TableSchema } from "../../database/database.ts";
import type { LabelOf } from "./column-labels.ts";
import { pointRecords, type PointRecords, type RecordSource } from "./point-records.ts";
import { handleOf, type HandleRules, titleOf } from "./record-handle.ts";
import { entityOf, fieldText, isGone, type RecordRow } from "./record-row.ts";
import type { Relation, Relations, TableEntity } from "./relations.ts";
import { addAll } from "../../lib/add-all.ts";

/** A record as it is named in a list. */
export interface NamedRecord {
  readonly handle: string;
  readonly title?: string;
  /** It says of itself that it is gone. */
  readonly deleted?: true;
}

export interface FieldValue {
  /** `colour`, or `party_extra.colour` where it stands in another table that holds more of the record. */
  readonly column: string;
  readonly value: string | null;
  /** What people call it, as the CRM itself says. */
  readonly label?: string;
}

export interface RelatedList {
  /** Table of the rows that name the record. */
  readonly table: string;
  readonly entity?: string;
  /** Key of `words` under `entities`. */
  readonly label?: string;
  /** Columns by which they name it. */
  readonly columns: readonly string[];
  readonly count: number;
  /** The first ones. */
  readonly records: readonly NamedRecord[];
}

export interface RecordDetails extends NamedRecord {
  readonly table: string;
  readonly entity?: string;
  readonly label?: string;
  readonly fields: readonly FieldValue[];
  /** Records that it names, by which columns. */
  readonly names: readonly (NamedRecord & { readonly columns: readonly string[] })[];
  readonly related: readonly RelatedList[];
  /** Its rows: its own, and those of its extensions. */
  readonly rows: readonly RecordRow[];
}

/** What records of one database at one point are looked at with. */
export interface RecordScene {
  readonly source: RecordSource;
  readonly relations: Relations;
  readonly rules: HandleRules;
  readonly signal: AbortSignal;
  /** What people call columns. */
  readonly labels?: (tables: readonly TableSchema[]) => Promise<LabelOf>;
}

/** A record with all that hangs on it; of each related list the first `most`. */
export async function recordDetails(scene: RecordScene, row: RecordRow, most: number): Promise<RecordDetails> {
  const { relations, rules } = scene;
  const records = pointRecords(scene.source, rules, scene.signal);
  const extensions = await extensionRows(scene, records, row);
  const entity = entityOf(relations.entitiesOf(row.table), row, rules);
  const labelOf = await scene.labels?.([row, ...extensions].map(({ table }) => table));
  return {
    ...namedRecord(scene, row, extensions),
    table: row.table.name,
    ...entityFacts(entity),
    fields: [
      ...fieldsOf(row, rules, "", labelOf),
      ...extensions.flatMap((more) => fieldsOf(more, rules, `${more.table.name}.`, labelOf)),
    ],
    names: await namedBy(scene, records, [row, ...extensions]),
    related: await relatedLists(scene, records, row, most),
    rows: [row, ...extensions],
  };
}

export function namedRecord(
  { relations, rules }: Pick<RecordScene, "relations" | "rules">,
  row: RecordRow,
  extensions: readonly RecordRow[] = [],
): NamedRecord {
  const entity = entityOf(relations.entitiesOf(row.table), row, rules);
  const title = titleOf(entity, row, rules, extensions);
  return {
    handle: handleOf(relations, row, entity, rules),
    ...(title !== undefined && { title }),
    ...([row, ...extensions].some((one) => isGone(relations, one, rules) === "yes") && { deleted: true }),
  };
}

/** The entity of a record as an answer names it. */
export function entityFacts(of: TableEntity | undefined): { readonly entity?: string; readonly label?: string } {
  const { name, label } = of?.entity ?? {};
  return { ...(name !== undefined && { entity: name }), ...(label !== undefined && { label }) };
}

export function fieldsOf(row: RecordRow, rules: HandleRules, prefix = "", labelOf?: LabelOf): readonly FieldValue[] {
  return row.table.columns.map(({ name }, at) => {
    const label = labelOf?.(row.table, name);
    return { column: prefix + name, value: fieldText(row, at, rules), ...(label !== undefined && { label }) };
  });
}

/** Rows of other tables that hold more columns of the same record. */
export async function extensionRows(
  { relations }: RecordScene,
  records: PointRecords,
  row: RecordRow,
): Promise<readonly RecordRow[]> {
  const found: RecordRow[] = [];
  for (const relation of relations.to(row.table)) {
    if (relation.extends === undefined) continue;
    // Mostly the key of the other table too: then it is one look.
    const isKey = relation.from.keyLength === 1 && relation.columns.length === 1 && relation.columns[0] === 0;
    const own = isKey && row.table.keyLength === 1 ? await records.get(relation.from, row.key) : undefined;
    const rows = own ? [own] : isKey ? [] : (await records.naming([relation], [row])).map(({ row: one }) => one);
    addAll(found, rows);
  }
  return found;
}

async function namedBy(
  scene: RecordScene,
  records: PointRecords,
  rows: readonly RecordRow[],
): Promise<RecordDetails["names"]> {
  const found: (NamedRecord & { readonly columns: readonly string[] })[] = [];
  for (const row of rows) {
    for (const relation of scene.relations.from(row.table)) {
      if (relation.extends) continue;
      const columns = columnNames(row.table, relation);
      for (const one of await records.named(relation, [row])) found.push({ columns, ...namedRecord(scene, one) });
    }
  }
  return found;
}

async function relatedLists(
  scene: RecordScene,
  records: PointRecords,
  row: RecordRow,
  most: number,
): Promise<readonly RelatedList[]> {
  const lists: RelatedList[] = [];
  const relations = scene.relations.to(row.table).filter((relation) => relation.extends === undefined);
  for (const [table, ofTable] of Map.groupBy(relations, ({ from }) => from)) {
    const rows = await records.naming(ofTable, [row]);
    for (const [relation, related] of Map.groupBy(rows, (one) => one.relation)) {
      const first = related.slice(0, most).map((one) => one.row);
      const linked = relation.kind === "links" ? await otherSides(scene, records, relation, first) : [];
      const [entity] = scene.relations.entitiesOf(table);
      lists.push({
        table: table.name,
        ...(linked.length === 0 && entityFacts(entity)),
        columns: columnNames(table, relation),
        count: related.length,
        records: linked.length > 0 ? linked : first.map((one) => namedRecord(scene, one)),
      });
    }
  }
  return lists;
}

/** What rows that do nothing but join two records name on their other side. */
async function otherSides(
  scene: RecordScene,
  records: PointRecords,
  relation: Relation,
  rows: readonly RecordRow[],
): Promise<readonly NamedRecord[]> {
  const found: NamedRecord[] = [];
  const others = scene.relations.from(relation.from).filter((other) => other !== relation);
  const links = others.filter(({ kind }) => kind === "links");
  // Such a row may say as well of what kind the link is.
  for (const other of links.length > 0 ? links : others) {
    for (const one of await records.named(other, rows)) found.push(namedRecord(scene, one));
  }
  return found;
}

function columnNames(table: TableSchema, relation: Relation): readonly string[] {
  return relation.columns.flatMap((at) => table.columns[at]?.name ?? []);
}
