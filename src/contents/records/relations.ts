import type { CrmModel, Entity, Reference, TableName } from "../../crm/model.ts";
import type { ColumnSchema, ForeignKey, TableSchema } from "../../database/database.ts";

/**
 * How the tables of one recovery point hang together: the foreign keys that the database declares and the references
 * that the platform's model knows, as one graph. What a model names and this schema does not have is left out: versions
 * of a CRM differ.
 */
export interface Relations {
  readonly tables: readonly TableSchema[];
  readonly entities: readonly TableEntity[];
  /** Relations whose rows of `table` name other rows: to its parents. */
  from(table: TableSchema): readonly Relation[];
  /** Relations whose rows name rows of `table`: to its children, links and whatever else points there. */
  to(table: TableSchema): readonly Relation[];
  /** The entities whose records are rows of this table; several where a column tells them apart. */
  entitiesOf(table: TableSchema): readonly TableEntity[];
  /** By which column rows of a table that is no entity's say of themselves that they are gone. */
  flagOf(table: TableSchema): TableEntity["deleted"];
  /** Whether triggers write its rows, out of those of others: no relation leads from it. */
  isDerived(table: TableSchema): boolean;
  /** A table by its name, with or without its schema before a dot. */
  tableNamed(name: string): TableSchema | undefined;
  /** Absent: nobody asks in which of a CRM's databases the tables are. */
  readonly home?: Home;
}

/** Which of a CRM's databases tables are in. */
export interface Home {
  readonly database: string;
  /** Whether another one has a table of this name as well. */
  readonly isElsewhere: (table: string) => boolean;
}

/** Rows of `from` that name rows of `to`. Columns are places in the tables' `columns`. */
export interface Relation {
  readonly from: TableSchema;
  readonly columns: readonly number[];
  readonly to: TableSchema;
  readonly referenced: readonly number[];
  /** Only rows of `from` where this column has this text. */
  readonly when?: { readonly column: number; readonly equals: string };
  /** What stands before the value in the first of `columns`. */
  readonly prefix?: string;
  readonly kind: Reference["kind"];
  /** `declared`: the database holds to it. */
  readonly origin: "declared" | "model";
  /** Of which table `to` is a partition: the row that is named is in one of them. */
  readonly partitioned?: string;
  /** `from` holds more columns of the same record, and may hold those of other tables' records too. */
  readonly extends?: "record";
}

/** An entity of the model whose table is there. */
export interface TableEntity {
  readonly entity: Entity;
  readonly table: TableSchema;
  readonly where?: { readonly column: number; readonly equals: string };
  readonly deleted?: {
    readonly column: number;
    readonly when: "true" | "set";
    /** What is written with it. */
    readonly along?: readonly number[];
  };
}

export function relationsOf(tables: readonly TableSchema[], model?: CrmModel, home?: Home): Relations {
  const found = new Tables(tables);
  const entities = (model?.entities ?? []).flatMap((entity) => found.entity(entity));
  const derived = new Set((model?.derived ?? []).flatMap((name) => tables.filter((table) => isTable(table, name))));
  const relations = distinct([
    ...(model?.references ?? []).flatMap((reference) => found.reference(reference)),
    ...entities.flatMap((entity) => found.extensions(entity)),
    ...tables.flatMap((table) => table.foreignKeys.flatMap((key) => found.declared(table, key))),
  ]).filter(({ from: child }) => !derived.has(child));
  const flags = new Map(
    [...(model?.flags ?? []), ...(model?.entities ?? []).flatMap(flagElsewhere)].flatMap((flag) => found.flag(flag)),
  );
  const from = Map.groupBy(relations, (relation) => relation.from);
  const to = Map.groupBy(relations, (relation) => relation.to);
  const byTable = Map.groupBy(entities, ({ table }) => table);
  return {
    tables,
    entities,
    from: (table) => from.get(table) ?? [],
    to: (table) => to.get(table) ?? [],
    entitiesOf: (table) => byTable.get(table) ?? [],
    flagOf: (table) => flags.get(table),
    isDerived: (table) => derived.has(table),
    tableNamed: (name) => found.named(name),
    ...(home && { home }),
  };
}

type Flag = NonNullable<CrmModel["flags"]>[number];

/** An entity's flag that stands in the table of an extension. */
function flagElsewhere({ deleted, extensions }: Entity): Flag[] {
  const found = extensions.find(({ table }) => table.name === deleted?.extension);
  return deleted && found ? [{ table: found.table, column: deleted.column, when: deleted.when }] : [];
}

class Tables {
  readonly #tables: readonly TableSchema[];
  /** A model may ask for a table thousands of times. */
  readonly #byName: ReadonlyMap<string, readonly TableSchema[]>;

  constructor(tables: readonly TableSchema[]) {
    this.#tables = tables;
    this.#byName = Map.groupBy(tables, ({ name }) => name.toLowerCase());
  }

  named(name: string): TableSchema | undefined {
    return this.#find({ name }) ?? this.#tables.find((table) => `${table.schema}.${table.name}` === name) ?? undefined;
  }

