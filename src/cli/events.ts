import type { Event, Warning, WarningCode } from "../lib/events.ts";
import { anomalyText } from "./anomaly-words.ts";
import { reasonInWords } from "./gap-words.ts";
import { truncate } from "../words/width.ts";
import { type Format, printable } from "../words/format.ts";
import type { Words } from "../words/words.ts";
import type { Output } from "./output.ts";
import { warningText } from "./warnings.ts";

/** A reader of the engine's events. */
export interface EventReader {
  readonly report: (event: Event) => void;
  /** Warnings that were told and not yet shown; taking them leaves none. */
  takeWarnings(): readonly Warning[];
}

/** Shown the moment they come: they are about the run itself, and no report repeats them. */
const atOnce: ReadonlySet<WarningCode> = new Set([
  "password-file-open",
  "lock-stale-removed",
  "newer-with-warnings",
  "point-ahead",
] satisfies WarningCode[]);

const progressEveryMs = 100;

/** For a person: one progress line on a terminal, notes and urgent warnings as lines; other warnings are kept. */
export function terminalEvents(output: Output, words: Words, format: Format, columns: () => number): EventReader {
  const kept: Warning[] = [];
  let lastShown = -Infinity;

  function show(text: string): void {
    output.progress(truncate(text, Math.max(20, columns() - 1)));
  }

  function report(event: Event): void {
    switch (event.type) {
      case "phase": {
        const text = `${words.phases[event.phase]}${event.subject ? ` · ${printable(event.subject)}` : ""}`;
        if (output.detail === "verbose") output.talk(text);
        show(`${text} …`);
        break;
      }
      case "progress": {
        const at = performance.now();
        if (at - lastShown < progressEveryMs) break;
        lastShown = at;
        show(progressText(event, words, format));
        break;
      }
      case "journal": {
        const { subject, durableTo, waitingBytes: waiting } = event;
        if (durableTo) show(format.fill(words.follow.state, { subject, durableTo, ...(waiting > 0 && { waiting }) }));
        break;
      }
      case "warning":
        if (atOnce.has(event.warning.code)) {
          output.talk(
            `${output.paintTalk("yellow", `${words.label.warning}${words.label.colon}`)}${warningText(event.warning, words, format)}`,
          );
        } else kept.push(event.warning);
        break;
      case "note": {
        const chatty = event.code === "table-method" || event.code === "table-folded";
        if (output.detail === "quiet" || (chatty && output.detail !== "verbose")) break;
        const anomaly = event.code === "follow-anomaly" ? { anomaly: anomalyText(event.facts, words, format) } : {};
        const facts = { ...event.facts, ...reasonInWords(event.facts, words), ...anomaly };
        output.talk(format.fill(words.notes[event.code], facts));
      }
    }
  }

  return { report, takeWarnings: () => kept.splice(0) };
}

function progressText(event: Event & { type: "progress" }, words: Words, format: Format): string {
  const phase = words.phases[event.phase];
  const total = event.totalBytes;
  const known = total !== undefined && total > 0;
  const percent = known ? Math.min(100, Math.floor((event.doneBytes / total) * 100)) : undefined;
  const template = known ? words.progress.of : words.progress.so;
  const text = format.fill(template, { phase, done: event.doneBytes, total, percent });
  return event.subject ? `${text} · ${printable(event.subject)}` : text;
}

const recordEveryMs = 250;

/** For a program: each event as a line of JSON. Progress at most four times a second. */
export function jsonEvents(output: Output): EventReader {
  let lastProgress = -Infinity;
  function report(event: Event): void {
    if (event.type === "progress") {
      const at = performance.now();
      if (at - lastProgress < recordEveryMs) return;
      lastProgress = at;
    }
    output.record(event);
  }
  return { report, takeWarnings: () => [] };
}

/** For a question under `--json`, whose answer is one object: what cannot wait goes to standard error as a sentence. */
export function silentEvents(output: Output, words: Words, format: Format): EventReader {
  function report(event: Event): void {
    if (event.type === "warning" && atOnce.has(event.warning.code)) {
      output.talk(`${words.label.warning}${words.label.colon}${warningText(event.warning, words, format)}`);
    }
  }
  return { report, takeWarnings: () => [] };
}
