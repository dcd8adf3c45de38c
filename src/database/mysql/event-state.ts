import { withoutDefiner } from "./definer.ts";

/** Beside the live database events sleep, as a replica's do; in its place they wake. */
export function eventState(statement: string, state: "asleep" | "awake"): string {
  if (!/^CREATE\s+EVENT\b/i.test(withoutDefiner(statement))) return statement;
  return state === "asleep"
    ? statement.replace(/\b(ON COMPLETION (?:NOT )?PRESERVE) ENABLE\b/, "$1 DISABLE ON SLAVE")
    : statement.replace(/\b(ON COMPLETION (?:NOT )?PRESERVE) DISABLE ON (?:SLAVE|REPLICA)\b/, "$1 ENABLE");
}