  entity(entity: Entity): TableEntity[] {
    const table = this.#find(entity.table);
    if (!table) return [];
    const where = entity.where && { column: columnOf(table, entity.where.column), equals: entity.where.equals };
    if (where && where.column < 0) return [];
    const flag = entity.deleted?.extension === undefined ? entity.deleted : undefined;
    const column = flag === undefined ? -1 : columnOf(table, flag.column);
    const along = (flag?.along ?? []).map((name) => columnOf(table, name)).filter((at) => at >= 0);
    const deleted = flag && column >= 0 && { column, when: flag.when, ...(along.length > 0 && { along }) };
    return [{ entity, table, ...(where && { where }), ...(deleted && { deleted }) }];
  }

  flag({ table: name, column, when }: Flag): (readonly [TableSchema, NonNullable<TableEntity["deleted"]>])[] {
    const table = this.#find(name);
    const at = table ? columnOf(table, column) : -1;
    return table && at >= 0 ? [[table, { column: at, when }]] : [];
  }

  reference({ from, columns, to, referenced, when, prefix, kind }: Reference): Relation[] {
    const child = this.#find(from);
    const parent = this.#find(to);
    if (!child || !parent) return [];
    const condition = when && { column: columnOf(child, when.column), equals: when.equals };
    if (condition && condition.column < 0) return [];
    const more = { ...(condition && { when: condition }), ...(prefix !== undefined && { prefix }) };
    return relate(child, columns, parent, referenced, { ...more, kind, origin: "model" });
  }

  extensions({ entity, table }: TableEntity): Relation[] {
    const key = table.columns.slice(0, table.keyLength).map(({ name }) => name);
    return entity.extensions.flatMap((extension) => {
      const child = this.#find(extension.table);
      return child
        ? relate(child, [extension.key], table, key, { kind: "belongs", origin: "model", extends: "record" })
        : [];
    });
  }

  declared(child: TableSchema, { columns, table, tableSchema, referenced, partitioned }: ForeignKey): Relation[] {
    const parent = this.#find({ name: table, ...(tableSchema !== undefined && { schema: tableSchema }) });
    if (!parent) return [];
    const key = referenced.length > 0 ? referenced : parent.columns.slice(0, parent.keyLength).map(({ name }) => name);
    const more = partitioned === undefined ? {} : { partitioned };
    return relate(child, columns, parent, key, { kind: declaredKind(child, columns), origin: "declared", ...more });
  }

  #find({ schema, name }: TableName): TableSchema | undefined {
    // SQLite's names know no case, and a foreign key may write them in another than the table does.
    const called = this.#byName.get(name.toLowerCase()) ?? [];
    const inSchema = called.filter((table) => schema === undefined || table.schema === schema);
    return inSchema.find((table) => table.name === name) ?? inSchema[0];
  }
}

function relate(
  from: TableSchema,
  columns: readonly string[],
  to: TableSchema,
  referenced: readonly string[],
  more: Omit<Relation, "from" | "columns" | "to" | "referenced">,
): Relation[] {
  const own = columns.map((name) => columnOf(from, name));
  const theirs = referenced.map((name) => columnOf(to, name));
  const whole = own.length > 0 && own.length === theirs.length && [...own, ...theirs].every((at) => at >= 0);
  return whole ? [{ from, columns: own, to, referenced: theirs, ...more }] : [];
}

/**
 * What a foreign key says by itself: a row that cannot be without the other belongs to it, and one that holds nothing but
 * such keys links what it names. A model knows better, and is asked first.
 */
function declaredKind(child: TableSchema, columns: readonly string[]): Relation["kind"] {
  const named = (names: readonly string[]): readonly (ColumnSchema | undefined)[] =>
    names.map((name) => child.columns[columnOf(child, name)]);
  if (named(columns).some((column) => column?.nullable !== false)) return "refers";
  const keys = child.foreignKeys.filter((key) => named(key.columns).every((column) => column?.nullable === false));
  const inKeys = new Set(keys.flatMap((key) => key.columns));
  const ends = new Set(keys.map((key) => JSON.stringify(key.columns)));
  const others = child.columns.filter(({ name }, at) => !inKeys.has(name) && !(at < child.keyLength));
  return ends.size > 1 && others.length === 0 ? "links" : "belongs";
}

/** The same columns that name the same rows are one relation; what a model says of it goes before what is declared. */
function distinct(relations: readonly Relation[]): readonly Relation[] {
  const known = new Map<string, Relation>();
  for (const one of relations) {
    const key = JSON.stringify([
      [one.from.schema, one.from.name, one.columns],
      [one.to.schema, one.to.name, one.referenced],
      [one.when, one.prefix],
    ]);
    const before = known.get(key);
    if (!before) known.set(key, one);
    // That the database holds to it stays known, and that it is the same record.
    else if (one.origin === "declared") {
      const { partitioned } = one;
      known.set(key, { ...before, origin: "declared", ...(partitioned !== undefined && { partitioned }) });
    } else if (one.extends) known.set(key, { ...before, extends: one.extends });
  }
  return [...known.values()];
}

/** Place of a column; -1: there is none of that name. */
export function columnOf(table: TableSchema, name: string): number {
  const exact = table.columns.findIndex((column) => column.name === name);
  return exact >= 0 ? exact : table.columns.findIndex((column) => column.name.toLowerCase() === name.toLowerCase());
}

export function sameTable(a: Pick<TableSchema, "schema" | "name">, b: Pick<TableSchema, "schema" | "name">): boolean {
  return a.schema === b.schema && a.name === b.name;
}

/** Whether a model means this table. */
export function isTable(table: TableSchema, { schema, name }: TableName): boolean {
  return table.name === name && (schema === undefined || table.schema === schema);
}
