import type { PointName } from "../engine/snapshots.ts";
import type { Context } from "./context.ts";
import { parsePoint } from "./moment.ts";

/**
 * `[point] [paths…]`: the point may be left out before a path, since a path begins with `/`. A moment is echoed with
 * its zone before anything is done with it.
 */
export function pointArgument(
  { surroundings, format, output, words }: Context,
  given: readonly string[],
): { readonly point: PointName; readonly paths: readonly string[] } {
  const [first, ...others] = given;
  if (first === undefined || first.startsWith("/")) return { point: { kind: "latest" }, paths: given };
  const point = parsePoint(first, surroundings.now(), format.zone);
  if (point.kind === "moment" && output.detail !== "quiet") {
    output.talk(format.fill(words.moment.echo, { time: point.time.toISOString(), zone: format.zone }));
  }
  return { point, paths: others };
}
