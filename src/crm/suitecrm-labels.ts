import type { CrmFiles } from "./crm-files.ts";
import type { CrmModel } from "./model.ts";
import { type PhpFile, readPhp } from "./php-data.ts";
import { programFolder } from "./platform.ts";

/**
 * What people call SuiteCRM's fields stands in its files: a field's definition names a text (`LBL_INDUSTRY`), language files
 * have it. Modules are made from templates, which have both for the fields that all share; what Studio made of it lies below
 * `custom/`. Fields that Studio added are rows of `fields_meta_data`, with the text's name. Files are read as data.
 */
const templates = ["basic", "company", "person", "issue", "sale", "file"].map((one) => `templates/${one}`);
const shared = [...templates, "implements/assignable"].map((one) => `include/SugarObjects/${one}`);

/** Every language file has this one beneath it. */
const usual = "en_us";

/** A file of SuiteCRM's own folder, which is `public/legacy` in 8. */
export async function suitecrmFile({ file }: CrmFiles, path: string): Promise<string | undefined> {
  return (await file(programFolder, `public/legacy/${path}`)) ?? (await file(programFolder, path));
}

/** @param moduleOf the module that keeps its records in a table, or more of them in one called so and `_cstm` */
export function suitecrmLabels(
  files: CrmFiles,
  moduleOf: ReadonlyMap<string, string>,
): NonNullable<CrmModel["fileLabels"]> {
  const read = async (path: string): Promise<PhpFile | undefined> => {
    const text = await suitecrmFile(files, path);
    return text === undefined ? undefined : readPhp(text);
  };
  const readAll = async (paths: readonly string[]): Promise<readonly PhpFile[]> =>
    (await Promise.all(paths.map(read))).filter((one) => one !== undefined);
  let reading: Promise<Shared> | undefined;
  const words = async (module: string): Promise<Words> => {
    const { languages, fields, modules, application } = await (reading ??= readShared(files, readAll));
    const own = await readAll(languages.flatMap((language) => ofModule(module, language)));
    const definitions = await readAll([
      `custom/modules/${module}/Ext/Vardefs/vardefs.ext.php`,
      `modules/${module}/vardefs.php`,
    ]);
    return {
      nameOf: (table, column) =>
        first(definitions, (php) => {
          const objects = php.keys("dictionary");
          const object = objects.find((one) => php.get("dictionary", one, "table") === table) ?? objects[0] ?? "";
          return php.get("dictionary", object, "fields", column, "vname");
        }) ?? first(fields, (php) => php.get("vardefs", "fields", column, "vname")),
      textOf: (name) =>
        first(own, (php) => php.get("mod_strings", name)) ??
        first(modules, (php) => php.get("mod_strings", name)) ??
        first(application, (php) => php.get("app_strings", name)),
    };
  };
  return async (table, said) => {
    const base = table.name.replace(/_cstm$/, "");
    const module = moduleOf.get(base);
    const found = new Map<string, string>();
    if (module === undefined) return found;
    const { nameOf, textOf } = await words(module);
    for (const { name } of table.columns) {
      // Where nothing names a text, it mostly is called like the column.
      const text = textOf(said.get(name) ?? nameOf(base, name) ?? `LBL_${name.toUpperCase()}`);
      const label = text?.replace(/[\s:]+$/, "");
      if (label) found.set(name, label);
    }
    return found;
  };
}

interface Words {
  readonly nameOf: (table: string, column: string) => string | undefined;
  readonly textOf: (name: string) => string | undefined;
}

interface Shared {
  /** The installation's own, then English. */
  readonly languages: readonly string[];
  readonly fields: readonly PhpFile[];
  readonly modules: readonly PhpFile[];
  readonly application: readonly PhpFile[];
}

async function readShared(
  { config }: CrmFiles,
  readAll: (paths: readonly string[]) => Promise<readonly PhpFile[]>,
): Promise<Shared> {
  const settings = await Promise.all(["config_override.php", "config.php"].map(config));
  const named = first(settings, (text) => readPhp(text ?? "").get("sugar_config", "default_language"));
  const own = named !== undefined && /^[a-z]{2,3}_[a-z]{2}$/i.test(named) ? named : usual;
  const languages = [...new Set([own, usual])];
  return {
    languages,
    fields: await readAll(shared.map((folder) => `${folder}/vardefs.php`)),
    modules: await readAll(languages.flatMap((one) => shared.map((folder) => `${folder}/language/${one}.lang.php`))),
    application: await readAll(
      languages.flatMap((one) => [
        `custom/application/Ext/Language/${one}.lang.ext.php`,
        `custom/include/language/${one}.lang.php`,
        `include/language/${one}.lang.php`,
      ]),
    ),
  };
}

/** What stands over the others first. */
function ofModule(module: string, language: string): readonly string[] {
  return [
    `custom/modules/${module}/Ext/Language/${language}.lang.ext.php`,
    `custom/modules/${module}/language/${language}.lang.php`,
    `modules/${module}/language/${language}.lang.override.php`,
    `modules/${module}/language/${language}.lang.php`,
  ];
}

function first<T>(all: readonly T[], find: (one: T) => string | undefined): string | undefined {
  for (const one of all) {
    const found = find(one);
    if (found !== undefined) return found;
  }
  return undefined;
}
