import assert from "node:assert/strict";
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { Engine } from "../../src/engine/engine.ts";
import type { Run } from "../../src/lib/run.ts";
import type { Campaign, CampaignOptions } from "../support/campaign.ts";
import { cheapenKey } from "../support/cheap-key.ts";
import { engineHere, holdfastHere } from "../support/holdfast-here.ts";
import {
  type Listed,
  listSnapshots,
  readFiles,
  readLosses,
  readRows,
  type SnapshotReading,
} from "../support/model-reader.ts";
import { World, type WorldState } from "../support/model-world.ts";
import { programModule } from "../support/program.ts";
import { damageFile, damagesOf, giveBackMemory, repositoryFiles } from "../support/repository-copy.ts";
import { resticOn, type Restic } from "../support/restic.ts";
import { type CommandResult, runCommand } from "../support/run-command.ts";
import { type SeededRandom, seededRandom } from "../support/seeded-random.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

/**
 * Does to a repository and its copy whatever people and disks do, in random order: backups, copies, forgetting, pruning,
 * changes of passwords, stock restic in between, several at once, damage and its repair, and a `kill -9` in the middle of
 * any of it. A model in memory knows which snapshots there must be and what each must give back. `rounds` is the number
 * of steps. A command has a process of its own only where that is what is tried: when it is killed, or not alone.
 *
 * When the two differ, the error names seed and step; the folder is kept where HOLDFAST_MODEL_KEEP says, and the same
 * seed does the same steps again (not the same instant of a kill, which is counted in operations and so nearly the same).
 */
export const campaign: Campaign = {
  name: "model",
  about:
    "Random backups, copies, forgets, prunes, password changes, damaged files and their repair, kills and stock restic on two repositories, against a model of what must be restorable.",
  rounds: 3000,
  run: async (options) => {
    using folder = temporaryFolder();
    const model = new Model(folder.path, options.seed);
    await model.begin();
    for (let step = 1; step <= options.rounds; step++) {
      try {
        await model.step(step, options);
      } catch (error) {
        const kept = process.env["HOLDFAST_MODEL_KEEP"];
        if (kept) cpSync(folder.path, kept, { recursive: true });
        const told = model.told.slice(-12).join("\n  ");
        throw new Error(`seed ${options.seed}, step ${step}: the repository is not what it must be\n  ${told}`, {
          cause: error,
        });
      }
    }
    await model.checkAll();
    return model.facts();
  },
};

const root = join(import.meta.dirname, "../..");
const passwords = { main: "main horse", offsite: "offsite horse" } as const;
type Side = keyof typeof passwords;

/** What a snapshot must give back. */
interface Expected {
  readonly kind: "ours" | "restic";
  /** By a repair, from what was left: what it gave back then it must give back ever after. */
  readonly isMended: boolean;
  /** Without rows: their table was lost. */
  readonly state: Pick<WorldState, "files"> & Partial<WorldState>;
}

/** A snapshot and its copies, whatever ids they have. */
const identity = ({ time, tree }: Listed): string => `${Date.parse(time)} ${tree}`;
/** A snapshot, and what a repair has left of it. */
const moment = ({ time, paths }: Listed): string => `${Date.parse(time)} ${paths.join()}`;
const isOurs = ({ tags }: Listed): boolean => tags?.includes("holdfast") === true;

class Model {
  readonly told: string[] = [];
  readonly #folder: string;
  readonly #random: SeededRandom;
  readonly #world: World;
  readonly #expected: Record<Side, Map<string, Expected>> = { main: new Map(), offsite: new Map() };
  readonly #counts = new Map<string, number>();
  readonly #repaired = { "damaged files": 0, "snapshots mended": 0, "snapshots given up": 0 };
  readonly #engine: Engine;
  readonly #inProcess: Run = { signal: new AbortController().signal, now: () => new Date(), report: () => {} };
  #extraPasswords = 0;

