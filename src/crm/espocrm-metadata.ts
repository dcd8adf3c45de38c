import type { CrmFiles } from "./crm-files.ts";
import type { CrmModel, Reference } from "./model.ts";
import { reference } from "./model-parts.ts";
import { readPhp } from "./php-data.ts";
import { programFolder } from "./platform.ts";

/**
 * What EspoCRM keeps in JSON files: links between entities (`metadata/entityDefs`) and what people call fields (`i18n`). What
 * the Entity Manager made stands below `custom/Espo/Custom`, of extensions below `custom/Espo/Modules`; each adds to what
 * stands before it. Files are somebody else's until they are checked: what is not as it should be is as if it were not there.
 */
const ownRoots = ["application/Espo/Resources", "application/Espo/Modules/Crm/Resources"];
const customRoot = "custom/Espo/Custom/Resources";
const extensions = "custom/Espo/Modules";
/** Links are named twice: in the entity, and in the one that it leads to. */
const mostFiles = 1000;

export interface EspocrmMetadata {
  /** References that people and extensions made. */
  links(): Promise<readonly Reference[]>;
  readonly labels: NonNullable<CrmModel["fileLabels"]>;
}

export function espocrmMetadata(files: CrmFiles): EspocrmMetadata {
  const { config, file, names } = files;
  const madeRoots = async (): Promise<readonly string[]> => [
    ...(await names(programFolder, extensions)).map((one) => `${extensions}/${one}/Resources`),
    customRoot,
  ];
  const read = async (path: string): Promise<unknown> => parsed(await file(programFolder, path));
  let reading: Promise<Texts> | undefined;

  async function readTexts(): Promise<Texts> {
    const named = await Promise.all(
      ["config-override.php", "config.php"].map(async (one) =>
        readPhp((await config(one)) ?? "").get("return", "language"),
      ),
    );
    const own = named.find((one) => one !== undefined && /^[a-z]{2}_[A-Z]{2}$/.test(one)) ?? usual;
    const roots = [...ownRoots, ...(await madeRoots())].toReversed();
    const paths = [...new Set([own, usual])].flatMap((language) => roots.map((root) => `${root}/i18n/${language}`));
    const texts = async (scope: string) => await Promise.all(paths.map(async (path) => read(`${path}/${scope}.json`)));
    return { texts, everywhere: await texts("Global") };
  }

  return {
    async links() {
      const paths = await Promise.all(
        (await madeRoots()).map(async (root) => {
          const folder = `${root}/metadata/entityDefs`;
          return (await names(programFolder, folder)).map((name) => ({ name, path: `${folder}/${name}` }));
        }),
      );
      const found = paths.flat().slice(0, mostFiles);
      const all = await Promise.all(
        found.map(async ({ name, path }) => {
          const entity = /^([A-Za-z]\w*)\.json$/.exec(name)?.[1];
          return entity === undefined ? [] : linksOf(entity, fieldOf(await read(path), "links"));
        }),
      );
      return all.flat();
    },
    labels: async ({ name, columns }) => {
      const { texts, everywhere } = await (reading ??= readTexts());
      const scopes = [...(await texts(typeName(name))), ...everywhere];
      const found = new Map<string, string>();
      for (const { name: column } of columns) {
        // A link's column ends in `_id`; people see the link.
        const fields = [attribute(column), ...(column.endsWith("_id") ? [attribute(column.slice(0, -3))] : [])];
        const places = fields.flatMap((field) => scopes.flatMap((scope) => textsOf(scope, field)));
        if (places[0] !== undefined) found.set(column, places[0]);
      }
      return found;
    },
  };
}

interface Texts {
  readonly texts: (scope: string) => Promise<readonly unknown[]>;
  readonly everywhere: readonly unknown[];
}

const usual = "en_US";

function textsOf(scope: unknown, field: string): readonly string[] {
  return ["fields", "links"].flatMap((kind) => {
    const text = fieldOf(fieldOf(scope, kind), field);
    return typeof text === "string" && text !== "" ? [text] : [];
  });
}

/** `belongsTo` has a column of its own; of a table that joins two, `midKeys` names both where the names of tables do not. */
function linksOf(entity: string, links: unknown): readonly Reference[] {
  return Object.entries(isRecord(links) ? links : {}).flatMap(([name, link]): readonly Reference[] => {
    const text = (key: string): string | undefined => wordOf(fieldOf(link, key));
    const other = text("entity");
    if (other === undefined) return [];
    const [own, theirs] = [entity, other].map((one) => `${columnName(one)}.id`);
    if (text("type") === "belongsTo")
      return [reference("refers", `${columnName(entity)}.${columnName(text("key") ?? `${name}Id`)}`, theirs ?? "")];
    const middle = text("relationName");
    const keys = fieldOf(link, "midKeys");
    const [near, far] = Array.isArray(keys) ? keys.map(wordOf) : [];
    if (middle === undefined || near === undefined || far === undefined) return [];
    return [
      reference("links", `${columnName(middle)}.${columnName(near)}`, own ?? ""),
      reference("links", `${columnName(middle)}.${columnName(far)}`, theirs ?? ""),
    ];
  });
}

/** `target_list` is `TargetList` where a pair or a file names it. */
export function typeName(table: string): string {
  return table.replaceAll(/(?:^|_)(\w)/g, (_, letter: string) => letter.toUpperCase());
}

/** `assigned_user_id` is `assignedUserId`. */
function attribute(column: string): string {
  return column.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
}

/** `TargetList` and `targetList` are `target_list`. */
function columnName(word: string): string {
  return word.replaceAll(/[A-Z]/g, (letter, at: number) => `${at === 0 ? "" : "_"}${letter.toLowerCase()}`);
}

function wordOf(value: unknown): string | undefined {
  return typeof value === "string" && /^[A-Za-z]\w*$/.test(value) ? value : undefined;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function fieldOf(value: unknown, key: string): unknown {
  return isRecord(value) && Object.hasOwn(value, key) ? value[key] : undefined;
}

function parsed(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : (JSON.parse(text) as unknown);
  } catch {
    return undefined;
  }
}
