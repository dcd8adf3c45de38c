import { createHash } from "node:crypto";
import { join } from "node:path";
import type { DetectedCrm } from "../crm/platform.ts";
import type { AdviceReport, AdviseInput } from "../engine/advise.ts";
import type { BackupInput, BackupPrediction, BackupReport } from "../engine/backup.ts";
import type { BrowseAnswer, BrowseInput } from "../engine/browse.ts";
import type { Comparison, CompareInput } from "../engine/compare.ts";
import type { CopyInput, CopyReport } from "../engine/copy.ts";
import type { DoctorInput, DoctorReport } from "../engine/doctor.ts";
import type { Engine, RepositoryAccess } from "../engine/engine.ts";
import type { FollowInput, FollowReport } from "../engine/follow.ts";
import type { EraseApplyInput, ErasePlan, ErasePlanInput, EraseReport, ErasuresReport } from "../engine/erase.ts";
import type { ExportInput, ExportReport } from "../engine/export.ts";
import type { DrillInput, DrillReport } from "../engine/drill.ts";
import type { ForgetInput, ForgetReport } from "../engine/forget.ts";
import type { HistoryInput, HistoryReport } from "../engine/history.ts";
import type { HoldInput, HoldReport } from "../engine/hold.ts";
import type { KeyReport, KeysInput, KeysReport, NewKeyInput, RemoveKeyInput } from "../engine/keys.ts";
import type { KeyRing } from "../engine/key-ring.ts";
import type { ImportInput, ImportReport } from "../engine/import.ts";
import type { Kit, KitInput } from "../engine/kit.ts";
import type { Overview, OverviewInput } from "../engine/overview.ts";
import type { PruneInput, PruneReport } from "../engine/prune.ts";
import type { ReportsAnswer, ReportsInput, SaveReportsInput } from "../engine/reports.ts";
import type { RepairInput, RepairReport } from "../engine/repair.ts";
import type { RestoreApplyInput, RestoreReport } from "../engine/restore-apply.ts";
import type { RestorePlan, RestorePlanInput } from "../engine/restore-plan.ts";
import type { SearchAnswer, SearchInput } from "../engine/search.ts";
import type { SnapshotsInput, SnapshotsReport } from "../engine/snapshots.ts";
import type { TransactionsInput, TransactionsReport } from "../engine/transactions.ts";
import type { UndoPlanInput } from "../engine/undo-cause.ts";
import type { UndoInput, UndoReport, UndoableRestore } from "../engine/undo.ts";
import type { UnlockAnswer, UnlockInput } from "../engine/unlock.ts";
import type { VerifyAnswer, VerifyInput } from "../engine/verify.ts";
import { isHoldfastError } from "../lib/errors.ts";
import type { Run } from "../lib/run.ts";
import { lockCrm } from "./crm-lock.ts";
import type { CutOffRestore } from "./status.ts";

/**
 * The one door to every use case. Whoever runs one (today the command line) comes through here, so that what must
 * hold for every run stands in one place: a backup, a restore in place and an undo hold the lock of their CRM.
 *
 * A use case is loaded when it is first asked for: `holdfast --help` loads none of them, and a backup none of what
 * only a restore needs.
 */
