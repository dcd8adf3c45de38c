import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { planFolder, type FolderPlanItem } from "../contents/folders/plan-folder.ts";
import { Selection } from "../contents/folders/selection.ts";
import type { FolderManifest, Manifest } from "../contents/manifest.ts";
import { loadContent, nodeNamed, type OpenedSnapshot, subtreeAt, treeOf } from "../contents/open-snapshot.ts";
import { programFolder, type OwnedFile } from "../crm/platform.ts";
import type { Id, TreeNode } from "../format/tree.ts";
import { nameFromText, nameText, type ByteName } from "../lib/byte-name.ts";
import { throughOwnLinks } from "../files/open-folder.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { BlobReader } from "../repository/repository.ts";
import { escapePattern } from "./left-out.ts";
import type { RestoreDraft } from "./restore-draft.ts";
import type { Places } from "./restore-places.ts";
import type { Anonymised, RestorePlan, RestorePlanInput } from "./restore-plan.ts";

export interface FilesInput extends Pick<RestorePlanInput, "target" | "purpose" | "switches"> {
  readonly places: Places;
  /** Whether a clone gets the files of records, which nobody can anonymise. */
  readonly attachments: Anonymised["files"];
}

/** Works out what a restore does to folders, single files and configuration files. */
export class FilesPreparation {
  readonly #draft: RestoreDraft;
  readonly #opened: OpenedSnapshot;
  readonly #reader: BlobReader;
  readonly #input: FilesInput;
  readonly #signal: AbortSignal;

  constructor(draft: RestoreDraft, opened: OpenedSnapshot, reader: BlobReader, input: FilesInput, signal: AbortSignal) {
    this.#draft = draft;
    this.#opened = opened;
    this.#reader = reader;
    this.#input = input;
    this.#signal = signal;
  }

