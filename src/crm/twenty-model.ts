import type { TableSchema } from "../database/database.ts";
import { isTrue } from "./column-texts.ts";
import type { CrmModel, Entity, ModelSource, Reference } from "./model.ts";
import { entity, inSchema, noiseOf, personalData, reference } from "./model-parts.ts";
import { twentyEverywhere, twentyPersonal } from "./twenty-personal.ts";

/**
 * Twenty's tables: each workspace has a schema of its own, `workspace_…`, with tables that people may add to. A table is an
 * entity if its rows have an id and times. What names what stands in `fieldMetadata`; where it does not, `<x>Id` names a row of
 * table `x` of the same schema, or of `_x` where people added it. Tables whose names end in `Target` join a note, a task or a
 * conversation with whatever it is about.
 *
 * Looked up in `twentyhq/twenty`: its entities of 1.x and 2.x, and its standard objects as twenty-sdk 2.4.0 and 2.43.0 list them.
 */
const labels: Readonly<Record<string, string>> = {
  company: "company",
  person: "contact",
  opportunity: "opportunity",
  note: "note",
  task: "task",
  attachment: "attachment",
  calendarEvent: "event",
  message: "email",
  workspaceMember: "user",
};

const titles = [["nameFirstName", "nameLastName"], ["name"], ["title"], ["subject"], ["label"]] as const;
/** Rows that do nothing but join two records. */
const links = /Target$|^messageListMember$/;
/** Rows that are a part of whatever record they name, but of the member who made them. */
const parts = /^(attachment|timelineActivity)$/;
/** Rows that are a part of a record of this one table. */
const partsOf: Readonly<Record<string, string>> = {
  messageParticipant: "message",
  messageChannelMessageAssociation: "message",
  calendarEventParticipant: "calendarEvent",
  calendarChannelEventAssociation: "calendarEvent",
  workflowVersion: "workflow",
  workflowRun: "workflow",
  workflowAutomatedTrigger: "workflow",
  workflowEventListener: "workflow",
};

/** Columns that name a record by its object, in another column, and its id; `core`: in the schema that all workspaces share. */
const pairs: readonly (readonly [
  table: string,
  column: string,
  object: string,
  kind: Reference["kind"],
  schema?: "core",
])[] = [
  ["timelineActivity", "linkedRecordId", "linkedObjectMetadataId", "refers"],
  // From 2.4x on: with whom a record is shared.
  ["recordShare", "recordId", "objectMetadataId", "belongs"],
  // What somebody put into the menu; until 1.x a favourite.
  ["navigationMenuItem", "targetRecordId", "targetObjectMetadataId", "belongs", "core"],
];

/** Columns of a workspace's tables that name rows of `core`. */
const toCore: readonly (readonly [table: string, column: string, to: string])[] = [
  ["workspaceMember", "userId", "user"],
  ["messageChannelMessageAssociation", "messageChannelId", "messageChannel"],
  ["calendarChannelEventAssociation", "calendarChannelId", "calendarChannel"],
  ["messageChannelMessageAssociationMessageFolder", "messageFolderId", "messageFolder"],
];

/** An object that people see, as Twenty keeps it: the table of its records. */
interface KnownObject {
  readonly id: string;
  readonly schema: string;
  readonly table: string;
}

export async function twentyModel(source: ModelSource): Promise<CrmModel> {
  const { tables } = source;
  const schemas = [...new Set(tables.map(({ schema }) => schema))].filter((schema) => schema.startsWith("workspace_"));
  const objects = await objectsOf(source);
  const relations = await relationsOf(source, objects);
  const models = schemas.map((schema, at) =>
    workspaceModel(
      schema,
      tables.filter((table) => table.schema === schema),
      at === 0 ? "" : `-${at + 1}`,
      new Set(relations.flatMap(({ from, columns }) => (from.schema === schema ? [`${from.name}.${columns[0]}`] : []))),
    ),
  );
  return inSchema(
    {
      entities: models.flatMap((one) => one.entities),
      references: [...relations, ...pairsOf(objects), ...models.flatMap((one) => one.references)],
      noise: models.flatMap((one) => one.noise),
      personal: [...models.flatMap((one) => one.personal ?? []), ...personalData(twentyPersonal, { schema: "core" })],
      labels: labelsOf(source, objects),
    },
    tables,
  );
}

/** Its tables of objects and their fields lie in `core`, or in a schema of their own before 1.5. */
function metadataOf({ tables }: ModelSource, name: string): { readonly schema: string; readonly name: string } {
  return { schema: tables.find((table) => table.name === "objectMetadata")?.schema ?? "core", name };
}

async function objectsOf(source: ModelSource): Promise<readonly KnownObject[]> {
  const there = new Set(source.tables.map(({ schema, name }) => `${schema}.${name}`));
  const objects: KnownObject[] = [];
  const columns = ["id", "nameSingular", "isCustom", "workspaceId"];
  for await (const [id, name = "", custom, workspace = ""] of source.rows(
    metadataOf(source, "objectMetadata"),
    columns,
  )) {
    const schema = schemaOf(workspace);
    const table = isTrue(custom) ? `_${name}` : name;
    if (id !== undefined && there.has(`${schema}.${table}`)) objects.push({ id, schema, table });
  }
  return objects;
}

