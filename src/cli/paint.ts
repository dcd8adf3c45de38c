import type { Output, Style } from "./output.ts";

const styles: Readonly<Record<"ok" | "warning" | "failed" | "missed", Style>> = {
  ok: "green",
  warning: "yellow",
  failed: "red",
  missed: "red",
};

/** Colours a text by an outcome, which the text itself says as well. */
export function paintOutcome(output: Output, outcome: keyof typeof styles, text: string): string {
  return output.paint(styles[outcome], text);
}