export interface Door {
  /** A use case of this repository will follow: what takes long is begun. */
  expect(access: RepositoryAccess, run: Run): Promise<void>;
  backup(input: BackupInput, run: Run): Promise<BackupReport>;
  predictBackup(input: BackupInput, run: Run): Promise<BackupPrediction>;
  snapshots(input: SnapshotsInput, run: Run): Promise<SnapshotsReport>;
  browse<T>(input: BrowseInput, run: Run, use: (answer: BrowseAnswer) => Promise<T>): Promise<T>;
  compare<T>(input: CompareInput, run: Run, use: (comparison: Comparison) => Promise<T>): Promise<T>;
  search<T>(input: SearchInput, run: Run, use: (answer: SearchAnswer) => Promise<T>): Promise<T>;
  history(input: HistoryInput, run: Run): Promise<HistoryReport>;
  planRestore(input: RestorePlanInput, run: Run): Promise<RestorePlan>;
  planUndo(input: UndoPlanInput, run: Run): Promise<RestorePlan>;
  readPlan(id: string): Promise<RestorePlan>;
  applyRestore(input: RestoreApplyInput & Waiting, run: Run): Promise<RestoreReport>;
  /** Whether what a plan restores is being swapped in, or has been: who did that and ended goes on by applying it again. */
  isSwapBegun(plan: string): Promise<boolean>;
  /** Restores that were cut off while they swapped, and that nobody goes on with: no backup of these CRMs begins. */
  cutOffRestores(run: Run): Promise<readonly CutOffRestore[]>;
  undoRestore(input: UndoInput & Waiting, run: Run): Promise<UndoReport>;
  undoable(): Promise<readonly UndoableRestore[]>;
  planErase(input: ErasePlanInput, run: Run): Promise<ErasePlan>;
  readErasePlan(id: string): Promise<ErasePlan>;
  applyErase(input: EraseApplyInput & Waiting, run: Run): Promise<EraseReport>;
  listErasures(
    input: { readonly repository: RepositoryAccess; readonly crm?: string },
    run: Run,
  ): Promise<ErasuresReport>;
  /** Ends when it is cancelled. */
  follow(input: FollowInput, run: Run): Promise<FollowReport>;
  transactions(input: TransactionsInput, run: Run): Promise<TransactionsReport>;
  copy(input: CopyInput, run: Run): Promise<CopyReport>;
  export(input: ExportInput, run: Run): Promise<ExportReport>;
  import(input: ImportInput, run: Run): Promise<ImportReport>;
  forget(input: ForgetInput, run: Run): Promise<ForgetReport>;
  hold(input: HoldInput, run: Run): Promise<HoldReport>;
  prune(input: PruneInput, run: Run): Promise<PruneReport>;
  verify(input: VerifyInput, run: Run): Promise<VerifyAnswer>;
  repair(input: RepairInput, run: Run): Promise<RepairReport>;
  advise(input: AdviseInput, run: Run): Promise<AdviceReport>;
  overview(input: OverviewInput, run: Run): Promise<Overview>;
  drill(input: DrillInput, run: Run): Promise<DrillReport>;
  saveReports(input: SaveReportsInput, run: Run): Promise<void>;
  reports(input: ReportsInput, run: Run): Promise<ReportsAnswer>;
  listKeys(input: KeysInput, run: Run): Promise<KeysReport>;
  addKey(input: NewKeyInput, run: Run): Promise<KeyReport>;
  changePassword(input: NewKeyInput, run: Run): Promise<KeyReport>;
  removeKey(input: RemoveKeyInput, run: Run): Promise<KeyReport>;
  unlock(input: UnlockInput, run: Run): Promise<UnlockAnswer>;
  kit(input: KitInput, run: Run): Promise<Kit>;
  useKit(input: Pick<KitInput, "repository">, checksum: string, run: Run): Promise<void>;
  doctor(input: DoctorInput, run: Run): Promise<DoctorReport>;
  /** The service of this configuration and its repository: where it keeps what, and its lock, which is one. */
  servicePlace(config: string, location: string): Promise<ServicePlace>;
  detectCrm(folder: string): Promise<readonly DetectedCrm[]>;
  createRepository(access: RepositoryAccess, run: Run): Promise<{ readonly id: string }>;
}

export interface ServicePlace {
  /** Path of its database. */
  readonly file: string;
  /** Fails with `backup-running` while another process serves. */
  readonly hold: (run: Run) => Promise<AsyncDisposable>;
}

/** How long to wait for another run of the same CRM. */
export interface Waiting {
  readonly waitMs: number;
}

export interface DoorOptions {
  /** Called once, when the first use case runs. */
  readonly loadEngine: () => Promise<Engine>;
  /** The engine's. */
  readonly keys: KeyRing;
  /** Where lock files of CRMs go, best first; the state folder is tried after them. */
  readonly lockFolders: readonly string[];
}