/** Its id as a number, in digits and letters. */
function schemaOf(workspace: string): string {
  return /^[0-9a-f-]{36}$/i.test(workspace)
    ? `workspace_${BigInt(`0x${workspace.replaceAll("-", "")}`).toString(36)}`
    : "";
}

/** What the fields say: which column names which table, and whether a row goes with what it names. */
async function relationsOf(source: ModelSource, objects: readonly KnownObject[]): Promise<readonly Reference[]> {
  const byId = new Map(objects.map((one) => [one.id, one]));
  const found: Reference[] = [];
  const columns = ["objectMetadataId", "relationTargetObjectMetadataId", "settings"];
  for await (const [own = "", target = "", text = ""] of source.rows(metadataOf(source, "fieldMetadata"), columns)) {
    const [from, to] = [byId.get(own), byId.get(target)];
    const [, column] = /"joinColumnName": ?"([^"\\]+)"/.exec(text) ?? [];
    if (!from || to?.schema !== from.schema || column === undefined) continue;
    const kind = kindOf(from.table, to.table, /"onDelete": ?"CASCADE"/.test(text));
    found.push(reference(kind, `${from.table}.${column}`, `${to.table}.id`, { schema: from.schema }));
  }
  return found;
}

function pairsOf(objects: readonly KnownObject[]): readonly Reference[] {
  return pairs.flatMap(([name, column, object, kind, shared]) =>
    objects.map(({ id, schema, table }) => ({
      from: { schema: shared ?? schema, name },
      columns: [column],
      to: { schema, name: table },
      referenced: ["id"],
      when: { column: object, equals: id },
      kind,
    })),
  );
}

function kindOf(table: string, to: string, goesAlong = false): Reference["kind"] {
  if (links.test(table)) return "links";
  if (to === "workspaceMember") return "refers";
  return goesAlong || partsOf[table] === to || parts.test(table) ? "belongs" : "refers";
}

/**
 * People may rename what they see. Tables that they added begin with `_`. Fields of several columns (`name` of `nameFirstName`)
 * and those that name a record (`company` of `companyId`) are called otherwise than their columns, and are left out.
 */
function labelsOf(source: ModelSource, objects: readonly KnownObject[]): NonNullable<CrmModel["labels"]> {
  const from = metadataOf(source, "fieldMetadata");
  const byId = new Map(objects.map(({ id, table }) => [id, table]));
  return [{ from, columns: ["objectMetadataId", "name", "label"], tables: byId }];
}

/** `known`: columns of which the fields say what they name, as `table.column`. */
function workspaceModel(
  schema: string,
  tables: readonly TableSchema[],
  suffix: string,
  known: ReadonlySet<string>,
): CrmModel {
  const names = new Set(tables.map(({ name }) => name));
  const entities = tables.flatMap((table): readonly Entity[] => {
    const has = (column: string) => table.columns.some(({ name }) => name === column);
    const title = titles.find((columns) => columns.every(has));
    if (!title || !has("id") || !has("createdAt")) return [];
    const name = table.name
      .replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
      .replaceAll(/^[-_]+|[^\p{L}\p{N}_-]/gu, "");
    const { label: _, ...made } = entity(`${name}${suffix}`, table.name, {
      title,
      schema,
      created: "createdAt",
      modified: ["updatedAt"],
      deleted: { column: "deletedAt", when: "set" },
    });
    const label = labels[table.name];
    return [label === undefined ? made : { ...made, label }];
  });
  const references = tables.flatMap((table) =>
    table.columns.flatMap(({ name: column }): readonly Reference[] => {
      const word = /^(?:target(?!\p{Ll}))?([\p{L}\p{N}_]+)Id$/u.exec(column)?.[1];
      const to =
        word === undefined
          ? undefined
          : [word, word.charAt(0).toLowerCase() + word.slice(1)]
              .flatMap((one) => [one, `_${one}`])
              .find((one) => names.has(one));
      if (to === undefined || known.has(`${table.name}.${column}`)) return [];
      return [reference(kindOf(table.name, to), `${table.name}.${column}`, `${to}.id`, { schema })];
    }),
  );
  const noise = noiseOf(
    entities.map(({ table }) => table.name),
    ["updatedAt", "searchVector", "updatedByWorkspaceMemberId", "updatedByName", "updatedBySource", "updatedByContext"],
    schema,
  );
  const columns = Object.fromEntries(
    tables.map(({ name }) => [name, { ...twentyEverywhere, ...twentyPersonal[name] }] as const),
  );
  const shared = toCore.map(([name, column, to]): Reference => ({
    from: { schema, name },
    columns: [column],
    to: { schema: "core", name: to },
    referenced: ["id"],
    kind: "refers",
  }));
  return { entities, references: [...references, ...shared], noise, personal: personalData(columns, { schema }) };
}