  constructor(folder: string, seed: number) {
    this.#folder = folder;
    this.#random = seededRandom(seed);
    mkdirSync(join(folder, "crm"));
    this.#world = new World(join(folder, "crm"), this.#random);
    this.#engine = engineHere(join(folder, "state"));
  }

  async begin(): Promise<void> {
    for (const side of ["main", "offsite"] as const) {
      writeFileSync(join(this.#folder, `${side}.txt`), passwords[side], { mode: 0o600 });
    }
    writeFileSync(
      join(this.#world.folder, "holdfast.yaml"),
      "crm: { name: acme, platform: custom, database: 'sqlite:./crm.db', files: [./attachments] }\n" +
        "repository: { location: ../main, password: 'file:../main.txt' }\n" +
        "copies: [{ name: offsite, location: ../offsite, password: 'file:../offsite.txt' }]\n" +
        "limits: { workers: 1, priority: normal }\n",
    );
    await this.#succeed("init");
    await cheapenKey(this.#path("main"), passwords.main);
    await this.#backup();
    await this.#succeed("copy", "--create");
    await cheapenKey(this.#path("offsite"), passwords.offsite);
    await this.#learn("offsite", () => undefined);
  }

  /** One random operation, then a look at one snapshot, and now and then at everything. */
  async step(step: number, { report }: CampaignOptions): Promise<void> {
    const random = this.#random;
    // So often that a slice has one too.
    const name = step % 10 === 5 ? "damage and repair" : this.#crowded() ? "forget by rule" : this.#choose();
    this.told.push(`${step} ${name}`);
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
    if (step % 5 === 0) giveBackMemory();
    await this.#operations[name]?.();
    for (const side of ["main", "offsite"] as const) {
      const known = [...this.#expected[side]];
      if (known.length > 0) await this.#checkSnapshot(side, ...random.pick(known));
    }
    if (step % 25 === 0) await this.checkAll();
    if (step % 10 === 0)
      report(`step ${step}: ${this.#expected.main.size} and ${this.#expected.offsite.size} snapshots`);
  }

  /** Every snapshot gives back what it must; restic and we find nothing wrong with either repository. */
  async checkAll(): Promise<void> {
    for (const side of ["main", "offsite"] as const) {
      await this.#learn(side, () => undefined);
      for (const [id, expected] of this.#expected[side]) await this.#checkSnapshot(side, id, expected);
      await this.#succeed("verify", "--read-data", "--repository", `../${side}`);
      const restic = await this.#unlocked(side);
      await restic.check();
      const ids = (await restic.snapshots()).map(({ id }) => id);
      assert.deepEqual(ids.toSorted(), [...this.#expected[side].keys()].toSorted(), `${side}: what restic lists`);
    }
  }

  facts(): Record<string, number> {
    return {
      ...Object.fromEntries([...this.#counts].toSorted(([a], [b]) => (a < b ? -1 : 1))),
      ...this.#repaired,
      "snapshots at the end": this.#expected.main.size + this.#expected.offsite.size,
    };
  }

  #choose(): string {
    const weighted = Object.keys(this.#operations).flatMap((name) =>
      new Array<string>(name.startsWith("backup") ? 3 : 1).fill(name),
    );
    return this.#random.pick(weighted);
  }

  readonly #operations: Readonly<Record<string, () => Promise<void>>> = {
    backup: () => this.#backup(),
    "backup of another kind": () => this.#backup(this.#random.pick(["full", "differential"])),
    "backup of nothing new": async () => {
      await this.#succeed("backup");
      await this.#learn("main", () => this.#world.state());
    },
    "backup, killed": async () => {
      this.#world.change();
      const known = this.#known.size;
      await this.#killed("backup");
      const state = this.#world.state();
      await this.#learn("main", () => state);
      if (this.#known.size === known) this.#begun.push({ kind: "ours", isMended: false, state });
    },
    "restic backup": async () => {
      this.#world.change();
      await (await this.#unlocked("main")).output("backup", this.#world.attachments);
      await this.#learn("main", () => this.#world.state());
    },
    copy: async () => {
      await this.#succeed("copy");
      await this.#learn("offsite", () => undefined);
      this.#assertCopied();
    },
    "copy of one": async () => {
      const ids = [...this.#expected.main.keys()];
      if (ids.length === 0) return;
      await this.#succeed("copy", this.#random.pick(ids));
      await this.#learn("offsite", () => undefined);
    },
    "copy, killed": async () => {
      await this.#killed("copy");
      await this.#learn("offsite", () => undefined);
    },
    "copy back": async () => {
      const to = ["--to", "../main", "--to-password-file", "../main.txt"];
      await this.#succeed("copy", "--repository", "offsite", ...to);
      await this.#learn("main", () => undefined);
    },
    "restic copy": async () => {
      const env = {
        RESTIC_FROM_REPOSITORY: this.#path("main"),
        RESTIC_FROM_PASSWORD_FILE: this.#path("main.txt"),
        RESTIC_REPOSITORY: this.#path("offsite"),
        RESTIC_PASSWORD_FILE: this.#path("offsite.txt"),
      };
      for (const side of ["main", "offsite"] as const) await this.#unlocked(side);
      const { code, stderr } = await runCommand("restic", ["--no-cache", "copy"], { env: { ...process.env, ...env } });
      assert.equal(code, 0, stderr);
      await this.#learn("offsite", () => undefined);
      this.#assertCopied();
    },
    "forget by id": async () => {
      const side = this.#side();
      const ids = this.#forgettable(side);
      if (ids.length === 0) return;
      await this.#forget(side, [this.#random.pick(ids)]);
    },
    "forget by rule": async () => {
      const side = this.#crowded() ?? this.#side();
      const text = await this.#succeed(
        "forget",
        ...this.#on(side),
        "--keep-last",
        String(2 + this.#random.below(6)),
        "--json",
      );
      this.#forgotten(side, removedIds(text));
      await this.#learn(side, () => undefined);
    },
    "forget and prune, killed": async () => {
      const side = this.#side();
      const keep = String(2 + this.#random.below(4));
      const planned = await this.#succeed("forget", ...this.#on(side), "--keep-last", keep, "--dry-run", "--json");
      await this.#killed("forget", ...this.#on(side), "--keep-last", keep, "--prune", "--now");
      const may = new Set(removedIds(planned));
      const there = new Set((await this.#list(side)).map(({ id }) => id));
      this.#forgotten(
        side,
        [...may].filter((id) => !there.has(id)),
      );
      await this.#learn(side, () => undefined);
    },
    prune: async () => {
      const side = this.#side();
      await this.#succeed("prune", ...this.#on(side), ...(this.#random.oneIn(2) ? ["--now"] : []));
      await this.#learn(side, () => undefined);
    },
    "prune, killed": async () => {
      const side = this.#side();
      await this.#killed("prune", ...this.#on(side), "--now", "--max-unused", "0%");
      await this.#learn(side, () => undefined);
    },
    "restic forget and prune": async () => {
      const side = this.#side();
      const ids = this.#forgettable(side);
      const chosen = ids.filter(() => this.#random.oneIn(3));
      await (
        await this.#unlocked(side)
      ).output("forget", "--prune", ...(chosen.length > 0 ? chosen : ["--keep-last", "1000"]));
      this.#forgotten(side, chosen);
      await this.#learn(side, () => undefined);
    },
    "restic prune": async () => {
      await (await this.#unlocked(this.#side())).output("prune");
    },
    "password added or removed": async () => {
      if (this.#extraPasswords > 0 && this.#random.oneIn(2)) {
        const listed = JSON.parse(await this.#succeed("key", "list", "--json")) as {
          readonly keys: readonly { readonly id: string; readonly current: boolean }[];
        };
        const other = listed.keys.find(({ current }) => !current);
        assert.ok(other, "a password is gone");
        await this.#succeed("key", "remove", other.id);
        this.#extraPasswords--;
      } else {
        const file = `../extra-${this.#extraPasswords}.txt`;
        writeFileSync(join(this.#world.folder, file), `extra ${this.#extraPasswords}`, { mode: 0o600 });
        await this.#succeed("key", "add", "--new-password-file", file);
        await this.#succeed("snapshots", "--repository", "../main", "--password-file", file);
        await cheapenKey(this.#path("main"), `extra ${this.#extraPasswords++}`);
      }
    },
    "damage and repair": async () => {
      const side = this.#side();
      await this.#succeed("unlock", ...this.#on(side));
      const damaged = this.#damage(side, await this.#namedPacks(side));
      const { code, stdout } = await this.#run(["verify", "--read-data", ...this.#on(side), "--json"]);
      assert.equal(code, 40, `not found: ${[...damaged].join(", ")}`);
      const { defects } = record(stdout, "verify") as {
        readonly defects: readonly { readonly snapshots: readonly string[] }[];
      };
      for (const what of ["index", "packs", "snapshots"]) await this.#repair(side, what);
      const touched = new Set(defects.flatMap(({ snapshots }) => snapshots));
      await this.#learnRepaired(side, touched, damaged);
      await this.#succeed("verify", "--read-data", ...this.#on(side));
      await this.#restic(side).check();
    },
    "three at once": async () => {
      const state = this.#world.state();
      const before = new Set(this.#expected.main.keys());
      // Whoever was killed before has left a lock, which restic does not pass.
      const restic = await this.#unlocked("main");
      const results = await Promise.all([
        this.#start(["backup", "--wait", "60s"]),
        this.#start(["copy", "--wait", "60s"]),
        restic.run("backup", this.#world.attachments),
      ]);
      for (const { code, stderr } of results) assert.equal(code, 0, stderr);
      await this.#learn("main", () => state);
      assert.equal([...this.#expected.main.keys()].filter((id) => !before.has(id)).length, 2);
      await this.#learn("offsite", () => undefined);
    },
    "backup while somebody prunes": async () => {
      const state = this.#world.state();
      const [backup, prune] = await Promise.all([
        this.#start(["backup", "--wait", "60s"]),
        this.#start(["prune", "--now", "--wait", "60s"]),
      ]);
      assert.equal(backup.code, 0, backup.stderr);
      assert.equal(prune.code, 0, prune.stderr);
      await this.#learn("main", () => state);
    },
  };

  /** Where there is so much by now that looking through it all would take longer than all else. */
  #crowded(): Side | undefined {
    return (["main", "offsite"] as const).find((side) => this.#expected[side].size > 40);
  }

  #side(): Side {
    return this.#random.oneIn(2) ? "offsite" : "main";
  }

  #on(side: Side): readonly string[] {
    return ["--repository", `../${side}`];
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }

  #restic(side: Side): Restic {
    return resticOn(this.#path(side), passwords[side]);
  }

  /** restic takes the lock of a dead process for a live one's, so that one has to go before. */
  async #unlocked(side: Side): Promise<Restic> {
    await this.#succeed("unlock", ...this.#on(side));
    return this.#restic(side);
  }

  async #backup(kind?: string): Promise<void> {
    this.#world.change();
    await this.#succeed("backup", ...(kind === undefined ? [] : [kind]));
    await this.#learn("main", () => this.#world.state());
  }

  /** Packs that an index names for their blobs: of others, those that a prune has marked among them, nobody reads anything. */
  async #namedPacks(side: Side): Promise<ReadonlySet<string>> {
    const restic = this.#restic(side);
    const named = new Set<string>();
    for (const name of (await restic.output("list", "index", "--no-lock")).trim().split("\n")) {
      const { packs } = JSON.parse(await restic.output("cat", "index", name, "--no-lock")) as {
        readonly packs: readonly { readonly id: string }[];
      };
      for (const { id } of packs) named.add(id);
    }
    return named;
  }

  /** One to three files, each damaged in some way; those that are not what they were. No key: it may be the only one. */
  #damage(side: Side, named: ReadonlySet<string>): ReadonlySet<string> {
    const random = this.#random;
    const folder = this.#path(side);
    const damaged = new Set<string>();
    for (let count = 1 + random.below(3); count > 0; count--) {
      // Beside keys not what a killed run left half-written, which nobody reads.
      const isKept = (file: string): boolean => file.startsWith("keys/") || file.includes("-tmp-") || damaged.has(file);
      const isRead = (file: string): boolean => !file.startsWith("data/") || named.has(basename(file));
      const files = repositoryFiles(folder).filter((file) => !isKept(file) && isRead(file));
      const [file, other] = [random.pick(files), random.pick(files)];
      const isListed = (name: string): boolean => name.startsWith("snapshots/");
      const ways = damagesOf(folder, file, file === other ? [] : [other]);
      // What is deleted leaves nothing to be found by: a snapshot that is gone looks like one that was forgotten.
      const damage = random.pick(ways.filter(({ kind }) => kind !== "delete" || !isListed(file)));
      this.told.push(`  ${side}/${file}: ${JSON.stringify(damage)}`);
      damageFile(folder, file, damage);
      damaged.add(file);
      if (damage.kind === "swap") damaged.add(other);
    }
    this.#repaired["damaged files"] += damaged.size;
    return damaged;
  }

  /** Plans and applies, sometimes cut off by a kill, and finds nothing more to do. */
  async #repair(side: Side, what: string): Promise<void> {
    const plan = async () => {
      const said = await this.#succeed("repair", what, ...this.#on(side), "--json");
      return record(said, "repair") as { readonly id: string; readonly needed: boolean };
    };
    const first = await plan();
    if (!first.needed) return;
    if (this.#random.oneIn(3)) {
      await this.#killed("repair", what, ...this.#on(side), "--apply", first.id);
      // Packs that it stored and did not live to name: snapshots are not mended before it is known what is in those.
      if (what === "snapshots") await this.#repair(side, "index");
    }
    const second = await plan();
    if (second.needed) await this.#succeed("repair", what, ...this.#on(side), "--apply", second.id);
    assert.equal((await plan()).needed, false, `repair ${what} again`);
  }

  /** What no damage has touched is there as it was; of the rest there is what is left, and each loss is told. */
  async #learnRepaired(side: Side, touched: ReadonlySet<string>, damaged: ReadonlySet<string>): Promise<void> {
    const listed = await this.#list(side);
    const ids = new Set(listed.map(({ id }) => id));
    const moments = new Set(listed.map(moment));
    for (const [id, expected] of this.#expected[side]) {
      if (ids.has(id)) continue;
      assert.ok(touched.has(id), `${side}: ${id} was not touched, and is gone`);
      this.#expected[side].delete(id);
      if (moments.has(this.#moments.get(id) ?? "")) continue;
      // Nobody but its own file says of a snapshot of restic's that it was one.
      const isNamed = expected.kind === "ours" || !damaged.has(`snapshots/${id}`);
      if (isNamed) this.told.push(`  ${id} is given up`);
      this.#repaired["snapshots given up"]++;
    }
    for (const snapshot of listed) {
      if (this.#expected[side].has(snapshot.id) || this.#known.has(identity(snapshot))) continue;
      this.#repaired["snapshots mended"]++;
      await this.#learnMended(side, snapshot);
    }
    await this.#learn(side, () => undefined);
    for (const [id, expected] of this.#expected[side]) await this.#checkSnapshot(side, id, expected);
  }

  async #learnMended(side: Side, snapshot: Listed): Promise<void> {
    const { id, tags } = snapshot;
    const reading = this.#reading(side);
    const was = this.#whole.get(moment(snapshot));
    const kind = was?.kind ?? (isOurs(snapshot) ? "ours" : "restic");
    const files = await readFiles(reading, id, this.#attachmentsIn({ kind }));
    const isPart = ({ state }: Expected): boolean =>
      [...files].every(([path, sum]) => path.includes(".damaged") || state.files.get(path) === sum);
    const whole = was ?? (isOurs(snapshot) ? this.#begun.findLast(isPart) : undefined);
    assert.ok(whole && (was === undefined || tags?.includes("mended")), `${side}: snapshot ${id} comes from nowhere`);
    // Where no manifest of its CRM was left, a mended one has none either, and says by its tag alone that it lacks something.
    const losses = whole.kind === "ours" ? await readLosses(reading, id).catch(() => undefined) : undefined;
    // What was told by a manifest that is lost itself nobody knows any more, and that is told.
    const before = losses?.includes("holdfast.json") === true ? this.#mendedAt(moment(snapshot)) : [];
    const isTold = (subject: string): boolean =>
      losses?.some((loss) => subject === loss || subject.startsWith(`${loss}/`)) ?? true;
    assert.ok(isPart(whole), `${side}: files of ${id}`);
    for (const path of whole.state.files.keys())
      assert.ok(
        files.has(path) || isTold(`/files/attachments/${path}`) || before.some((one) => !one.state.files.has(path)),
        `${side}: ${path} of ${id} is lost untold`,
      );
    const rows = whole.kind === "ours" ? await readRows(reading, id).catch(() => undefined) : undefined;
    if (whole.kind === "ours" && JSON.stringify(rows) !== JSON.stringify(whole.state.rows)) {
      const isTableTold =
        (losses?.some((loss) => loss.startsWith("/databases")) ?? true) ||
        before.some((one) => JSON.stringify(one.state.rows) !== JSON.stringify(whole.state.rows));
      assert.ok(isTableTold, `${side}: rows of ${id} are lost untold`);
    }
    const state = { files, ...(rows !== undefined && { rows }) };
    const isMended = tags?.includes("mended") === true;
    const learnt = { kind: whole.kind, isMended, state };
    this.#known.set(identity(snapshot), learnt);
    this.#mended.push([moment(snapshot), learnt]);
  }

  /** What earlier repairs have left of it. */
  #mendedAt(at: string): readonly Expected[] {
    return this.#mended.flatMap(([then, learnt]) => (then === at ? [learnt] : []));
  }

  /** All but the newest of ours that is whole, which a CRM never loses. */
  #forgettable(side: Side): readonly string[] {
    const ours = [...this.#expected[side]].filter(([, { kind }]) => kind === "ours");
    const kept = [ours.at(-1)?.[0], ours.findLast(([, { isMended }]) => !isMended)?.[0]];
    return [...this.#expected[side].keys()].filter((id) => !kept.includes(id));
  }

  async #forget(side: Side, ids: readonly string[]): Promise<void> {
    await this.#succeed("forget", ...this.#on(side), ...ids);
    this.#forgotten(side, ids);
    await this.#learn(side, () => undefined);
  }

  #forgotten(side: Side, ids: readonly string[]): void {
    for (const id of ids) this.#expected[side].delete(id);
  }

  /** What is there beside what must be: a new snapshot of `state()`, or a copy of one whose original the model knows. */
  async #learn(side: Side, state: () => WorldState | undefined): Promise<void> {
    const expected = this.#expected[side];
    const listed = await this.#list(side);
    const ids = new Set(listed.map(({ id }) => id));
    for (const id of expected.keys()) assert.ok(ids.has(id), `${side}: snapshot ${id} is gone`);
    const copies = new Set(listed.filter(({ id }) => expected.has(id)).map(copyOf));
    for (const snapshot of listed) {
      this.#moments.set(snapshot.id, moment(snapshot));
      if (expected.has(snapshot.id)) continue;
      assert.ok(!copies.has(copyOf(snapshot)), `${side}: snapshot ${snapshot.id} is there twice`);
      const known = this.#known.get(identity(snapshot));
      const found = known === undefined ? state() : undefined;
      const learnt = known ?? (found && { kind: isOurs(snapshot) ? "ours" : "restic", isMended: false, state: found });
      assert.ok(learnt, `${side}: snapshot ${snapshot.id} comes from nowhere`);
      this.#known.set(identity(snapshot), learnt);
      if (!learnt.isMended) this.#whole.set(moment(snapshot), learnt);
      expected.set(snapshot.id, learnt);
    }
    const times = new Map(listed.map(({ id, time }) => [id, Date.parse(time)]));
    const sorted = [...expected].toSorted(([a], [b]) => (times.get(a) ?? 0) - (times.get(b) ?? 0));
    this.#expected[side] = new Map(sorted);
  }

  /** Every snapshot there ever was, also those that were forgotten: a copy brings them back. */
  readonly #known = new Map<string, Expected>();
  /** What repairs have left, by its moment. */
  readonly #mended: (readonly [string, Expected])[] = [];
  /** As each was before anything of it was lost, by its moment. */
  readonly #whole = new Map<string, Expected>();
  /** Backups that were killed before they had a snapshot: one whose tree was stored is found by a repair. */
  readonly #begun: Expected[] = [];
  /** Of each id. */
  readonly #moments = new Map<string, string>();

  #assertCopied(): void {
    const there = new Set(this.#expected.offsite.values());
    for (const [id, expected] of this.#expected.main) assert.ok(there.has(expected), `${id} was not copied`);
  }

  async #list(side: Side): Promise<readonly Listed[]> {
    return await listSnapshots(this.#reading(side));
  }

  async #checkSnapshot(side: Side, id: string, expected: Expected): Promise<void> {
    const { kind, state } = expected;
    const files = await readFiles(this.#reading(side), id, this.#attachmentsIn(expected));
    assert.deepEqual([...files].toSorted(byPath), [...state.files].toSorted(byPath), `${side}: files of ${id}`);
    if (kind === "restic" || state.rows === undefined) return;
    assert.deepEqual(await readRows(this.#reading(side), id), state.rows, `${side}: rows of ${id}`);
  }

  #attachmentsIn({ kind }: Pick<Expected, "kind">): string {
    return kind === "ours" ? "/acme/files/attachments" : this.#world.attachments;
  }

  #reading(side: Side): SnapshotReading {
    const repository = { location: this.#path(side), password: passwords[side] };
    return { engine: this.#engine, repository, run: this.#inProcess };
  }

  async #succeed(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.#run(args);
    assert.equal(code, 0, `holdfast ${args.join(" ")}: ${code} ${stdout} ${stderr}`);
    return stdout;
  }

  /** Ends the command at a random moment as `kill -9` does; one that was done before is just done. */
  async #killed(...args: readonly string[]): Promise<void> {
    const { code, stderr } = await this.#start(args, 1 + this.#random.below(60));
    assert.ok(code === null || code === 0, `holdfast ${args.join(" ")}: ${stderr}`);
  }

  #run(args: readonly string[]): Promise<CommandResult> {
    return holdfastHere(this.#engine, args, this.#world.folder);
  }

  /** In a process of its own. */
  #start(args: readonly string[], killAt?: number): Promise<CommandResult> {
    const base = {
      PATH: process.env["PATH"],
      HOME: this.#folder,
      LANG: "C.UTF-8",
      HOLDFAST_STATE: this.#path("state"),
    };
    const killing = {
      NODE_OPTIONS: `--import=${join(root, "test/support/kill-at.ts")}`,
      HOLDFAST_TEST_KILL_AT: String(killAt),
    };
    const program = ["--disable-warning=ExperimentalWarning", programModule, ...args];
    const env = killAt === undefined ? base : { ...base, ...killing };
    return runCommand(process.execPath, program, { cwd: this.#world.folder, env });
  }
}

function removedIds(text: string): readonly string[] {
  const { remove } = record(text, "forget") as { readonly remove: readonly { readonly id: string }[] };
  return remove.map(({ id }) => id);
}

/** The line of that type. */
function record(text: string, type: string): unknown {
  const lines = text.trim().split("\n");
  const found = lines.map((line) => JSON.parse(line) as { readonly type: string }).find((line) => line.type === type);
  assert.ok(found, text);
  return found;
}

function copyOf(snapshot: Listed): string {
  return `${snapshot.original ?? snapshot.id} ${snapshot.tree}`;
}

function byPath(a: readonly [string, string], b: readonly [string, string]): number {
  return a[0] < b[0] ? -1 : 1;
}