export function openDoor({ loadEngine, keys, lockFolders }: DoorOptions): Door {
  let loading: Promise<Engine> | undefined;
  const engine = () => (loading ??= loadEngine());

  async function locked(what: { crm: string; location: string; job: string; waitMs: number }, run: Run) {
    const folders = [...lockFolders, (await engine()).stateFolder];
    return lockCrm({ ...what, folders }, run);
  }

  return {
    expect: (access, run) => keys.begin(access, run.signal),
    async backup(input, run) {
      const what = { crm: input.crm.name, location: input.repository.location, job: "backup", waitMs: input.waitMs };
      await using _lock = await locked(what, run);
      const { backup } = await import("../engine/backup.ts");
      return await backup(await engine(), input, run);
    },
    async predictBackup(input, run) {
      const { predictBackup } = await import("../engine/backup.ts");
      return predictBackup(await engine(), input, run);
    },
    async snapshots(input, run) {
      const { listSnapshots } = await import("../engine/snapshots.ts");
      return listSnapshots(await engine(), input, run);
    },
    async browse(input, run, use) {
      const { browse } = await import("../engine/browse.ts");
      return browse(await engine(), input, run, use);
    },
    async compare(input, run, use) {
      const { compare } = await import("../engine/compare.ts");
      return compare(await engine(), input, run, use);
    },
    async search(input, run, use) {
      const { search } = await import("../engine/search.ts");
      return search(await engine(), input, run, use);
    },
    async history(input, run) {
      const { history } = await import("../engine/history.ts");
      return history(await engine(), input, run);
    },
    async planUndo(input, run) {
      const { planUndo } = await import("../engine/undo-cause.ts");
      return planUndo(await engine(), input, run);
    },
    async planRestore(input, run) {
      const { planRestore } = await import("../engine/restore-plan.ts");
      return planRestore(await engine(), input, run);
    },
    async readPlan(id) {
      const { readPlan } = await import("../engine/restore-plan.ts");
      return readPlan(await engine(), id);
    },
    async applyRestore({ waitMs, ...input }, run) {
      const { applyRestore } = await import("../engine/restore-apply.ts");
      const { snapshot, repository, target } = await this.readPlan(input.plan);
      if (target.kind === "elsewhere") return applyRestore(await engine(), input, run);
      const what = { crm: snapshot.crm, location: repository.location, job: "restore", waitMs };
      await using _lock = await locked(what, run);
      return await applyRestore(await engine(), input, run);
    },
    async isSwapBegun(plan) {
      const { loadRecords } = await import("../engine/restore-record.ts");
      const state = (await loadRecords(await engine())).find((record) => record.plan === plan)?.state;
      return state === "swapping" || state === "done";
    },
    async cutOffRestores(run) {
      const { isHalfSwapped, loadRecords } = await import("../engine/restore-record.ts");
      const found: CutOffRestore[] = [];
      const records = (await loadRecords(await engine())).filter(({ place }) => place === undefined);
      for (const record of records.filter(isHalfSwapped)) {
        const { crm, location, id, plan, state } = record;
        // Who swaps just now holds it.
        try {
          await using _lock = await locked({ crm, location, job: "status", waitMs: 0 }, run);
          found.push({ crm, id, ...(state === "swapping" && { plan }) });
        } catch (error) {
          if (!isHoldfastError(error, "backup-running")) throw error;
        }
      }
      return found;
    },
    async undoRestore({ waitMs, ...input }, run) {
      const { listUndoable, undoRestore } = await import("../engine/undo.ts");
      const found = (await listUndoable(await engine())).find((one) => !input.id || one.id.startsWith(input.id));
      if (!found) return undoRestore(await engine(), input, run);
      const what = { crm: found.crm, location: found.location, job: "undo", waitMs };
      await using _lock = await locked(what, run);
      // The one that the lock is for, not what another restore has made the newest meanwhile.
      return await undoRestore(await engine(), { ...input, id: found.id }, run);
    },
    async undoable() {
      const { listUndoable } = await import("../engine/undo.ts");
      return listUndoable(await engine());
    },
    async planErase(input, run) {
      const { planErase } = await import("../engine/erase.ts");
      return planErase(await engine(), input, run);
    },
    async readErasePlan(id) {
      const { readErasePlan } = await import("../engine/erase.ts");
      return (await readErasePlan(await engine(), id)).plan;
    },
    async applyErase({ waitMs, ...input }, run) {
      const { applyErase } = await import("../engine/erase.ts");
      const { crm, repository } = await this.readErasePlan(input.plan);
      // A backup that ends meanwhile would not have been looked into.
      await using _lock = await locked({ crm, location: repository.location, job: "erase", waitMs }, run);
      return await applyErase(await engine(), input, run);
    },
    async listErasures(input, run) {
      const { listErasures } = await import("../engine/erase.ts");
      return listErasures(await engine(), input, run);
    },
    async follow(input, run) {
      // Beside backups and restores of the CRM, but never two of them.
      const location = `${input.repository.location} journal`;
      await using _lock = await locked({ crm: input.crm.name, location, job: "follow", waitMs: 0 }, run);
      const { follow } = await import("../engine/follow.ts");
      return await follow(await engine(), input, run);
    },
    async transactions(input, run) {
      const { listTransactions } = await import("../engine/transactions.ts");
      return listTransactions(await engine(), input, run);
    },
    async copy(input, run) {
      // Two at once into one repository would write what is new twice.
      const what = { crm: input.name, location: input.to.location, job: "copy", waitMs: input.waitMs };
      await using _lock = await locked(what, run);
      const { copySnapshots } = await import("../engine/copy.ts");
      return await copySnapshots(await engine(), input, run);
    },
    async export(input, run) {
      // Two sets at once would both stand on the same one.
      const what = { crm: "export", location: input.repository.location, job: "export", waitMs: input.waitMs };
      await using _lock = await locked(what, run);
      const { exportVolumes } = await import("../engine/export.ts");
      return await exportVolumes(await engine(), input, run);
    },
    async import(input, run) {
      const { importVolumes } = await import("../engine/import.ts");
      return importVolumes(await engine(), input, run);
    },
    async forget(input, run) {
      const { forget } = await import("../engine/forget.ts");
      return forget(await engine(), input, run);
    },
    async hold(input, run) {
      const { hold } = await import("../engine/hold.ts");
      return hold(await engine(), input, run);
    },
    async prune(input, run) {
      const { prune } = await import("../engine/prune.ts");
      return prune(await engine(), input, run);
    },
    async verify(input, run) {
      const { verify } = await import("../engine/verify.ts");
      return verify(await engine(), input, run);
    },
    async repair(input, run) {
      const { repair } = await import("../engine/repair.ts");
      return repair(await engine(), input, run);
    },
    async advise(input, run) {
      const { advise } = await import("../engine/advise.ts");
      return advise(await engine(), input, run);
    },
    async overview(input, run) {
      const { overview } = await import("../engine/overview.ts");
      return overview(await engine(), input, run);
    },
    async drill(input, run) {
      const { drill } = await import("../engine/drill.ts");
      return drill(await engine(), input, run);
    },
    async saveReports(input, run) {
      const { saveReports } = await import("../engine/reports.ts");
      return saveReports(await engine(), input, run);
    },
    async reports(input, run) {
      const { listReports } = await import("../engine/reports.ts");
      return listReports(await engine(), input, run);
    },
    async listKeys(input, run) {
      const { listKeys } = await import("../engine/keys.ts");
      return listKeys(await engine(), input, run);
    },
    async addKey(input, run) {
      const { addKey } = await import("../engine/keys.ts");
      return addKey(await engine(), input, run);
    },
    async changePassword(input, run) {
      const { changePassword } = await import("../engine/keys.ts");
      return changePassword(await engine(), input, run);
    },
    async removeKey(input, run) {
      const { removeKey } = await import("../engine/keys.ts");
      return removeKey(await engine(), input, run);
    },
    async unlock(input, run) {
      const { unlock } = await import("../engine/unlock.ts");
      return unlock(await engine(), input, run);
    },
    async kit(input, run) {
      const { makeKit } = await import("../engine/kit.ts");
      return makeKit(await engine(), input, run);
    },
    async useKit(input, checksum, run) {
      const { markKitUsed } = await import("../engine/kit.ts");
      return markKitUsed(await engine(), input, checksum, run);
    },
    async doctor(input, run) {
      const { doctor } = await import("../engine/doctor.ts");
      return doctor(await engine(), input, run);
    },
    async servicePlace(config, location) {
      const { stateFolder } = await engine();
      const name = createHash("sha256").update(`${config}\n${location}`).digest("hex").slice(0, 16);
      return {
        file: join(stateFolder, "service", `${name}.sqlite`),
        hold: (run) => locked({ crm: `service ${config}`, location, job: "serve", waitMs: 0 }, run),
      };
    },
    async detectCrm(folder) {
      const { detectCrm } = await import("../engine/init.ts");
      return detectCrm(await engine(), folder);
    },
    async createRepository(access, run) {
      const { createRepositoryAt } = await import("../engine/init.ts");
      return createRepositoryAt(await engine(), access, run);
    },
  };
}
