import { type ErasedReference, type ErasedTable, type Erasure, saltedHash } from "../contents/erasure.ts";
import { closureOf, RowMap } from "../contents/records/closure.ts";
import { pointRecords } from "../contents/records/point-records.ts";
import { handleOf, titleOf } from "../contents/records/record-handle.ts";
import { entityOf, nameIn, type RecordRow } from "../contents/records/record-row.ts";
import { columnOf, type Relation, type Relations, sameTable } from "../contents/records/relations.ts";
import type { OwnedFile } from "../crm/platform.ts";
import type { RowKey, TableSchema } from "../database/database.ts";
import { type ByteName, nameText } from "../lib/byte-name.ts";
import type { EraseGroup, ErasePlan } from "./erase.ts";
import type { OpenedPoint, PointDatabase } from "./open-point.ts";
import { viewOf } from "./point-model.ts";
import { filesOfRows } from "./record-files.ts";
import type { RecordRoots } from "./record-selection.ts";

const shownRecords = 100;

type Found = Pick<ErasePlan, "groups" | "records" | "files" | "points" | "stillThere"> & {
  readonly erasure: Pick<Erasure, "records" | "salt" | "tables" | "references" | "files">;
};

/** What belongs to some records, gathered over recovery points, oldest first: what each knows adds to it. */
export class ErasureCollector {
  readonly #database: string;
  readonly #roots: readonly RecordRoots[];
  readonly #salt: string;
  readonly #rows = new RowMap<Gathered>();
  readonly #references = new Map<string, ErasedReference & { readonly names: { key: RowKey; name: string }[] }>();
  readonly #files = new Map<string, OwnedFile>();
  #records: readonly string[] = [];
  #trees = "";
  #points = 0;
  #here = 0;

  constructor(database: string, roots: readonly RecordRoots[], salt: string) {
    this.#database = database;
    this.#roots = roots;
    this.#salt = salt;
  }

