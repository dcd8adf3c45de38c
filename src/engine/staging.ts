import { existsSync, mkdirSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { nameBytes, nameFromText, nameText, type ByteName } from "../lib/byte-name.ts";
import type { DatabaseAddress } from "../database/database.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { Engine } from "./engine.ts";
import { mountedAt } from "./mounts.ts";
import type { RestorePlan } from "./restore-plan.ts";
import { dropStaging, nextNumber, saveRecord, type RestoreRecord } from "./restore-record.ts";
import { serverHome, type SwapPlace } from "./swap-database.ts";
import { identity, identityOf, refuseUnsafe, syncFolders, type SwapStep } from "./swap.ts";

/** Of a database that was being built: what takes longer is left to whoever comes by next. */
const longestDropMs = 15_000;

/**
 * The places beside its targets where one restore builds what it will swap in. Each folder that gets something has a
 * staging folder `.holdfast-<id>` of its own on the same file system; backups leave such folders out.
 */
export class Staging {
  readonly #engine: Engine;
  #record: RestoreRecord;
  readonly #steps: SwapStep[] = [];
  /** Folders that are built whole: what lies in one is built in its slot, and comes with it. */
  readonly #whole: { readonly target: string; readonly slot: string }[] = [];
  readonly #place: SwapPlace;
  #slots = 0;

  private constructor(place: SwapPlace, record: RestoreRecord) {
    this.#engine = place.engine;
    this.#place = place;
    this.#record = record;
  }

  /** @param where absent: in place */
  static async begin(place: SwapPlace, plan: RestorePlan, where: RestoreRecord["place"], now: Date): Promise<Staging> {
    const staging = new Staging(place, {
      version: 1,
      id: plan.id,
      plan: plan.id,
      crm: plan.snapshot.crm,
      ...(where && { place: where }),
      location: plan.repository.location,
      time: now.toISOString(),
      number: await nextNumber(place.engine),
      state: "staging",
      folders: [],
      made: [],
      steps: [],
      databases: [],
    });
    await saveRecord(place.engine, staging.#record);
    return staging;
  }

  /** A name in the staging folder of `parent`, which is made when it is missing; the record knows of it first. */
  async slot(parent: string, name: string): Promise<string> {
    const inside = this.#insideWhole(join(parent, name));
    if (inside !== undefined) {
      mkdirSync(dirname(inside), { recursive: true });
      return inside;
    }
    const folder = join(parent, `.holdfast-${this.#record.id}`);
    const known = nameFromText(folder);
    if (!this.#record.folders.includes(known)) {
      const { folders, made } = this.#record;
      const missing: string[] = [];
      for (let at = parent; !existsSync(at); at = dirname(at)) missing.push(nameFromText(at));
      this.#record = { ...this.#record, folders: [...folders, known], made: [...missing, ...made] };
      await saveRecord(this.#engine, this.#record);
      mkdirSync(parent, { recursive: true });
      mkdirSync(folder, { recursive: true, mode: 0o700 });
    }
    return join(folder, `${this.#slots++}-${name}`);
  }

  /** A slot for a folder that is not there, into which all that lies in it will be built too. */
  async wholeSlot(path: string): Promise<string> {
    const slot = await this.slot(dirname(path), basename(path));
    this.#whole.push({ target: path, slot });
    return slot;
  }

  #insideWhole(path: string): string | undefined {
    const around = this.#whole.findLast(({ target }) => path.startsWith(`${target}/`));
    return around && join(around.slot, path.slice(around.target.length));
  }

  /** A database beside `target` on its server, where a new one can be made; the record knows of it first. */
  async databaseSlot({ url: target }: DatabaseAddress): Promise<DatabaseAddress> {
    const { engine, addressOf } = this.#place;
    const beside = (role: "new" | "old") => serverHome(engine, target).beside(addressOf(target), this.#record.id, role);
    const step = { target, slot: beside("new").url, aside: beside("old").url };
    this.#record = { ...this.#record, databases: [...this.#record.databases, step] };
    await saveRecord(engine, this.#record);
    return addressOf(step.slot);
  }

  /** Plans to give the database that was made in the slot of `target` its place. */
  async putDatabase({ url: target }: DatabaseAddress): Promise<void> {
    const { engine, addressOf, signal } = this.#place;
    const home = serverHome(engine, target);
    const databases = await Promise.all(
      this.#record.databases.map(async (step) => {
        if (step.target !== target) return step;
        const [made, old, holds] = await Promise.all([
          home.identity(addressOf(step.slot), signal),
          home.identity(addressOf(target), signal),
          home.contents(addressOf(step.slot), signal),
        ]);
        if (made === undefined) throw new Error(`nothing was made at ${step.slot}`);
        const empty = old === undefined ? await home.emptyAt?.(addressOf(target), signal) : undefined;
        return { ...step, made, holds, ...(old !== undefined && { old }), ...(empty !== undefined && { empty }) };
      }),
    );
    this.#record = { ...this.#record, databases };
  }

  /** Folders above `path` that were missing and had to be made. */
  madeAbove(path: string): readonly string[] {
    const made = this.#record.made.map((one) => nameText(one as ByteName));
    return made.filter((one) => path.startsWith(`${one}/`));
  }

  /** Plans to put what was made in a slot to its target. Byte paths. `parent`: identity of the folder that the target is in. */
  put(target: ByteName, slot: ByteName, parent = parentOf(target)): void {
    if (this.#insideWhole(nameText(target)) !== undefined) return;
    const made = identity(slot);
    if (made === undefined) throw new Error(`nothing was made at ${nameText(slot)}`);
    this.#plan({ target, slot, made, parent });
  }

  /** Plans to move a target away, if it is there. `beside`: where its slot is to be. */
  async moveAway(target: ByteName, beside: string, parent = parentOf(target)): Promise<void> {
    if (identity(target) === undefined) return;
    this.#plan({ target, slot: nameFromText(await this.slot(beside, basename(nameText(target)))), parent });
  }

  /**
   * Plans that nothing is at a target beside a database that is put: whatever is there by then belongs to the one that goes. A log of
   * the old one would be written into the new.
   */
  async clear(target: ByteName, parent: string): Promise<void> {
    if (this.#insideWhole(nameText(target)) !== undefined) return;
    const slot = await this.slot(parent, basename(nameText(target)));
    this.#plan({ target, slot: nameFromText(slot), parent: parentOf(target) });
  }

  #plan({ parent, ...step }: Omit<SwapStep, "parent" | "old"> & { readonly parent: string | undefined }): void {
    const old = identity(step.target);
    this.#steps.push({ ...step, ...(old !== undefined && { old }), ...(parent !== undefined && { parent }) });
  }

  /**
   * Everything is built and durable: the record that `swapIn` takes. `target-unsafe`: somebody has put a link in the way;
   * `target-mounted`: something is mounted at one of the targets.
   */
  ready(): RestoreRecord {
    refuseUnsafe(this.#steps);
    const mounted = mountedAt(
      this.#steps.flatMap(({ target, old }) => (old === undefined ? [] : [target as ByteName])),
    );
    if (mounted !== undefined) throw new HoldfastError("target-mounted", { path: nameText(mounted) });
    syncFolders(this.#record.folders);
    return { ...this.#record, steps: this.#steps };
  }

  /** After a failure: nothing was touched yet, and nothing is left. */
  async drop(): Promise<void> {
    // Not the run's signal: one that was cancelled leaves no database on a server either.
    await dropStaging({ ...this.#place, signal: AbortSignal.timeout(longestDropMs) }, this.#record);
  }
}

/** Absent: there is none yet. */
function parentOf(target: ByteName): string | undefined {
  const status = statSync(nameBytes(target.slice(0, target.lastIndexOf("/") + 1) as ByteName), {
    bigint: true,
    throwIfNoEntry: false,
  });
  return status && identityOf(status);
}
