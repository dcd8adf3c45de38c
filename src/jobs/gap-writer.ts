import { setTimeout as sleep } from "node:timers/promises";
import type { SaveReportsInput } from "../engine/reports.ts";
import type { Event } from "../lib/events.ts";
import { gapReportOf } from "./gaps.ts";
import type { Door } from "./run.ts";

export interface GapWriterOptions extends Pick<SaveReportsInput, "repository" | "crm" | "limits"> {
  readonly door: Pick<Door, "saveReports">;
  readonly now: () => Date;
  readonly newId: () => string;
  /** Told of what keeps it from writing. */
  readonly onFailure: (error: unknown) => void;
}

/** How long it waits for whoever has the repository for himself, and before it tries again. */
const waitMs = 15 * 60_000;
const pauseMs = 30_000;
/** At the end it has so long. */
const graceMs = 4000;

/** Writes gaps into the repository while `follow` runs without the service; a scope. */
export class GapWriter implements AsyncDisposable {
  readonly #options: GapWriterOptions;
  readonly #stop = new AbortController();
  #waiting: SaveReportsInput["reports"] = [];
  #writing: Promise<void> | undefined;
  #hasFilesGap: "yes" | "no" = "no";

  constructor(options: GapWriterOptions) {
    this.#options = options;
  }

  note(event: Event): void {
    if (event.type !== "note") return;
    const { newId, now } = this.#options;
    const report = gapReportOf(event, newId(), now().toISOString());
    if (report === undefined || (report.kind === "gap-end" && this.#hasFilesGap === "no")) return;
    if (report.body["of"] === "files") this.#hasFilesGap = report.kind === "gap" ? "yes" : "no";
    this.#waiting = [...this.#waiting, report];
    this.#begin();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const timer = setTimeout(() => this.#stop.abort(), graceMs);
    while (this.#writing) await this.#writing;
    clearTimeout(timer);
  }

  #begin(): void {
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
      // Noted when the last look at what waits was over.
      if (this.#waiting.length > 0 && !this.#stop.signal.aborted) this.#begin();
    });
  }

  async #write(): Promise<void> {
    const { door, repository, crm, limits, now, onFailure } = this.#options;
    const { signal } = this.#stop;
    while (this.#waiting.length > 0 && !signal.aborted) {
      const reports = this.#waiting;
      try {
        await door.saveReports({ repository, crm, limits, reports, waitMs }, { signal, now, report: () => {} });
        this.#waiting = this.#waiting.filter((one) => !reports.includes(one));
      } catch (error) {
        if (signal.aborted) return;
        onFailure(error);
        await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
      }
    }
  }
}
