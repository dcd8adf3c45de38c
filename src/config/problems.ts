import { type Document, isMap, isNode, isPair, isScalar, isSeq, type LineCounter } from "yaml";
import type * as z from "zod";
import { closest } from "../lib/closest.ts";
import { configJsonSchema } from "./config-schema.ts";

/** One mistake in `holdfast.yaml`: where it is, and the facts of its sentence. Never a value that may be secret. */
export interface ConfigProblem {
  /** Key of `words` under `configProblems`. */
  readonly problem: string;
  readonly line: number;
  readonly column: number;
  /** `repository.password`, `crms[1].name`; empty: the whole file. */
  readonly path: string;
  readonly key?: string;
  readonly suggestion?: string;
  readonly expected?: string;
  readonly detail?: string;
}

type Issue = z.core.$ZodIssue;
type Path = readonly PropertyKey[];
/** Where in the file a problem is shown: at a key, or at the value under it. */
type Spot = "key" | "value";

/** zod's issues as problems with line and column, in the order of the file. */
export function problemsOf(issues: readonly Issue[], document: Document, lines: LineCounter): ConfigProblem[] {
  const found = issues.flatMap((issue) => describeIssue(issue, [], document, lines));
  const meant = new Set(found.filter((one) => one.problem === "unknown-key").map((one) => one.suggestion));
  return found
    .filter((one) => one.problem !== "missing" || !meant.has(one.key)) // a misspelt key is one mistake, not two
    .toSorted((a, b) => a.line - b.line || a.column - b.column);
}

export function problemAt(
  document: Document,
  lines: LineCounter,
  path: Path,
  spot: Spot,
  facts: Omit<ConfigProblem, "line" | "column" | "path">,
): ConfigProblem {
  const { line, col } = lines.linePos(offsetOf(document, path, spot));
  return { ...facts, line: Math.max(1, line), column: Math.max(1, col), path: pathText(path) };
}

function describeIssue(issue: Issue, above: Path, document: Document, lines: LineCounter): ConfigProblem[] {
  const path = [...above, ...issue.path];
  const at = (spot: Spot, facts: Omit<ConfigProblem, "line" | "column" | "path">, where: Path = path) =>
    problemAt(document, lines, where, spot, facts);
  if (issue.code === "unrecognized_keys") {
    const known = keysAllowedAt(path);
    return issue.keys.map((key) => at("key", { problem: "unknown-key", key, ...suggest(key, known) }, [...path, key]));
  }
  if (issue.code === "invalid_union") {
    // The alternative that went furthest is the one that was meant.
    const depth = (branch: readonly Issue[]) => Math.max(0, ...branch.map((one) => one.path.length));
    const meant = issue.errors.toSorted((a, b) => depth(b) - depth(a))[0] ?? [];
    if (depth(meant) > 0) return meant.flatMap((one) => describeIssue(one, path, document, lines));
    return [at("value", { problem: "type", expected: "files" })];
  }
  if (issue.code === "invalid_key") return [at("key", { problem: "name" })];
  if (issue.code === "invalid_value") {
    const written = document.getIn(path as unknown[]);
    const values = issue.values.map(String);
    const facts = { problem: "value", expected: values.join(", ") };
    return [at("value", { ...facts, ...suggest(String(written), values) })];
  }
  if (issue.code === "invalid_type") {
    const missing = document.getIn(path as unknown[]) === undefined;
    if (!missing) return [at("value", { problem: "type", expected: issue.expected })];
    return [at("key", { problem: "missing", key: String(path.at(-1) ?? "") }, path.slice(0, -1))];
  }
  if (issue.code === "custom") return [at("value", customFacts(issue, document, path))];
  if (issue.code === "invalid_format") return [at("value", { problem: issue.message })];
  if (issue.code === "too_small" && issue.origin !== "int" && issue.origin !== "number") {
    return [at("value", { problem: "empty" })];
  }
  if (issue.code === "too_small") return [at("value", { problem: "too-small", expected: String(issue.minimum) })];
  if (issue.code === "too_big") return [at("value", { problem: "too-big", expected: String(issue.maximum) })];
  return [at("value", { problem: "type", expected: "" })];
}

function customFacts(issue: z.core.$ZodIssueCustom, document: Document, path: Path) {
  const code = String(issue.params?.["problem"] ?? "value");
  if (code !== "timezone") return { problem: code };
  return { problem: code, ...suggest(String(document.getIn(path as unknown[])), Intl.supportedValuesOf("timeZone")) };
}

function suggest(typed: string, known: Iterable<string>): { readonly suggestion?: string } {
  const suggestion = closest(typed, known);
  return suggestion === undefined ? {} : { suggestion };
}

/** The keys that the schema knows at a path: read from the JSON Schema, which has no wrappers to see through. */
function keysAllowedAt(path: Path): readonly string[] {
  let here: unknown = configJsonSchema();
  for (const step of path) {
    here = typeof step === "number" ? property(here, "items") : property(property(here, "properties"), String(step));
  }
  return Object.keys(property(here, "properties") ?? {});
}

function property(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[key] : undefined;
}

/** Offset in the file of the key or value at a path; of the nearest thing above it where it is not there. */
function offsetOf(document: Document, path: Path, spot: Spot): number {
  let node: unknown = document.contents;
  let offset = startOf(node) ?? 0;
  for (const [index, step] of path.entries()) {
    const last = index === path.length - 1;
    if (isMap(node)) {
      const pair = node.items.find((one) => isScalar(one.key) && String(one.key.value) === String(step));
      if (!isPair(pair)) return offset;
      const keyStart = startOf(pair.key) ?? offset;
      offset = last && spot === "value" ? (startOf(pair.value) ?? keyStart) : keyStart;
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(step)];
      offset = startOf(node) ?? offset;
    } else return offset;
  }
  return offset;
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}

function pathText(path: Path): string {
  return path
    .map((step, index) => (typeof step === "number" ? `[${step}]` : `${index === 0 ? "" : "."}${String(step)}`))
    .join("");
}
