import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { loadContent, subtreeAt } from "../../src/contents/open-snapshot.ts";
import { custom } from "../../src/crm/custom.ts";
import { sqliteEngine } from "../../src/database/sqlite/sqlite.ts";
import { browse } from "../../src/engine/browse.ts";
import type { Engine } from "../../src/engine/engine.ts";
import type { Id } from "../../src/format/tree.ts";
import { nameText } from "../../src/lib/byte-name.ts";
import type { Run } from "../../src/lib/run.ts";
import { openRepository } from "../../src/repository/open.ts";
import { localStorage } from "../../src/storage/local.ts";
import type { Campaign, CampaignOptions } from "../support/campaign.ts";
import { cheapenKey } from "../support/cheap-key.ts";
import { World, type WorldState } from "../support/model-world.ts";
import { resticOn, type Restic, type ResticSnapshot } from "../support/restic.ts";
import { runCommand } from "../support/run-command.ts";
import { type SeededRandom, seededRandom } from "../support/seeded-random.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

/**
 * Does to a repository and its copy whatever people do, in random order: backups, copies, forgetting, pruning, changes
 * of passwords, stock restic in between, several at once, and a `kill -9` in the middle of any of it. A model in memory
 * knows which snapshots there must be and what each must give back. `rounds` is the number of steps.
 *
 * When the two differ, the error names seed and step; the folder is kept where HOLDFAST_MODEL_KEEP says, and the same
 * seed does the same steps again (not the same instant of a kill, which is counted in operations and so nearly the same).
 */
