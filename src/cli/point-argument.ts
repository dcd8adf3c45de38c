import type { PointName } from "../engine/snapshots.ts";
import type { Context } from "./context.ts";
import { parsePoint } from "./moment.ts";

/**
 * A point by its name. A moment is echoed with its zone before anything is done with it; an id must be that of a
 * recovery point of the CRM that `--crm` names.
 */
export function namedPoint({ surroundings, format, output, words, globals }: Context, name: string): PointName {
  const point = parsePoint(name, surroundings.now(), format.zone);
  if (point.kind === "moment" && output.detail !== "quiet") {
    output.talk(format.fill(words.moment.echo, { time: point.time.toISOString(), zone: format.zone }));
  }
  return point.kind === "id" && globals.crm !== undefined ? { ...point, of: globals.crm } : point;
}

/**
 * `[point] [what…]`: the point may be left out before what is no name of one, as a path, which begins with `/`, or a
 * record (`party/12`).
 */
export function pointArgument(
  context: Context,
  given: readonly string[],
): { readonly point: PointName; readonly paths: readonly string[] } {
  const [first, ...others] = given;
  if (first === undefined || (first.includes("/") && !first.startsWith("@"))) {
    return { point: { kind: "latest" }, paths: given };
  }
  return { point: namedPoint(context, first), paths: others };
}
