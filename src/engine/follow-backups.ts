import type { JournalDatabase } from "../contents/journal/journal-file.ts";
import { beginsBefore } from "../contents/journal/reach.ts";
import type { Manifest } from "../contents/manifest.ts";
import { openSnapshot } from "../contents/open-snapshot.ts";
import type { SnapshotPoint } from "../database/change-feed.ts";
import type { Id } from "../format/tree.ts";
import { isHoldfastError } from "../lib/errors.ts";
import type { Run } from "../lib/run.ts";
import { isDamage } from "../repository/damage.ts";
import type { Repository, StoredSnapshot } from "../repository/repository.ts";
import { databaseEngineFor, type Engine } from "./engine.ts";
import type { FollowInput } from "./follow.ts";
import type { JournalKeeper } from "./journal-keeper.ts";
import { backupsOf } from "./points.ts";

export interface FollowBackupsOptions extends Pick<FollowInput, "crm" | "backup" | "backupPauseMs"> {
  readonly engine: Engine;
  readonly repository: Repository;
  readonly keeper: JournalKeeper;
  readonly run: Run;
  /** Told what each newest backup says of itself. */
  readonly learn: (manifest: Manifest) => void;
}

const defaultPauseMs = 60_000;

/** The backups that a journal leads on from: which is the newest, and whether another one is lacking, which is made at once. */
export class FollowBackups {
  readonly #options: FollowBackupsOptions;
  /** The one that was looked at last, and what it says of itself. */
  #looked: { readonly id: Id; readonly manifest: Manifest | undefined } | undefined;
  #begunAt = -Infinity;
  #making: Promise<void> | undefined;
  /** What was known when it was last found that none is lacking. */
  #answered: string | undefined;

  constructor(options: FollowBackupsOptions) {
    this.#options = options;
  }

  /** Waits for the one that is being made. */
  async ended(): Promise<void> {
    await this.#making?.catch(() => undefined);
  }

  /** From the newest is learnt how large tables are. */
  async look(): Promise<void> {
    const newest = this.#newestIn(this.#options.keeper.snapshots);
    if (newest) await this.#manifestOf(newest);
  }

  /** A gap ends with the next backup: it is made at once. */
  async makeIfNeeded(databases: readonly string[], files: "lacking" | "whole"): Promise<void> {
    const { backup, backupPauseMs = defaultPauseMs, run } = this.#options;
    if (!backup || this.#making || performance.now() - this.#begunAt < backupPauseMs) return;
    if (!(await this.#isLacking(databases)) && files === "whole") return;
    this.#begunAt = performance.now();
    run.report({ type: "note", code: "follow-backup", facts: {} });
    this.#making = backup(run)
      .catch((error: unknown) => {
        if (run.signal.aborted) return;
        const reason = isHoldfastError(error) ? error.code : "internal";
        run.report({ type: "note", code: "follow-backup-failed", facts: { reason } });
      })
      .then(() => {
        this.#making = undefined;
      });
  }

  #newestIn(snapshots: readonly StoredSnapshot[]): StoredSnapshot | undefined {
    return backupsOf(snapshots, this.#options.crm.name).at(-1);
  }

  /** `undefined`: it is damaged, no reason to end. */
  async #manifestOf(backup: StoredSnapshot): Promise<Manifest | undefined> {
    if (this.#looked?.id === backup.id) return this.#looked.manifest;
    const { repository, run, learn } = this.#options;
    const { signal } = run;
    const indexed = await repository.index(signal);
    const opened = await openSnapshot(indexed, backup, signal).catch((error: unknown) => {
      if (isDamage(error)) return undefined;
      throw error;
    });
    const manifest = opened?.manifest;
    this.#looked = { id: backup.id, manifest };
    if (manifest) learn(manifest);
    return manifest;
  }

  /** Whether nothing leads from the newest backup to now. Looked at again when anything of that is new. */
  async #isLacking(names: readonly string[]): Promise<boolean> {
    const { engine, keeper, repository, run } = this.#options;
    const databases = names.map((name) => keeper.writer.database(name));
    // A backup before the log is read leads nowhere.
    if (databases.some(({ spans }) => spans.length === 0)) return false;
    // By its number, since one that begins may be the only one that is left.
    const gaps = databases.map(({ spans }) => [spans.at(-1)?.first, spans.at(-1)?.gaps.length]);
    const asked = JSON.stringify([this.#newestIn(keeper.snapshots)?.id, gaps]);
    if (asked === this.#answered) return false;
    const newest = this.#newestIn(await repository.snapshots(run.signal));
    const manifest = newest && (await this.#manifestOf(newest));
    if (!manifest) return true;
    const lacks = databases.some((database) => {
      const found = manifest.databases.find(({ name }) => name === database.name);
      const from = found && databaseEngineFor(engine, found.location).log?.pointOf(found.position);
      return !from || !leadsOn(database, from);
    });
    if (!lacks) this.#answered = asked;
    return lacks;
  }
}

/** Whether the journal leads from this backup to now, or will: the log is told a moment later. */
function leadsOn({ spans }: JournalDatabase, from: SnapshotPoint): boolean {
  const span = spans.at(-1);
  if (!span || !beginsBefore(span, from)) return false;
  return span.gaps.every(({ to }) => to.position <= from.position);
}
