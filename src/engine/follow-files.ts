import { existsSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { captureFolder } from "../contents/folders/capture-folder.ts";
import {
  type ChangedPath,
  type FolderLook,
  type KnownFolder,
  knownFolder,
  learnLook,
  lookOver,
  parentOf,
  rootPath,
} from "../contents/folders/known-folder.ts";
import { type GonePath, storeLook } from "../contents/journal/file-look.ts";
import { filesAtMoment } from "../contents/journal/files-at-moment.ts";
import type { FilesSpan } from "../contents/journal/journal-file.ts";
import { openJournal } from "../contents/journal/open-journal.ts";
import { OverlayBlobs } from "../contents/journal/overlay-blobs.ts";
import { layout } from "../contents/layout.ts";
import { openSnapshot, subtreeAt } from "../contents/open-snapshot.ts";
import type { CrmParts } from "../crm/platform.ts";
import type { Id, TreeNode } from "../format/tree.ts";
import { FolderWatch } from "../files/watch-folders.ts";
import { type ByteName, joinName, nameFromText, nameText } from "../lib/byte-name.ts";
import { isHoldfastError } from "../lib/errors.ts";
import type { WarningCode } from "../lib/events.ts";
import type { Limits } from "../lib/limits.ts";
import type { Run } from "../lib/run.ts";
import { systemCode } from "../lib/system-code.ts";
import { isDamage } from "../repository/damage.ts";
import type { Lock, Repository, StoredSnapshot } from "../repository/repository.ts";
import type { JournalKeeper } from "./journal-keeper.ts";
import { backupsOf } from "./points.ts";
import { LockInTurn } from "./lock-in-turn.ts";

/** How often files are looked at, and when what changed is stored. */
export interface FilesTiming {
  /** From one look to the next, at least. Where a look takes long it is more: no more than a twentieth of the time is spent looking. */
  readonly lookMs: number;
  /** The same where folders cannot be watched, and while what was found has to wait. */
  readonly unwatchedMs: number;
  /** The same while the system tells that nothing changes: it does not tell of everything. */
  readonly sweepMs: number;
  /** So long nothing may have changed any more before what changed is read: half a file helps nobody. */
  readonly settleMs: number;
  /** Where something changes all the time, it is read after so long all the same. */
  readonly longestSettleMs: number;
  /** From one look that is stored to the next, on average: each is an index, and a snapshot until it is rolled up. */
  readonly storeMs: number;
  /** So many may be stored before the average counts. */
  readonly storesAtOnce: number;
}

export const filesTiming: FilesTiming = {
  lookMs: 1000,
  unwatchedMs: 5000,
  sweepMs: 60_000,
  settleMs: 1000,
  longestSettleMs: 30_000,
  storeMs: 60_000,
  storesAtOnce: 30,
};

/** Of the time, no more than one part in so many is spent looking. */
const lookShare = 20;

export interface FollowFilesOptions {
  readonly crm: string;
  readonly repository: Repository;
  readonly keeper: JournalKeeper;
  /** As a backup takes them. */
  readonly folders: CrmParts["folders"];
  readonly limits: Limits;
  readonly timing: FilesTiming;
  readonly run: Run;
}

/** What the next look finds again. */
const passing: ReadonlySet<WarningCode> = new Set(["file-vanished", "file-changed"]);

interface FollowedFolder {
  readonly name: string;
  readonly path: ByteName;
  readonly excludes: readonly string[];
  readonly known: KnownFolder;
}

interface FoundChanges {
  readonly folder: FollowedFolder;
  readonly look: FolderLook;
}

/** What came of a look; `later`: what changed, or that nothing did, cannot be stored or told yet. */
type LookState = "unchanged" | "stored" | "unsettled" | "later";

/**
 * Follows the files of a CRM: looks at all of them again and again, compares with what the repository has by then, which is the
 * newest backup and what was found since, and adds to the journal what differs. That the system tells of changes only makes looks
 * rarer where nothing happens. So whatever was missed, while it did not
 * run say, is found by the next look, as far as it still stands so.
 */
export class FollowFiles {
  readonly #lock = new LockInTurn();
  readonly #options: FollowFilesOptions;
  /** The backup from which it is known what the repository has. */
  #base: Id | undefined;
  #folders: readonly FollowedFolder[] = [];
  /** Paths of folders that this backup lacks: nothing can be told of them before the next one. */
  #lacking: readonly string[] = [];
  /** How many backups in a row have lacked a folder that is there. */
  readonly #missedThere = new Map<string, number>();
  /** When the first look of this stretch began; absent: before the first one, or something cannot be read. */
  #since: string | undefined;
  #unsettledSince: number | undefined;
  /** Up to when the looks that were stored have used up their share. */
  #spentUntil = -Infinity;
  /** How long the last look took. */
  #lookedMs = 0;
  /** Path of what cannot be read, as it was told. */
  #told = "";
  readonly #watch = new FolderWatch(() => this.#stir());
  /** Whether something happened since the last look began. */
  #stirred: "yes" | "no" = "no";
  #wake: (() => void) | undefined;
  /** Why folders cannot be watched, as it was told. */
  #unwatched: string | undefined;
  files = 0;

  constructor(options: FollowFilesOptions) {
    this.#options = options;
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
  }

  /**
   * Whether another backup would have what the newest one lacks. Not a folder that two have missed although it is there,
   * since they cannot read it: with the third there would be no end.
   */
  get lacksBackup(): boolean {
    return this.#lacking.some((path) => existsSync(path) && (this.#missedThere.get(path) ?? 0) < 2);
  }

  /** Until it is cancelled. `isBack`: told when it works. */
  async follow(isBack: () => void): Promise<void> {
    const { timing, run, keeper, crm, repository } = this.#options;
    for (let pauseMs = 0; ; await delay(pauseMs, undefined, { signal: run.signal })) {
      pauseMs = timing.unwatchedMs;
      const newest = backupsOf(keeper.snapshots, crm).at(-1);
      const backup = newest ?? backupsOf(await repository.snapshots(run.signal), crm).at(-1);
      // Before the first backup there is nothing that a change could be told from.
      if (!backup || !(await this.#recall(backup))) continue;
      const isWatched = this.#watchAll();
      this.#stirred = "no";
      const state = await this.#look();
      isBack();
      pauseMs = Math.max(this.#pauseMs(state, isWatched), this.#lookedMs * lookShare);
      if (isWatched && state === "unchanged") await this.#quiet(timing.sweepMs);
    }
  }

  #pauseMs(state: LookState, isWatched: boolean): number {
    const { lookMs, unwatchedMs, settleMs } = this.#options.timing;
    if (state === "later")
      return this.#holdMs > 0 ? Math.min(Math.max(this.#holdMs, lookMs), unwatchedMs) : unwatchedMs;
    const usual = isWatched ? lookMs : unwatchedMs;
    return state === "unsettled" ? Math.min(settleMs, usual) : usual;
  }

  /** How long nothing may be stored: there were many, or others have their turn. */
  get #holdMs(): number {
    const { storeMs, storesAtOnce } = this.#options.timing;
    const spentMs = this.#spentUntil - performance.now() - (storesAtOnce - 1) * storeMs;
    return Math.max(spentMs, this.#options.keeper.restLeftMs);
  }

  /** Waits until something happens, or so long. */
  async #quiet(longestMs: number): Promise<void> {
    if (this.#stirred === "yes") return;
    const { signal } = this.#options.run;
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = (): void => resolve();
    this.#wake = wake;
    const timer = setTimeout(wake, longestMs);
    signal.addEventListener("abort", wake);
    try {
      signal.throwIfAborted();
      await promise;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", wake);
      this.#wake = undefined;
    }
  }

  #stir(): void {
    this.#stirred = "yes";
    this.#wake?.();
  }

  /** Watches all folders that are known, before the look that finds what happened until then. Whether it could. */
  #watchAll(): boolean {
    const folders = this.#folders.flatMap(({ path, known }) =>
      [...known.devices.keys()].map((inside) => ({
        path: inside === rootPath ? path : joinName(path, inside),
        sign: known.signs.get(inside) ?? 0,
      })),
    );
    const state = this.#watch.watch(folders);
    if (state.kind === "watching") return true;
    if (this.#unwatched === undefined) {
      const facts = { reason: state.reason, seconds: this.#options.timing.unwatchedMs / 1000 };
      this.#options.run.report({ type: "note", code: "follow-files-sweep", facts });
    }
    this.#unwatched = state.reason;
    return false;
  }

  /** Knows what the repository has, from this backup on. Whether there is anything. */
  async #recall(backup: StoredSnapshot): Promise<boolean> {
    if (this.#base === backup.id) return this.#folders.length + this.#lacking.length > 0;
    const { repository, run, crm, folders } = this.#options;
    const { signal } = run;
    this.#folders = [];
    this.#lacking = [];
    try {
      const snapshots = await repository.snapshots(signal);
      const indexed = await repository.index(signal);
      const { tree, manifest } = await openSnapshot(indexed, backup, signal);
      const files = await subtreeAt(indexed, tree, [layout.files], signal);
      const journal = await openJournal(indexed, snapshots, crm, signal);
      const since = backup.snapshot.time;
      const blobs = new OverlayBlobs(indexed);
      const names = manifest.folders.map(({ name }) => name);
      const looks = journal?.looks(since, signal);
      const now =
        files !== undefined && looks
          ? (await filesAtMoment({ blobs, tree: files, since, looks, folders: names, signal })).tree
          : files;
      const { nodes } = now === undefined ? { nodes: [] } : await blobs.loadTree(now, signal);
      const followed: FollowedFolder[] = [];
      const lacking: string[] = [];
      for (const { name, path, excludes } of folders) {
        const node = names.includes(name) ? nodes.find((one) => one.name === nameFromText(name)) : undefined;
        this.#missedThere.set(path, node || !existsSync(path) ? 0 : (this.#missedThere.get(path) ?? 0) + 1);
        if (!node) lacking.push(path);
        else followed.push({ name, path: nameFromText(path), excludes, known: await knownFolder(blobs, node, signal) });
      }
      this.#folders = followed;
      this.#lacking = lacking;
      // What cannot be read by then is a gap behind this backup too.
      this.#told = "";
    } catch (error) {
      // Another backup comes; until then nothing is known of the files.
      if (!isDamage(error)) throw error;
      this.#told = "";
      this.#gap(backup.id.slice(0, 8), "repository-damaged");
    }
    this.#base = backup.id;
    return this.#folders.length + this.#lacking.length > 0;
  }

  async #look(): Promise<LookState> {
    const { run, keeper } = this.#options;
    const started = performance.now();
    const began = run.now();
    const found: FoundChanges[] = [];
    const unread: { readonly path: string; readonly reason: string }[] = this.#lacking.map((path) => ({
      path,
      reason: existsSync(path) ? "not in the backup" : "ENOENT",
    }));
    for (const folder of this.#folders) {
      const look = await lookOver(folder, folder.known, run.signal).catch((error: unknown) => {
        run.signal.throwIfAborted();
        const reason = systemReason(error);
        if (reason === undefined) throw error;
        unread.push({ path: nameText(folder.path), reason });
        return undefined;
      });
      if (!look) continue;
      for (const [path, reason] of look.unread) {
        unread.push({ path: nameText(path === rootPath ? folder.path : joinName(folder.path, path)), reason });
      }
      if (look.changed.size > 0 || look.gone.length > 0) found.push({ folder, look });
    }
    this.#lookedMs = performance.now() - started;
    const [first] = unread;
    if (first) this.#gap(first.path, first.reason);
    else this.#seen(began.toISOString());
    const span = this.#since === undefined ? undefined : { from: this.#since, to: began.toISOString() };
    if (found.length === 0) {
      this.#unsettledSince = undefined;
      if (!span) return "later";
      keeper.looked(span);
      return "unchanged";
    }
    if (!this.#isSettled(found, began)) return "unsettled";
    if (this.#holdMs > 0) return "later";
    return await this.#store(found, began, span);
  }

  /** Files that cannot be read are no files that were deleted: it is told, and nothing is known of them from then on. */
  #gap(path: string, reason: string): void {
    this.#since = undefined;
    if (path === this.#told) return;
    this.#told = path;
    const facts = { path, reason, time: this.#options.run.now().toISOString() };
    this.#options.run.report({ type: "note", code: "follow-files-gap", facts });
  }

  #seen(time: string): void {
    this.#told = "";
    if (this.#since !== undefined) return;
    this.#since = time;
    this.#options.run.report({ type: "note", code: "follow-files-seen", facts: { time } });
  }

  #isSettled(found: readonly FoundChanges[], began: Date): boolean {
    const { settleMs, longestSettleMs } = this.#options.timing;
    const newestMs = Math.max(...found.map(({ look }) => Number(look.newestNs / 1_000_000n)));
    this.#unsettledSince ??= performance.now();
    const isSettled =
      newestMs + settleMs <= began.getTime() || performance.now() - this.#unsettledSince >= longestSettleMs;
    if (isSettled) this.#unsettledSince = undefined;
    return isSettled;
  }

  async #store(found: readonly FoundChanges[], began: Date, span: FilesSpan | undefined): Promise<"stored" | "later"> {
    const { repository, run } = this.#options;
    try {
      await using lock = await this.#lock.take(repository, run, "in turn");
      await this.#storeUnder(lock, found, began, span);
      return "stored";
    } catch (error) {
      run.signal.throwIfAborted();
      // Somebody has the repository for himself; what changed still stands so afterwards.
      if (isHoldfastError(error, "repository-locked")) return "later";
      // The folder went in between: the next look says so.
      if (isHoldfastError(error, "source-missing") || systemReason(error) !== undefined) return "later";
      throw error;
    }
  }

  /** The lock is held until the journal names what was stored. */
  async #storeUnder(
    lock: Lock,
    found: readonly FoundChanges[],
    began: Date,
    span: FilesSpan | undefined,
  ): Promise<void> {
    const { repository, run, limits, keeper } = this.#options;
    await lock.check(run.signal);
    const signal = AbortSignal.any([run.signal, lock.lost]);
    const indexed = await repository.index(signal);
    await using upload = await indexed.upload({ signal, lock, limits, leftovers: "leave" });
    const nodes: TreeNode[] = [];
    const gone: GonePath[] = [];
    let files = 0;
    for (const { folder, look } of found) {
      for (const path of look.gone) gone.push({ folder: folder.name, path });
      if (look.changed.size > 0) {
        const taken = withWays(look.changed);
        const captured = await captureFolder(
          {
            path: folder.path,
            excludes: folder.excludes,
            only: (path) => taken.has(path),
            kind: "full",
            upload,
            reader: indexed,
          },
          { signal, report: () => undefined },
        );
        nodes.push({ ...captured.node, name: nameFromText(folder.name) });
        files += captured.files;
        // What moved on meanwhile is found by the next look; what cannot be read, when it has changed again.
        for (const warning of captured.warnings) {
          if (!passing.has(warning.code)) run.report({ type: "warning", warning });
        }
      }
    }
    const ended = run.now().toISOString();
    const tree = await storeLook({ began: began.toISOString(), ended, gone }, nodes, upload);
    await upload.index();
    await keeper.name({ tree, ended }, span, signal);
    for (const { folder, look } of found) learnLook(folder.known, look.changed, look.gone);
    this.files += files;
    this.#spentUntil = Math.max(this.#spentUntil, performance.now()) + this.#options.timing.storeMs;
    const facts = { files, gone: gone.length, time: ended };
    run.report({ type: "note", code: "follow-files", facts });
  }
}

/** What the system says, such as `EACCES`; `undefined`: it is another error. */
function systemReason(error: unknown): string | undefined {
  return isHoldfastError(error) ? undefined : systemCode(error);
}

/** Those paths, and the folders on the way to them. */
function withWays(changed: ReadonlyMap<ByteName, ChangedPath>): ReadonlySet<ByteName> {
  const taken = new Set<ByteName>();
  for (const path of changed.keys()) {
    for (let at: ByteName | undefined = path; at !== undefined && !taken.has(at); at = parentOf(at)) taken.add(at);
  }
  return taken;
}