  async add(point: OpenedPoint, signal: AbortSignal): Promise<void> {
    const from = point.databases.find(({ name }) => name === this.#database);
    this.#here = 0;
    if (!from) return;
    const trees = from.schema.tables.map((table) => from.treeOf?.(table) ?? "").join();
    if (trees === this.#trees) {
      // The same rows as in the point before.
      this.#here = this.#before;
      if (this.#here > 0) this.#points++;
      return;
    }
    this.#trees = trees;
    const { relations } = await viewOf(point, from, signal);
    const records = pointRecords(from, from.engine, signal);
    const chosen: RecordRow[] = [];
    for (const { schema, table, keys } of this.#roots) {
      const own = from.schema.tables.find((one) => sameTable(one, { schema, name: table }));
      if (own) chosen.push(...(await records.getAll(own, keys)));
    }
    const closure = await closureOf(chosen, {
      ...{ relations, records, rules: from.engine, related: "all", linked: "if-there", signal },
      areThere: async () => new Set<RecordRow>(),
    });
    const rows = closure.filter(({ why }) => why !== "parent").map(({ row }) => row);
    this.#here = this.#before = rows.length;
    if (rows.length > 0) this.#points++;
    for (const row of rows) this.#gather(from, relations, row);
    const files = await filesOfRows(point, from, rows, signal);
    for (const file of await withoutShared(point, from, rows, files, signal)) {
      this.#files.set(`${file.folder}/${file.path}`, file);
    }
    const handle = (row: RecordRow): string =>
      handleOf(relations, row, entityOf(relations.entitiesOf(row.table), row, from.engine), from.engine);
    if (chosen.length > 0) this.#records = [...new Set([...this.#records, ...chosen.map(handle)])];
  }

  #before = 0;

  #gather({ engine: rules }: PointDatabase, relations: Relations, row: RecordRow): void {
    const { table } = row;
    const entity = entityOf(relations.entitiesOf(table), row, rules);
    const created = entity?.entity.created?.extension === undefined ? entity?.entity.created?.column : undefined;
    const title = titleOf(entity, row, rules);
    this.#rows.set(table, table.keyLength === 0 ? row.line : row.key, {
      row,
      group: entity?.entity.name ?? table.name,
      ...(entity?.entity.label && { label: entity.entity.label }),
      record: handleOf(relations, row, entity, rules),
      ...(title !== undefined && { title }),
      ...(created !== undefined && { created }),
    });
    for (const relation of relations.to(table)) {
      const name = nameIn(relation, "to", row, rules);
      if (name !== undefined) this.#reference(relation, row.key, name);
    }
  }

  #reference({ from, columns, to, when, prefix, kind }: Relation, key: RowKey, name: string): void {
    const names = columns.map((at) => from.columns[at]?.name ?? "");
    const condition = when && { column: from.columns[when.column]?.name ?? "", equals: when.equals };
    const id = JSON.stringify([from.schema, from.name, names, condition, prefix, to.schema, to.name]);
    const mayBeNull = columns.every((at) => from.columns[at]?.nullable === true && at >= from.keyLength);
    const known = this.#references.get(id) ?? {
      ...{ database: this.#database, schema: from.schema, table: from.name, columns: names },
      ...(condition && { when: condition }),
      ...(prefix !== undefined && { prefix }),
      fate: kind === "refers" && mayBeNull ? ("clear" as const) : ("hold-back" as const),
      ...{ to: { schema: to.schema, table: to.name }, names: [] },
    };
    if (!known.names.some((one) => one.key === key)) known.names.push({ key, name });
    this.#references.set(id, known);
  }

  result(): Found {
    const found = [...this.#rows.values()];
    const groups = [...Map.groupBy(found, ({ group }) => group)].map(([name, ofGroup]): EraseGroup => {
      const label = ofGroup[0]?.label;
      return { name, ...(label !== undefined && { label }), count: ofGroup.length };
    });
    const keyed = found.filter(({ row }) => row.table.keyLength > 0);
    const byTable = Map.groupBy(keyed, ({ row: { table } }) => `${table.schema}\0${table.name}`);
    const tables = [...byTable.values()].flatMap((ofTable) => this.#table(ofTable) ?? []);
    const files = [...this.#files.values()];
    return {
      groups,
      records: found
        .slice(0, shownRecords)
        .map(({ record, title }) => ({ record, ...(title !== undefined && { title }) })),
      files: files.map(({ folder, path }) => `/files/${folder}/${nameText(path)}`),
      points: this.#points,
      stillThere: this.#here,
      erasure: {
        ...{ records: this.#records, salt: this.#salt, tables, references: [...this.#references.values()] },
        files: files.map(({ folder, path }) => ({ folder, path })),
      },
    };
  }

  #table(ofTable: readonly Gathered[]): ErasedTable | undefined {
    const [first] = ofTable;
    if (!first) return undefined;
    const { schema, name } = first.row.table;
    return {
      ...{ database: this.#database, schema, table: name },
      ...(first.created !== undefined && { created: first.created }),
      rows: ofTable.map(({ row: { table, key, line, fields } }) => {
        const at = first.created === undefined ? -1 : columnOf(table, first.created);
        const field = fields[at];
        return {
          ...{ key, line: saltedHash(this.#salt, line) },
          ...(field !== undefined && field !== "\\N" && { created: saltedHash(this.#salt, field) }),
        };
      }),
    };
  }
}

interface Gathered {
  readonly row: RecordRow;
  readonly group: string;
  readonly label?: string;
  readonly record: string;
  readonly title?: string;
  readonly created?: string;
}

/** A file that rows of others own as well is theirs too, and stays. */
async function withoutShared(
  point: OpenedPoint,
  from: PointDatabase,
  rows: readonly RecordRow[],
  files: readonly OwnedFile[],
  signal: AbortSignal,
): Promise<readonly OwnedFile[]> {
  if (files.length === 0) return [];
  const gone = new RowMap<RecordRow>();
  for (const row of rows) gone.set(row.table, row.key, row);
  const records = pointRecords(from, from.engine, signal);
  const others: RecordRow[] = [];
  const tables = new Set<TableSchema>(rows.map(({ table }) => table));
  for (const table of tables) {
    for await (const row of records.all(table)) if (!gone.get(table, row.key)) others.push(row);
  }
  const nameOf = ({ folder, path }: OwnedFile): string => `${folder}/${path satisfies ByteName}`;
  const theirs = new Set((await filesOfRows(point, from, others, signal)).map(nameOf));
  return files.filter((file) => !theirs.has(nameOf(file)));
}
