import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { PrivateServer } from "../database/private-server.ts";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import type { Run } from "../lib/run.ts";
import { addressesFor } from "./database-address.ts";
import type { DrillInput } from "./drill.ts";
import { ScratchNote, type ScratchPlace } from "./drill-leftovers.ts";
import { databaseEngineFor, type Engine } from "./engine.ts";
import type { OpenedPoint, PointDatabase } from "./open-point.ts";
import { applyRestore, type RestoreReport } from "./restore-apply.ts";
import { planRestore, type RestorePlan, type RestorePlanInput } from "./restore-plan.ts";
import { forgetScratch } from "./restore-record.ts";
import { freeAt } from "./restore-target.ts";
import type { PointName } from "./snapshots.ts";

/** Where the database of a drill's copy was. */
export type DrillPlace =
  | { readonly place: "file" }
  | { readonly place: "same-server" | "named-server"; readonly url: string }
  /** Its version and the path of its program; absent: none was started. */
  | { readonly place: "private-server"; readonly server?: string; readonly program?: string };

/** What has come out so far of making a copy. */
export interface CopyMade {
  purpose: "clone" | "replacement";
  plan?: RestorePlan;
  restored?: RestoreReport;
  restoreMs?: number;
}

/** The copy's folder and databases, from before they are made until they are gone. */
export class ScratchCopy {
  readonly #engine: Engine;
  readonly #input: DrillInput;
  readonly #point: OpenedPoint;
  readonly #id: string;
  readonly #folder: string;
  readonly #onServer: PointDatabase | undefined;
  #url: string | undefined;
  #server: PrivateServer | undefined;
  #plan: RestorePlan | undefined;
  #note: ScratchNote | undefined;

  constructor(engine: Engine, input: DrillInput, point: OpenedPoint, id: string) {
    this.#engine = engine;
    this.#input = input;
    this.#point = point;
    this.#id = id;
    this.#folder = join(input.scratch ?? join(engine.stateFolder, "drills"), `copy-${id}`);
    this.#onServer = point.databases.find(({ engine: database }) => database.home.kind === "server");
    this.#url = this.#onServer && (input.targetDatabase ?? drillDatabase(this.#onServer, id));
  }

