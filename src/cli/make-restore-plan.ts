import { resolve } from "node:path";
import type { RestorePlan, RestorePlanInput, RestoreScope, RestoreSwitches } from "../engine/restore-plan.ts";
import type { UndoCause } from "../engine/undo-cause.ts";
import { HoldfastError } from "../lib/errors.ts";
import { type ArgumentSpec, type Invocation, hasFlag, listOption, type OptionSpec, textOption } from "./command.ts";
import type { Context } from "./context.ts";
import { namedPoint, pointArgument } from "./point-argument.ts";
import { recordOptions, recordScope } from "./record-options.ts";

/** What `makeRestorePlan` understands. */
export const restorePlanArguments: readonly ArgumentSpec[] = [{ form: "[point]" }, { form: "[paths...]" }];

export const restorePlanOptions: readonly OptionSpec[] = [
  { flags: "--database" },
  { flags: "--system" },
  { flags: "--target <folder>" },
  { flags: "--to-database <url>" },
  { flags: "--no-grants" },
  { flags: "--as <purpose>", choices: ["clone", "replacement"] },
  { flags: "--update-changed" },
  { flags: "--remove-newer" },
  { flags: "--only-existing" },
  { flags: "--exact" },
  { flags: "--anonymise" },
  { flags: "--with-files" },
  { flags: "--undo-transaction <transaction>" },
  { flags: "--undo-between <moments...>" },
  { flags: "--undo-by <user>" },
  { flags: "--undo-in <database>" },
  ...recordOptions,
];

/** Plans what was typed, and saves the plan. Changes nothing. */
export async function makeRestorePlan(context: Context, invocation: Invocation): Promise<RestorePlan> {
  const cause = undoCause(context, invocation);
  if (cause) return planUndo(context, invocation, cause);
  const { point, paths } = pointArgument(context, invocation.arguments);
  const target = textOption(invocation, "target") ?? textOption(invocation, "toFiles");
  const purpose = (["clone", "replacement"] as const).find((one) => one === invocation.options["as"]);
  const targetDatabase = textOption(invocation, "toDatabase");
  if (purpose && target === undefined && targetDatabase === undefined)
    throw new HoldfastError("usage", { problem: "target-and-purpose" });
  if (hasFlag(invocation, "withFiles") && !hasFlag(invocation, "anonymise")) {
    throw new HoldfastError("usage", { problem: "anonymise-where" });
  }
  const crm = await context.crmName();
  const input: RestorePlanInput = {
    repository: await context.access(),
    ...(crm === undefined ? {} : { crm }),
    point,
    scope: (await recordScope(context, invocation, paths)) ?? scopeOf(invocation, paths),
    ...(target === undefined ? {} : { target: resolve(context.surroundings.folder, target) }),
    ...(targetDatabase === undefined ? {} : { targetDatabase }),
    ...(invocation.options["grants"] === false ? { grants: "skip" as const } : {}),
    crms: (await context.config())?.crms ?? [],
    ...(purpose === undefined ? {} : { purpose }),
    switches: switchesOf(invocation),
    ...(hasFlag(invocation, "anonymise") && {
      anonymise: { files: hasFlag(invocation, "withFiles") ? ("kept" as const) : ("left-out" as const) },
    }),
  };
  return context.door.planRestore(input, context.run);
}

/** `undefined`: nothing is to be undone by its cause. */
function undoCause(context: Context, invocation: Invocation): UndoCause | undefined {
  const transaction = textOption(invocation, "undoTransaction");
  const between = listOption(invocation, "undoBetween");
  const by = textOption(invocation, "undoBy");
  const momentAt = (text: string): Date => {
    const point = namedPoint(context, text);
    if (point.kind !== "moment") throw new HoldfastError("moment-invalid", { text, problem: "form" });
    return point.time;
  };
  if (transaction !== undefined) {
    const [moment] = invocation.arguments;
    return { kind: "transaction", transaction, ...(moment !== undefined && { around: momentAt(moment) }) };
  }
  const [from, to, more] = between;
  if (from === undefined && by === undefined) {
    if (textOption(invocation, "undoIn") !== undefined) throw new HoldfastError("usage", { problem: "undo-in" });
    return undefined;
  }
  if (from === undefined || to === undefined || more !== undefined) {
    throw new HoldfastError("usage", { problem: "undo-between" });
  }
  return { kind: "between", from: momentAt(from), to: momentAt(to), ...(by !== undefined && { by }) };
}

async function planUndo(context: Context, invocation: Invocation, cause: UndoCause): Promise<RestorePlan> {
  const crm = await context.crmName();
  const targetDatabase = textOption(invocation, "toDatabase");
  const database = textOption(invocation, "undoIn");
  return context.door.planUndo(
    {
      repository: await context.access(),
      ...(crm === undefined ? {} : { crm }),
      crms: (await context.config())?.crms ?? [],
      ...(targetDatabase === undefined ? {} : { targetDatabase }),
      ...(database === undefined ? {} : { database }),
      cause,
    },
    context.run,
  );
}

/** `--exact` is short for all three: afterwards the target is what the recovery point holds. */
function switchesOf(invocation: Invocation): RestoreSwitches {
  const exact = hasFlag(invocation, "exact");
  const onlyExisting = hasFlag(invocation, "onlyExisting");
  if (exact && onlyExisting) {
    throw new HoldfastError("usage", { problem: "conflict", what: "--exact", other: "--only-existing" });
  }
  return {
    createMissing: !onlyExisting,
    updateChanged: exact || hasFlag(invocation, "updateChanged"),
    removeNewer: exact || hasFlag(invocation, "removeNewer"),
  };
}

function scopeOf(invocation: Invocation, paths: readonly string[]): RestoreScope {
  const database = hasFlag(invocation, "database");
  if (database && hasFlag(invocation, "system")) {
    throw new HoldfastError("usage", { problem: "conflict", what: "--database", other: "--system" });
  }
  if (paths.length > 0 && (database || hasFlag(invocation, "system"))) {
    throw new HoldfastError("usage", { problem: "paths-and-scope" });
  }
  const noPath = paths.find((path) => !/^\/?(?:files|config|databases)(?:\/|$)/.test(path));
  if (noPath !== undefined) throw new HoldfastError("usage", { problem: "no-path", what: noPath });
  const ofDatabase = paths.find((path) => path.split("/").find(Boolean) === "databases");
  if (ofDatabase !== undefined) {
    const table = ofDatabase.split("/").filter(Boolean)[2];
    throw new HoldfastError("usage", { problem: "path-of-rows", what: ofDatabase, ...(table && { table }) });
  }
  if (paths.length > 0) return { kind: "files", paths };
  return database ? { kind: "database" } : { kind: "system" };
}
