import { type ErasedReference, type ErasedTable, type Erasure, saltedHash } from "../contents/erasure.ts";
import { closureOf, RowMap } from "../contents/records/closure.ts";
import { pointRecords } from "../contents/records/point-records.ts";
import { handleOf, titleOf } from "../contents/records/record-handle.ts";
import { entityOf, nameIn, type RecordRow } from "../contents/records/record-row.ts";
import { columnOf, type Relation, type Relations, sameTable } from "../contents/records/relations.ts";
import type { OwnedFile } from "../crm/platform.ts";
import type { RowKey, TableSchema } from "../database/database.ts";
import { addAll } from "../lib/add-all.ts";
import { type ByteName, nameText } from "../lib/byte-name.ts";
import type { EraseGroup, ErasePlan } from "./erase.ts";
import type { OpenedPoint, PointDatabase } from "./open-point.ts";
import { viewOf } from "./point-model.ts";
import { filesOfRows } from "./record-files.ts";
import type { ChosenRoots, RecordRoots } from "./record-selection.ts";

const shownRecords = 100;

type Found = Pick<ErasePlan, "groups" | "records" | "files" | "points" | "stillThere"> & {
  readonly erasure: Pick<Erasure, "records" | "salt" | "tables" | "references" | "files">;
};

/** What belongs to some records, gathered over recovery points, oldest first: what each knows adds to it. */
export class ErasureCollector {
  readonly #salt: string;
  readonly #databases: readonly DatabaseCollector[];
  #points = 0;
  #here = 0;

  constructor(chosen: readonly ChosenRoots[], salt: string) {
    this.#salt = salt;
    this.#databases = chosen.map(({ database, roots }) => new DatabaseCollector(database, roots, salt));
  }

  async add(point: OpenedPoint, signal: AbortSignal): Promise<void> {
    this.#here = 0;
    for (const one of this.#databases) this.#here += await one.add(point, signal);
    if (this.#here > 0) this.#points++;
  }

  result(): Found {
    const found = this.#databases.map((one) => one.result());
    const files = new Map(found.flatMap((one) => [...one.files]));
    return {
      groups: found.flatMap(({ groups }) => groups),
      records: found.flatMap(({ records }) => records).slice(0, shownRecords),
      files: [...files.values()].map(({ folder, path }) => `/files/${folder}/${nameText(path)}`),
      points: this.#points,
      stillThere: this.#here,
      erasure: {
        records: found.flatMap(({ named }) => named),
        salt: this.#salt,
        tables: found.flatMap(({ tables }) => tables),
        references: found.flatMap(({ references }) => references),
        files: [...files.values()].map(({ folder, path }) => ({ folder, path })),
      },
    };
  }
}

/** The same for one of the CRM's databases. */
class DatabaseCollector {
  readonly #database: string;
  readonly #roots: readonly RecordRoots[];
  readonly #salt: string;
  readonly #rows = new RowMap<Gathered>();
  readonly #references = new Map<string, ErasedReference & { readonly names: { key: RowKey; name: string }[] }>();
  readonly #files = new Map<string, OwnedFile>();
  #records: readonly string[] = [];
  #trees = "";
  #before = 0;

  constructor(database: string, roots: readonly RecordRoots[], salt: string) {
    this.#database = database;
    this.#roots = roots;
    this.#salt = salt;
  }

  /** How many rows the point has of what is to go. */
  async add(point: OpenedPoint, signal: AbortSignal): Promise<number> {
    const from = point.databases.find(({ name }) => name === this.#database);
    if (!from) return 0;
    const trees = from.schema.tables.map((table) => from.treeOf?.(table) ?? "").join();
    // The same rows as in the point before.
    if (trees === this.#trees) return this.#before;
    this.#trees = trees;
    const { relations } = await viewOf(point, from, signal);
    const records = pointRecords(from, from.engine, signal);
    const chosen: RecordRow[] = [];
    for (const { schema, table, keys } of this.#roots) {
      const own = from.schema.tables.find((one) => sameTable(one, { schema, name: table }));
      if (own) addAll(chosen, await records.getAll(own, keys));
    }
    const closure = await closureOf(chosen, {
      ...{ relations, records, rules: from.engine, related: "all", linked: "if-there", parents: "bare", signal },
      areThere: async () => new Set<RecordRow>(),
    });
    const rows = closure.filter(({ why }) => why !== "parent").map(({ row }) => row);
    for (const row of rows) this.#gather(from, relations, row);
    const files = await filesOfRows(point, from, rows, signal);
    for (const file of await withoutShared(point, from, rows, files, signal)) {
      this.#files.set(`${file.folder}/${file.path}`, file);
    }
    const handle = (row: RecordRow): string =>
      handleOf(relations, row, entityOf(relations.entitiesOf(row.table), row, from.engine), from.engine);
    if (chosen.length > 0) this.#records = [...new Set([...this.#records, ...chosen.map(handle)])];
    this.#before = rows.length;
    return rows.length;
  }

  #gather({ engine: rules }: PointDatabase, relations: Relations, row: RecordRow): void {
    const { table } = row;
    const entity = entityOf(relations.entitiesOf(table), row, rules);
    const created = entity?.entity.created?.extension === undefined ? entity?.entity.created?.column : undefined;
    const title = titleOf(entity, row, rules);
    this.#rows.set(table, row.key, {
      row,
      group: entity?.entity.name ?? table.name,
      ...(entity?.entity.label && { label: entity.entity.label }),
      record: handleOf(relations, row, entity, rules),
      ...(title !== undefined && { title }),
      ...(created !== undefined && { created }),
    });
    for (const relation of relations.to(table)) {
      const name = nameIn(relation, "to", row, rules);
      // A line is what was erased, and no key to be kept.
      if (name !== undefined) this.#reference(relation, table.keyLength === 0 ? "" : row.key, name);
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

  result() {
    const found = [...this.#rows.values()];
    const groups = [...Map.groupBy(found, ({ group }) => group)].map(([name, ofGroup]): EraseGroup => {
      const label = ofGroup[0]?.label;
      return { name, ...(label !== undefined && { label }), count: ofGroup.length };
    });
    const keyed = found.filter(({ row }) => row.table.keyLength > 0);
    const byTable = Map.groupBy(keyed, ({ row: { table } }) => `${table.schema}\0${table.name}`);
    const tables = [...byTable.values()].flatMap((ofTable) => this.#table(ofTable) ?? []);
    return {
      ...{ groups, tables, references: [...this.#references.values()], files: this.#files },
      records: found
        .slice(0, shownRecords)
        .map(({ record, title }) => ({ record, ...(title !== undefined && { title }) })),
      named: this.#records,
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
