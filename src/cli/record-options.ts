import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { RecordSelection } from "../engine/record-selection.ts";
import type { RestoreScope } from "../engine/restore-plan.ts";
import { HoldfastError } from "../lib/errors.ts";
import { type Invocation, type OptionSpec, hasFlag, listOption, textOption } from "./command.ts";
import type { Context } from "./context.ts";
import { parseCsv } from "./csv.ts";
import { namedPoint } from "./point-argument.ts";

/** How `restore plan` is told which records. */
export const recordOptions: readonly OptionSpec[] = [
  { flags: "--record <records...>" },
  { flags: "--keys <file>" },
  { flags: "--search <words>" },
  { flags: "--deleted" },
  { flags: "--changed" },
  { flags: "--created" },
  { flags: "--in <names...>" },
  { flags: "--until <point>" },
  { flags: "--fields <columns...>" },
  { flags: "--alone" },
  { flags: "--rename <columns...>" },
  { flags: "--to-files <folder>" },
  { flags: "--format <format>", choices: ["sql", "csv", "sheet", "sheet-semicolon", "json"] },
];

/** `undefined`: no records are asked for. */
export async function recordScope(
  context: Context,
  invocation: Invocation,
  paths: readonly string[],
): Promise<RestoreScope | undefined> {
  const handles = listOption(invocation, "record");
  const file = textOption(invocation, "keys");
  const compared = (["deleted", "changed", "created"] as const).filter((name) => hasFlag(invocation, name));
  const until = textOption(invocation, "until");
  const fields = listOption(invocation, "fields");
  const search = textOption(invocation, "search");
  if (handles.length === 0 && file === undefined && search === undefined && compared.length === 0) {
    const stray = ["in", "until", "fields", "alone", "rename", "toFiles", "format"].find(
      (name) => invocation.options[name] !== undefined,
    );
    if (stray !== undefined)
      throw new HoldfastError("usage", { problem: "records-needed", what: `--${stray.replace("F", "-f")}` });
    return undefined;
  }
  for (const other of ["database", "system"]) {
    if (hasFlag(invocation, other)) {
      throw new HoldfastError("usage", { problem: "conflict", what: `--${other}`, other: "--record" });
    }
  }
  if (paths.length > 0) throw new HoldfastError("usage", { problem: "paths-and-scope" });
  const listed = file === undefined ? { handles: [], keys: [] } : await readKeys(context, file);
  const selection: RecordSelection = {
    handles: [...handles, ...listed.handles],
    keys: listed.keys,
    ...(search !== undefined && { search }),
    compared,
    in: listOption(invocation, "in"),
    ...(until !== undefined && { until: namedPoint(context, until) }),
    ...(fields.length > 0 && { fields: fields.flatMap((one) => one.split(",")) }),
    related: hasFlag(invocation, "alone") ? "none" : "all",
    renames: listOption(invocation, "rename").map(renameOf),
  };
  if (textOption(invocation, "toFiles") === undefined) return { kind: "records", selection };
  const format =
    (["sql", "sheet", "sheet-semicolon", "json"] as const).find((one) => one === invocation.options["format"]) ?? "csv";
  return { kind: "records", selection, format };
}

/**
 * A list in CSV with a header: a column `record` (as `compare --csv` writes it), else the first columns are the key of
 * the entity or table that the first heading names.
 */
async function readKeys({ surroundings }: Context, file: string): Promise<Pick<RecordSelection, "handles" | "keys">> {
  const path = resolve(surroundings.folder, file);
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    throw new HoldfastError("source-missing", { subject: path }, error);
  });
  const [header = [], ...rows] = parseCsv(text);
  const at = header.indexOf("record");
  if (at >= 0) return { handles: [...new Set(rows.flatMap((row) => row[at] || []))], keys: [] };
  const [name = ""] = header;
  return { handles: [], keys: [{ name, keys: rows.map((row) => row.slice(0, header.length)) }] };
}

/** `table.old=new` */
function renameOf(text: string): RecordSelection["renames"][number] {
  const [, table = "", from = "", to = ""] = /^(.+)\.([^.=]+)=([^=]+)$/.exec(text) ?? [];
  if (to === "") {
    throw new HoldfastError("usage", {
      problem: "bad-value",
      what: "--rename",
      value: text,
      expected: "table.old=new",
    });
  }
  return { table, from, to };
}