export const campaign: Campaign = {
  name: "model",
  about:
    "Random backups, copies, forgets, prunes, password changes, kills and stock restic on two repositories, against a model of what must be restorable.",
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

/** What a snapshot must give back, and which snapshot it is: the first id it ever had. */
interface Expected {
  readonly original: string;
  readonly kind: "ours" | "restic";
  readonly state: WorldState;
}

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

class Model {
  readonly told: string[] = [];
  readonly #folder: string;
  readonly #random: SeededRandom;
  readonly #world: World;
  readonly #expected: Record<Side, Map<string, Expected>> = { main: new Map(), offsite: new Map() };
  readonly #counts = new Map<string, number>();
  readonly #engine: Engine;
  readonly #inProcess: Run = { signal: new AbortController().signal, now: () => new Date(), report: () => {} };
  #extraPasswords = 0;

  constructor(folder: string, seed: number) {
    this.#folder = folder;
    this.#random = seededRandom(seed);
    mkdirSync(join(folder, "crm"));
    this.#world = new World(join(folder, "crm"), this.#random);
    this.#engine = {
      program: "holdfast test",
      openStorage: localStorage,
      platforms: [custom],
      databases: [sqliteEngine],
      stateFolder: join(folder, "state"),
      readSecret: () => Promise.reject(new Error("no secrets here")),
      host: { hostname: "test", username: "test", uid: 0, gid: 0 },
    };
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
        "limits: { workers: 2 }\n",
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
    const name = this.#choose();
    this.told.push(`${step} ${name}`);
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
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
      await (await this.#unlocked(side)).check();
    }
  }

  facts(): Record<string, number> {
    return {
      ...Object.fromEntries([...this.#counts].toSorted(([a], [b]) => (a < b ? -1 : 1))),
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
      await this.#killed("backup");
      await this.#learn("main", () => this.#world.state());
    },
    "restic backup": async () => {
      this.#world.change();
      await this.#restic("main").output("backup", this.#world.attachments);
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
      const side = this.#side();
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
    "three at once": async () => {
      const state = this.#world.state();
      const before = new Set(this.#expected.main.keys());
      const results = await Promise.all([
        this.#run(["backup", "--wait", "60s"]),
        this.#run(["copy", "--wait", "60s"]),
        this.#restic("main").run("backup", this.#world.attachments),
      ]);
      for (const { code, stderr } of results) assert.equal(code, 0, stderr);
      await this.#learn("main", () => state);
      assert.equal([...this.#expected.main.keys()].filter((id) => !before.has(id)).length, 2);
      await this.#learn("offsite", () => undefined);
    },
    "backup while somebody prunes": async () => {
      const state = this.#world.state();
      const [backup, prune] = await Promise.all([
        this.#run(["backup", "--wait", "60s"]),
        this.#run(["prune", "--now", "--wait", "60s"]),
      ]);
      assert.equal(backup.code, 0, backup.stderr);
      assert.equal(prune.code, 0, prune.stderr);
      await this.#learn("main", () => state);
    },
  };

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

  /** All but the newest of ours, which a CRM never loses. */
  #forgettable(side: Side): readonly string[] {
    const ours = [...this.#expected[side]].filter(([, { kind }]) => kind === "ours").map(([id]) => id);
    const newest = ours.at(-1);
    return [...this.#expected[side].keys()].filter((id) => id !== newest);
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
    const originals = new Set([...expected.values()].map(({ original }) => original));
    for (const snapshot of listed) {
      if (expected.has(snapshot.id)) continue;
      const original = snapshot.original ?? snapshot.id;
      const known = this.#originals.get(original);
      const found = state();
      if (known === undefined && found === undefined)
        assert.fail(`${side}: snapshot ${snapshot.id} comes from nowhere`);
      assert.ok(!originals.has(original), `${side}: snapshot ${original} is there twice`);
      const kind = snapshot.tags?.includes("holdfast") === true ? "ours" : "restic";
      const learnt = known ?? { original, kind, state: found as WorldState };
      this.#originals.set(original, learnt);
      expected.set(snapshot.id, learnt);
    }
    const times = new Map(listed.map(({ id, time }) => [id, Date.parse(time)]));
    const sorted = [...expected].toSorted(([a], [b]) => (times.get(a) ?? 0) - (times.get(b) ?? 0));
    this.#expected[side] = new Map(sorted);
  }

  /** By the first id that a snapshot had; also of those that were forgotten: a copy brings them back. */
  readonly #originals = new Map<string, Expected>();

  #assertCopied(): void {
    const there = new Set([...this.#expected.offsite.values()].map(({ original }) => original));
    for (const { original } of this.#expected.main.values())
      assert.ok(there.has(original), `${original} was not copied`);
  }

  async #list(side: Side): Promise<readonly (ResticSnapshot & { readonly original?: string })[]> {
    return JSON.parse(await this.#restic(side).output("snapshots", "--json", "--no-lock")) as ResticSnapshot[];
  }

  async #checkSnapshot(side: Side, id: string, expected: Expected): Promise<void> {
    const { state, kind } = expected;
    const files = await this.#readFiles(
      side,
      id,
      kind === "ours" ? "/acme/files/attachments" : this.#world.attachments,
    );
    assert.deepEqual([...files].toSorted(byPath), [...state.files].toSorted(byPath), `${side}: files of ${id}`);
    if (kind === "ours") assert.deepEqual(await this.#readRows(side, id), state.rows, `${side}: rows of ${id}`);
  }

  /** SHA-256 of every file below a folder of a snapshot. */
  async #readFiles(side: Side, id: string, folder: string): Promise<ReadonlyMap<string, string>> {
    const { signal, now } = this.#inProcess;
    const { host } = this.#engine;
    const storage = localStorage(this.#path(side));
    await using repository = await openRepository(storage, passwords[side], { signal, now, host });
    const stored = (await repository.snapshots(signal)).find((one) => one.id === id);
    assert.ok(stored, `${side}: snapshot ${id}`);
    const reader = await repository.index(signal);
    const names = folder.split("/").slice(1);
    const top = await subtreeAt(reader, stored.snapshot.tree, names, signal);
    assert.ok(top, `${side}: ${folder} of ${id}`);
    const files = new Map<string, string>();
    const walk = async (tree: Id, path: string): Promise<void> => {
      for (const node of (await reader.loadTree(tree, signal)).nodes) {
        const inner = path + nameText(node.name);
        if (node.subtree !== undefined) await walk(node.subtree, `${inner}/`);
        else files.set(inner, hash("sha256", await loadContent(reader, node, signal), "hex"));
      }
    };
    await walk(top, "");
    return files;
  }

  #readRows(side: Side, id: string): Promise<readonly string[]> {
    const repository = { location: this.#path(side), password: passwords[side] };
    const input = { repository, point: { kind: "id", prefix: id }, path: "/databases/main/contact" } as const;
    return browse(this.#engine, input, this.#inProcess, async (answer) => {
      if (answer.type !== "rows") return assert.fail("no rows");
      return (await Array.fromAsync(answer.rows)).map((row) => JSON.stringify(row.map(String)));
    });
  }

  async #succeed(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.#run(args);
    assert.equal(code, 0, `holdfast ${args.join(" ")}: ${stderr}`);
    return stdout;
  }

  /** Ends the command at a random moment as `kill -9` does; one that was done before is just done. */
  async #killed(...args: readonly string[]): Promise<void> {
    const { code, stderr } = await this.#run(args, 1 + this.#random.below(60));
    assert.ok(code === null || code === 0, `holdfast ${args.join(" ")}: ${stderr}`);
  }

  #run(args: readonly string[], killAt?: number): Promise<Ended> {
    const base = {
      PATH: process.env["PATH"],
      HOME: this.#folder,
      LANG: "C.UTF-8",
      NODE_COMPILE_CACHE: this.#path("compiled"),
      HOLDFAST_STATE: this.#path("state"),
    };
    const killing = {
      NODE_OPTIONS: `--import=${join(root, "test/support/kill-at.ts")}`,
      HOLDFAST_TEST_KILL_AT: String(killAt),
    };
    const program = ["--disable-warning=ExperimentalWarning", join(root, "src/main.ts"), ...args];
    const env = killAt === undefined ? base : { ...base, ...killing };
    return runCommand(process.execPath, program, { cwd: this.#world.folder, env });
  }
}

function removedIds(text: string): readonly string[] {
  const report = text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { readonly type: string; readonly remove?: readonly { readonly id: string }[] })
    .find(({ type }) => type === "forget");
  assert.ok(report?.remove, text);
  return report.remove.map(({ id }) => id);
}

function byPath(a: readonly [string, string], b: readonly [string, string]): number {
  return a[0] < b[0] ? -1 : 1;
}
