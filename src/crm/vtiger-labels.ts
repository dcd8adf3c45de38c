import type { CrmFiles } from "./crm-files.ts";
import type { CrmModel } from "./model.ts";
import { type PhpFile, readPhp } from "./php-data.ts";
import { programFolder } from "./platform.ts";

/** Where the language of an installation is not told. */
const usual = "en_us";

/**
 * `vtiger_field` has a word for each field; what people see in its place stands in the language files of the module, or in those
 * of all modules. Most words are what people see in English.
 */
export function vtigerLabels(
  { config, file }: CrmFiles,
  modulesOf: ReadonlyMap<string, readonly string[]>,
): NonNullable<CrmModel["fileLabels"]> {
  const read = async (language: string, module: string): Promise<PhpFile | undefined> => {
    const text = await file(programFolder, `languages/${language}/${module}.php`);
    return text === undefined ? undefined : readPhp(text);
  };
  let reading: Promise<string> | undefined;
  const languageOf = async (): Promise<string> => {
    const named = readPhp((await config("config.inc.php")) ?? "").get("default_language");
    return named !== undefined && /^[a-z]{2,3}_[a-z]{2}$/i.test(named) ? named : usual;
  };
  return async ({ name: table }, said) => {
    if (said.size === 0) return said;
    const language = await (reading ??= languageOf());
    const modules = [...(modulesOf.get(table) ?? []).filter((module) => /^\w+$/.test(module)), "Vtiger"];
    const files = await Promise.all(modules.map((module) => read(language, module)));
    const textOf = (word: string): string => {
      for (const php of files) {
        const text = php?.get("languageStrings", word);
        if (text) return text;
      }
      return word;
    };
    return new Map([...said].map(([column, word]) => [column, textOf(word)]));
  };
}
