import type { TableSchema } from "../database/database.ts";
import type { CrmModel, Entity, ModelSource, Reference } from "./model.ts";
import { entity, inSchema, noiseOf, personalData, reference } from "./model-parts.ts";
import { twentyEverywhere, twentyPersonal } from "./twenty-personal.ts";

/**
 * Twenty's tables: each workspace has a schema of its own, `workspace_…`, with tables that people may add to. A table is an
 * entity if its rows have an id and times; `<x>Id` names a row of table `x` of the same schema, or of `_x` where people added it.
 * Tables whose names end in `Target` join a note, a task or an attachment with whatever it is about.
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

export async function twentyModel(source: ModelSource): Promise<CrmModel> {
  const { tables } = source;
  const schemas = [...new Set(tables.map(({ schema }) => schema))].filter((schema) => schema.startsWith("workspace_"));
  const models = schemas.map((schema, at) =>
    workspaceModel(
      schema,
      tables.filter((table) => table.schema === schema),
      at === 0 ? "" : `-${at + 1}`,
    ),
  );
  return inSchema(
    {
      entities: models.flatMap((one) => one.entities),
      references: models.flatMap((one) => one.references),
      noise: models.flatMap((one) => one.noise),
      personal: [...models.flatMap((one) => one.personal ?? []), ...personalData(twentyPersonal, { schema: "core" })],
      labels: await labelsOf(source),
    },
    tables,
  );
}

/**
 * People may rename what they see. Tables that they added begin with `_`. Fields of several columns (`name` of `nameFirstName`)
 * and those that name a record (`company` of `companyId`) are called otherwise than their columns, and are left out.
 */
async function labelsOf(source: ModelSource): Promise<NonNullable<CrmModel["labels"]>> {
  const names = new Set(source.tables.map(({ name }) => name));
  const byWord = new Map<string, string>();
  const schema = source.tables.find(({ name }) => name === "objectMetadata")?.schema ?? "core";
  const columns = ["id", "nameSingular", "isCustom"];
  for await (const [id, name = "", custom] of source.rows({ schema, name: "objectMetadata" }, columns)) {
    const table = custom?.startsWith("t") ? `_${name}` : name;
    if (id !== undefined && names.has(table)) byWord.set(id, table);
  }
  const from = { schema, name: "fieldMetadata" };
  return [{ from, columns: ["objectMetadataId", "name", "label"], tables: byWord }];
}

function workspaceModel(schema: string, tables: readonly TableSchema[], suffix: string): CrmModel {
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
      if (to === undefined || (to === table.name && column === "id")) return [];
      const isPart = partsOf[table.name] === to || (parts.test(table.name) && to !== "workspaceMember");
      const kind = table.name.endsWith("Target") ? "links" : isPart ? "belongs" : "refers";
      return [reference(kind, `${table.name}.${column}`, `${to}.id`, { schema })];
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
  const members: Reference = {
    from: { schema, name: "workspaceMember" },
    columns: ["userId"],
    to: { schema: "core", name: "user" },
    referenced: ["id"],
    kind: "refers",
  };
  return { entities, references: [...references, members], noise, personal: personalData(columns, { schema }) };
}
