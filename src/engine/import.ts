import { createHash } from "node:crypto";
import { HoldfastError, isHoldfastError } from "../lib/errors.ts";
import type { Run } from "../lib/run.ts";
import { storedFileAt } from "../storage/layout.ts";
import type { Storage } from "../storage/storage.ts";
import { type Catalogue, isVolumeFilePath, type VolumeFile } from "../volumes/catalogue.ts";
import { type Drive, volumeText } from "../volumes/drive.ts";
import { openVolume, type VolumeHead, type VolumeReader } from "../volumes/read-volume.ts";
import { VolumeAccess } from "../volumes/volume-access.ts";
import { waitNote } from "./access.ts";
import { type DriveChoice, type Engine, openDriveOf } from "./engine.ts";

export interface ImportInput {
  readonly from: DriveChoice;
  /** Where the repository is, or is to be; its password is not needed. */
  readonly into: string;
  /** None: all that are there, oldest first. */
  readonly sets: readonly string[];
  /** Files of the repository, such as `data/ab/ab…`, to be put (back) into it; none: all of the sets. */
  readonly only: readonly string[];
  readonly askVolume?: (volume: string) => Promise<boolean>;
}

export interface ImportReport {
  readonly type: "import";
  readonly into: string;
  readonly sets: readonly string[];
  /** Volumes that were read. */
  readonly volumes: number;
  readonly files: number;
  readonly bytes: number;
  /** Files that were there already. */
  readonly present: number;
  readonly durationMs: number;
}

/** Brings files from volumes into a repository: whole sets, or single files, for which only their volumes are read. */
export async function importVolumes(engine: Engine, input: ImportInput, run: Run): Promise<ImportReport> {
  const started = run.now();
  await using drive = openDriveOf(engine, input.from);
  await using storage = await engine.openStorage(input.into, { reading: "past", onWait: waitNote(run) });
  run.report({ type: "phase", phase: "import", subject: drive.name });
  const work = new Import(drive, storage, input, run);
  const access = new VolumeAccess(drive);
  const sets = (await access.sets(run.signal)).filter(({ set }) => input.sets.length === 0 || input.sets.includes(set));
  const missing = input.sets.find((name) => !sets.some(({ set }) => set === name));
  if (missing !== undefined || sets.length === 0) {
    throw new HoldfastError("volume-none", { drive: drive.name, ...(missing !== undefined && { set: missing }) });
  }
  if (input.only.length > 0) await work.files(access);
  else for (const set of sets) await work.set(set);
  return {
    type: "import",
    into: input.into,
    sets: sets.map(({ set }) => set),
    ...work.counts,
    durationMs: run.now().getTime() - started.getTime(),
  };
}

class Import {
  readonly counts = { volumes: 0, files: 0, bytes: 0, present: 0 };
  readonly #drive: Drive;
  readonly #storage: Storage;
  readonly #input: ImportInput;
  readonly #run: Run;

  constructor(drive: Drive, storage: Storage, input: ImportInput, run: Run) {
    this.#drive = drive;
    this.#storage = storage;
    this.#input = input;
    this.#run = run;
  }

  async set(catalogue: Catalogue): Promise<void> {
    const { signal } = this.#run;
    const config = await this.#storage.stat({ kind: "config", name: "" }, signal);
    if (catalogue.kind === "full") await this.#storage.create(signal);
    // It would add packs and snapshots to what is not a repository.
    else if (config === undefined)
      throw new HoldfastError("volume-incomplete", { set: catalogue.set, base: catalogue.base });
    const wanted = new Map(catalogue.files.map((file) => [file.path, file]));
    let begun: Begun | undefined;
    for (let number = 1; wanted.size > 0; number++) {
      const { reader, head } = await this.#open(catalogue.set, number);
      begun = await this.#volume(reader, head, wanted, begun);
    }
  }

  /** Gives the file that goes on on the next volume. */
  async #volume(
    reader: VolumeReader,
    { rest, restBytes }: VolumeHead,
    wanted: Map<string, VolumeFile>,
    begun: Begun | undefined,
  ): Promise<Begun | undefined> {
    if (begun !== undefined && restBytes !== undefined) {
      if (rest?.name !== begun.path || rest.offset !== begun.bytes.length) {
        throw new HoldfastError("volume-damaged", { reason: begun.path });
      }
      const bytes = Buffer.concat([begun.bytes, restBytes]);
      if (restBytes.length < rest.size) return { path: begun.path, bytes };
      await this.#take(begun.path, bytes, wanted);
    }
    while (wanted.size > 0) {
      const header = await reader.header();
      if (header === "cut") return undefined;
      // The tar is complete, and files are missing that the catalogue names.
      if (header === "end") throw new HoldfastError("volume-damaged", { reason: [...wanted.keys()][0] });
      const bytes = await reader.contents(header.size);
      if (bytes.length < header.size) return { path: header.name, bytes };
      await this.#take(header.name, bytes, wanted);
    }
    return undefined;
  }

  async #take(path: string, bytes: Buffer, wanted: Map<string, VolumeFile>): Promise<void> {
    const file = wanted.get(path);
    if (file === undefined || createHash("sha256").update(bytes).digest("hex") !== file.sha256) {
      throw new HoldfastError("volume-damaged", { reason: path });
    }
    wanted.delete(path);
    await this.#save(path, bytes, "keep");
  }

  async files(access: VolumeAccess): Promise<void> {
    const { signal } = this.#run;
    for (const path of this.#input.only) {
      const known = isVolumeFilePath(path) ? await access.find(path, signal) : undefined;
      if (known === undefined) throw new HoldfastError("nothing-matched", { path });
      await this.#save(path, await access.load(path, undefined, signal), "replace damaged");
    }
    this.counts.volumes = access.volumesRead;
  }

  async #save(path: string, bytes: Buffer, existing: "keep" | "replace damaged"): Promise<void> {
    const { signal } = this.#run;
    const file = storedFileAt(path);
    const size = await this.#storage.stat(file, signal);
    if (size !== undefined) {
      const there = existing === "keep" && file.kind !== "config" ? undefined : await this.#loadThere(path);
      if (there === undefined ? size === bytes.length : there.equals(bytes)) {
        this.counts.present++;
        return;
      }
      if (file.kind === "config" && existing === "keep") {
        throw new HoldfastError("import-other-repository", { location: this.#storage.location });
      }
      await this.#storage.remove(file, signal);
    }
    await this.#storage.save(file, bytes, signal);
    this.counts.files++;
    this.counts.bytes += bytes.length;
    this.#run.report({
      type: "progress",
      phase: "import",
      doneBytes: this.counts.bytes,
      doneItems: this.counts.files,
    });
  }

  async #loadThere(path: string): Promise<Buffer> {
    try {
      return await this.#storage.load(storedFileAt(path), undefined, this.#run.signal);
    } catch (error) {
      // What the storage cannot give is as good as damaged.
      if (isHoldfastError(error, "storage-failed")) return Buffer.alloc(0);
      throw error;
    }
  }

  async #open(set: string, number: number): Promise<{ reader: VolumeReader; head: VolumeHead }> {
    const volume = { set, number };
    while (true) {
      try {
        const opened = await openVolume(this.#drive, volume, this.#run.signal);
        this.counts.volumes++;
        return opened;
      } catch (error) {
        const isChange = isHoldfastError(error, "volume-needed") || isHoldfastError(error, "volume-other");
        if (!isChange || (await this.#input.askVolume?.(volumeText(volume))) !== true) throw error;
      }
    }
  }
}

/** A file of which the beginning is here. */
interface Begun {
  readonly path: string;
  readonly bytes: Buffer;
}