  /** Files that rows own, as far as the recovery point has them. */
  async ownedFiles(owned: readonly OwnedFile[]): Promise<void> {
    const { switches, target } = this.#input;
    for (const [name, files] of Map.groupBy(owned, ({ folder }) => folder)) {
      const folder = this.#opened.manifest.folders.find((one) => one.name === name);
      const node = folder && (await this.#folderNode(name));
      if (!node) continue;
      const root = target === undefined ? folder.path : join(target, name);
      const paths = files.map(({ path }) => path);
      await this.#compare(folder, root, treeOf(node), paths, { ...switches, removeNewer: false });
    }
  }

  async folder({ name, path }: Places["folders"][number]): Promise<void> {
    const manifest = this.#opened.manifest.folders.find((one) => one.name === name);
    const node = await this.#folderNode(name);
    if (!manifest || !node) throw new HoldfastError("repository-damaged", { subject: name });
    const part = { kind: "folder", name, path, files: manifest.files, bytes: manifest.bytes } as const;
    if (this.#input.attachments === "left-out" && name !== programFolder) {
      this.#draft.add({ ...part, action: "skip", reason: "anonymised" });
      return;
    }
    const { switches } = this.#input;
    const exists = this.#draft.see(path);
    if (exists === "no" && switches.createMissing) {
      this.#draft.add({ ...part, action: "create" });
      this.#draft.folders.push({ path, node });
    } else if (exists === "no") {
      this.#draft.add({ ...part, action: "skip", reason: "missing" });
    } else {
      const { changes } = await this.#compare(manifest, path, treeOf(node), []);
      if (changes > 0) this.#draft.replacesLive = "yes";
      this.#draft.parts.push({ ...part, action: changes > 0 ? "update" : "skip" });
    }
  }

  /**
   * Compares a folder of the snapshot, or some paths of it, with the one on disk, thing by thing; gives the number of
   * changes, and which files and bytes are written for them. Folders that are there on both sides keep their own metadata: it cannot be swapped without the contents.
   */
  async #compare(
    folder: FolderManifest,
    place: string,
    tree: Id,
    paths: readonly ByteName[],
    /** Given for files of records, of which the recovery point may lack some. */
    ofRecords?: RestorePlan["switches"],
  ): Promise<{ readonly changes: number; readonly files: number; readonly bytes: number }> {
    const switches = ofRecords ?? this.#input.switches;
    const root = nameText(throughOwnLinks(nameFromText(place)));
    const planned = await planFolder(
      {
        reader: this.#reader,
        tree,
        target: nameFromText(root),
        switches,
        ...(paths.length > 0 && { paths }),
        keep: notInBackup(folder, this.#opened.manifest),
        signal: this.#signal,
      },
      Number.POSITIVE_INFINITY,
    );
    const [unmatched] = planned.unmatched;
    if (unmatched !== undefined && !ofRecords)
      throw new HoldfastError("nothing-matched", { path: nameText(unmatched) });
    this.#draft.witness.add(planned.seen);
    const wanted = planned.items.filter((item) => item.type !== "dir" || item.action !== "update" || item.instead);
    for (const item of wanted) this.#draft.show(item);
    this.#draft.counts.skip += planned.counts.skip - planned.items.filter(({ action }) => action === "skip").length;
    const changes = wanted.filter(({ action }) => action !== "skip" && action !== "conflict");
    const items = outermost(changes);
    const selection = new Selection(paths.length > 0 ? paths : undefined);
    const written = changes.filter(({ action, inside }) => action !== "remove" && selection.of(inside) !== "way");
    const writes = outermost(written).map(({ inside }) => inside);
    if (items.length > 0) this.#draft.items.push({ root, tree, items, writes });
    this.#draft.neededBytes += planned.bytes;
    this.#draft.neededFiles += planned.files;
    return { changes: items.length, files: planned.files, bytes: planned.bytes };
  }

  async configFile({ name, path }: Places["config"][number]): Promise<void> {
    const { target, purpose, switches } = this.#input;
    // a clone must not back itself up over the CRM that it was made from
    if (target !== undefined && purpose === "clone" && name === "holdfast.yaml") return;
    const folder = await subtreeAt(this.#reader, this.#opened.tree, ["config"], this.#signal);
    const node = folder && nodeNamed(await this.#reader.loadTree(folder, this.#signal), nameFromText(name));
    if (!node) throw new HoldfastError("repository-damaged", { subject: name });
    const exists = this.#draft.see(path);
    const part = { kind: "config", name, path, files: 1, bytes: Number(node.size ?? 0) } as const;
    if (exists === "yes" && (await this.#isSameFile(path, node))) {
      this.#draft.add({ ...part, action: "skip", reason: "same" });
    } else if (exists === "no" ? switches.createMissing : switches.updateChanged) {
      this.#draft.add({ ...part, action: exists === "no" ? "create" : "update" });
      this.#draft.config.push({ name, path, node });
    } else {
      this.#draft.add({ ...part, action: "skip", reason: exists === "no" ? "missing" : "exists" });
    }
  }

  async #isSameFile(path: string, node: TreeNode): Promise<boolean> {
    const now = await readFile(path).catch(() => undefined);
    return now?.equals(await loadContent(this.#reader, node, this.#signal)) === true;
  }

  /** One path as `browse` shows it: below `/files/<folder>` or `/config`. */
  async path(path: string): Promise<void> {
    const [part, name, ...rest] = path.split("/").filter((one) => one !== "");
    const { target } = this.#input;
    if (part === "config") {
      const place = this.#input.places.config.find((one) => one.name === name && rest.length === 0);
      if (!place) throw new HoldfastError("nothing-matched", { path });
      await this.configFile(target === undefined ? place : { ...place, path: join(target, place.name) });
      return;
    }
    const folder = part === "files" ? this.#opened.manifest.folders.find((one) => one.name === name) : undefined;
    const node = folder && (await this.#folderNode(folder.name));
    if (!node) throw new HoldfastError("nothing-matched", { path });
    const root = target === undefined ? folder.path : join(target, folder.name);
    const inside = rest.length === 0 ? [] : [nameFromText(rest.join("/"))];
    const { changes, files, bytes } = await this.#compare(folder, root, treeOf(node), inside);
    const action = changes > 0 ? "update" : "skip";
    this.#draft.parts.push({ kind: "folder", name: folder.name, path: join(root, ...rest), files, bytes, action });
  }

  async #folderNode(name: string): Promise<TreeNode | undefined> {
    const signal = this.#signal;
    const files = await subtreeAt(this.#reader, this.#opened.tree, ["files"], signal);
    return files === undefined ? undefined : nodeNamed(await this.#reader.loadTree(files, signal), nameFromText(name));
  }
}

/** What lies in a folder that is itself made or replaced comes with it. */
function outermost(items: readonly FolderPlanItem[]): readonly FolderPlanItem[] {
  const whole = new Set<string>(items.filter(({ type }) => type === "dir").map(({ inside }) => inside));
  return items.filter(({ inside }) => {
    for (let at = inside.lastIndexOf("/"); at > 0; at = inside.lastIndexOf("/", at - 1)) {
      if (whole.has(inside.slice(0, at))) return false;
    }
    return true;
  });
}

/** Patterns of what the backup left out by its excludes, or could not read: that is not newer, and stays. */
function notInBackup(folder: FolderManifest, manifest: Manifest): readonly string[] {
  const unreadable = manifest.warnings.filter(
    ({ code, subject }) => code === "file-unreadable" && subject.startsWith(`${folder.path}/`),
  );
  return [...folder.excludes, ...unreadable.map(({ subject }) => escapePattern(subject.slice(folder.path.length)))];
}