  get place(): DrillPlace | undefined {
    const [database] = this.#point.databases;
    const { targetDatabase } = this.#input;
    if (database === undefined || this.#url === undefined) return database && { place: "file" };
    if (targetDatabase !== privately) {
      return { place: targetDatabase === undefined ? "same-server" : "named-server", url: this.#url };
    }
    const { version: server, program } = this.#server ?? {};
    return {
      place: "private-server",
      ...(server !== undefined && { server }),
      ...(program !== undefined && { program }),
    };
  }

  async make(found: CopyMade, run: Run): Promise<void> {
    const { limits, repository, crms } = this.#input;
    const begun = run.now();
    this.#note = await ScratchNote.create(this.#engine, this.#id, { ...this.#place(), databases: [] });
    await mkdir(join(this.#folder, "running"), { recursive: true, mode: 0o700 });
    await this.#startServer(run.signal);
    this.#plan = await this.#planned(found, run);
    found.plan = this.#plan;
    this.#checkRoom();
    const own = { databases: this.#ownDatabases(this.#plan), restore: this.#plan.id };
    await this.#note.write({ ...this.#place(), ...own });
    const { location: _, ...access } = repository;
    const apply = { ...access, plan: this.#plan.id, scratch: "yes", limits, ...(crms && { crms }) } as const;
    found.restored = await applyRestore(this.#engine, apply, run);
    found.restoreMs = run.now().getTime() - begun.getTime();
  }

  #place(): Pick<ScratchPlace, "crm" | "folder"> {
    return { crm: this.#point.crm, folder: this.#folder };
  }

  /** Those whose names nobody else gives: of one that was named to us, somebody may have made another one when it is looked for. */
  #ownDatabases({ id, parts }: RestorePlan): readonly string[] {
    if (this.#server || this.#input.targetDatabase !== undefined) return [];
    return parts.flatMap(({ path: url }) => {
      const home = this.#engine.databases.find((one) => one.accepts(url))?.home;
      if (home?.kind !== "server") return [];
      return [url, ...(["new", "old"] as const).map((role) => home.beside({ url }, id, role).url)];
    });
  }

  async #startServer(signal: AbortSignal): Promise<void> {
    const { scratch: parent = openToAll, targetDatabase } = this.#input;
    if (targetDatabase !== privately || !this.#onServer) return;
    const { engine, location: like, schema } = this.#onServer;
    if (engine.home.kind !== "server") return;
    this.#server = await engine.home.privateServer({ like, schema, parent }, signal);
    this.#url = this.#server.url;
  }

  /** What a server that is there lacks it says itself; ours would fill the disk of this machine. */
  #checkRoom(): void {
    if (!this.#server) return;
    const databases = (this.#plan?.parts ?? []).filter(({ kind }) => kind === "database");
    const needed = databases.reduce((sum, { bytes }) => sum + bytes, 0) * bytesPerLine + serverBytes;
    const free = freeAt(this.#server.folder).bytes;
    if (needed > free) throw new HoldfastError("target-full", { path: this.#server.folder, needed, free });
  }

  /** A clone where the platform can make one harmless; else it is restored as it is, and never started. */
  async #planned(found: CopyMade, run: Run): Promise<RestorePlan> {
    const { repository, crms, targetDatabase } = this.#input;
    const input: Omit<RestorePlanInput, "purpose"> = {
      repository,
      crm: this.#point.crm,
      point: this.#pointName(),
      scope: { kind: "system" },
      target: join(this.#folder, "system"),
      ...(this.#url !== undefined && { targetDatabase: this.#url }),
      // A database that is a file is by itself already; one that was named is refused.
      ...(this.#url === undefined &&
        targetDatabase !== undefined &&
        targetDatabase !== privately && { targetDatabase }),
      ...(crms && { crms }),
      grants: "skip",
      switches: { createMissing: true, updateChanged: false, removeNewer: false },
    };
    try {
      return await planRestore(this.#engine, { ...input, purpose: "clone" }, run);
    } catch (error) {
      if (!isHoldfastError(error, "clone-unsupported")) throw error;
      found.purpose = "replacement";
      return await planRestore(this.#engine, { ...input, purpose: "replacement" }, run);
    }
  }

  /** What `latest` meant when the drill began, in case a backup ends meanwhile. */
  #pointName(): PointName {
    const { snapshot, moment } = this.#point;
    return moment || !snapshot ? this.#input.point : { kind: "id", prefix: snapshot.stored.id };
  }

  async parts() {
    const parts = this.#plan?.parts ?? [];
    const addressOf = await addressesFor(this.#engine, this.#input.crms, this.#point.crm, AbortSignal.timeout(60_000));
    const of = (kind: string) => parts.filter((part) => part.kind === kind).map(({ name, path }) => ({ name, path }));
    const databases = of("database").map(({ name, path }) => {
      const database = this.#point.databases.find((one) => one.name === name);
      const home = database?.engine.home;
      return { name, ...addressOf(home?.kind === "file" ? home.urlOf(path) : path) };
    });
    return { copy: { databases, folders: of("folder"), config: of("config"), scratch: join(this.#folder, "running") } };
  }

  /** Gives what could not be removed. */
  async remove(): Promise<readonly string[]> {
    const left: string[] = [];
    // Not the run's signal: a drill that was cancelled leaves nothing behind either.
    const signal = AbortSignal.timeout(60_000);
    if (this.#server) {
      await this.#server.end().catch(() => left.push(this.#server?.folder ?? ""));
    } else if (this.#plan) {
      for (const { url } of (await this.parts()).copy.databases) {
        const { home } = databaseEngineFor(this.#engine, url);
        if (home.kind !== "server") continue;
        const addressOf = await addressesFor(this.#engine, this.#input.crms, this.#point.crm, signal);
        // Whatever it is that keeps it: what was found out about the recovery point is told all the same.
        await home.drop(addressOf(url), signal).catch(() => left.push(url));
      }
    }
    await rm(this.#folder, { recursive: true, force: true }).catch(() => left.push(this.#folder));
    if (this.#plan) await forgetScratch(this.#engine, this.#plan.id);
    await this.#note?.end(left.length === 0 ? "removed" : "kept");
    return left;
  }
}

/** As a target: on a server that is started for the copy alone. */
const privately = "private";
/** Where the account of a server may enter, and large things may lie for a while (FHS 5.15). */
const openToAll = "/var/tmp";
/** A server keeps headers of rows, indexes and its log beside what stands in a line. */
const bytesPerLine = 3;
/** What one has that holds nothing: measured, 40 MB of PostgreSQL and 130 MB of MariaDB. */
const serverBytes = 200 << 20;

/** `postgresql://crm@db/crm?sslmode=require` → `…/crm_drill_1a2b3c4d?…`. */
function drillDatabase({ engine: { home }, location: url }: PointDatabase, id: string): string {
  return home.kind === "server" ? home.extended({ url }, `_drill_${id}`).url : url;
}
