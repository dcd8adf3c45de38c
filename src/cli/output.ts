import { styleText } from "node:util";
import { printableJson } from "../words/format.ts";

export interface OutputStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string | Uint8Array): boolean;
}

export type Style = "bold" | "dim" | "red" | "green" | "yellow";

/**
 * Where a command speaks: data to standard output, talk to standard error. Under `--json` standard output holds JSON
 * only: one object for a question, a line an event for a stream.
 */
export interface Output {
  readonly json: boolean;
  readonly detail: "quiet" | "normal" | "verbose";
  /** A line of the answer for a person; nothing under `--json`. */
  line(text?: string): void;
  lines(lines: readonly string[]): void;
  /** What a run did, as lines; under `--quiet` only where its exit code says more than that all is well. */
  report(lines: readonly string[], exitCode: number): void;
  /** Bytes of the answer as they are (a file's content). */
  raw(bytes: Uint8Array): void;
  /** A line of talk, on standard error. */
  talk(text: string): void;
  /** One line of JSON; nothing without `--json`. */
  record(value: object): void;
  /** Shows or replaces the progress line; nothing where there is no terminal. */
  progress(text: string): void;
  clearProgress(): void;
  /** Colours for standard output and for standard error: none under `NO_COLOR` or without a terminal. */
  paint(style: Style, text: string): string;
  paintTalk(style: Style, text: string): string;
}

export interface OutputOptions {
  readonly json: boolean;
  readonly detail: Output["detail"];
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export function createOutput({ json, detail, stdout, stderr, environment }: OutputOptions): Output {
  const colours = !environment["NO_COLOR"] && environment["TERM"] !== "dumb";
  const live = stderr.isTTY === true && environment["TERM"] !== "dumb" && detail !== "quiet" && !json;
  let shown = false;

  function clearProgress(): void {
    if (shown) stderr.write("\r\u001b[K");
    shown = false;
  }
  function line(text = ""): void {
    if (json) return;
    clearProgress();
    stdout.write(`${text}\n`);
  }

  return {
    json,
    detail,
    line,
    lines: (lines) => lines.forEach((text) => line(text)),
    report(lines, exitCode) {
      if (detail !== "quiet" || exitCode !== 0) for (const text of lines) line(text);
    },
    raw(bytes) {
      clearProgress();
      stdout.write(bytes);
    },
    talk(text) {
      clearProgress();
      stderr.write(`${text}\n`);
    },
    record(value) {
      if (json) stdout.write(`${printableJson(JSON.stringify(value, bigintAsText))}\n`);
    },
    progress(text) {
      if (!live) return;
      stderr.write(`\r\u001b[K${text}`);
      shown = true;
    },
    clearProgress,
    paint: (style, text) =>
      colours && stdout.isTTY === true && !json ? styleText(style, text, { validateStream: false }) : text,
    paintTalk: (style, text) =>
      colours && stderr.isTTY === true ? styleText(style, text, { validateStream: false }) : text,
  };
}

function bigintAsText(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}
