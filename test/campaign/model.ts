import assert from "node:assert/strict";
import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Campaign, CampaignOptions } from "../support/campaign.ts";
import { ModelCommands, record, type Side, sides } from "../support/model-commands.ts";
import { damageAndRepair } from "../support/model-damage.ts";
import { ModelLedger } from "../support/model-ledger.ts";
import { stateOf, World } from "../support/model-world.ts";
import { giveBackMemory } from "../support/repository-copy.ts";
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
    "Random backups, copies, forgets, prunes, password changes, damaged files and their repair, kills and stock restic on two repositories, against a model of what must be restorable. Four such histories, each with a quarter of the steps.",
  rounds: 2000,
  run: async ({ rounds, seed, report }) => {
    // At once: while one waits for processes and locks, this process works for another.
    const running = Array.from({ length: histories }, (_, at) =>
      history({ rounds: Math.floor((rounds + at) / histories), seed: seed + at, report }),
    );
    const facts = await Promise.all(running);
    const names = new Set(facts.flatMap((one) => [...one.keys()]));
    const sum = (name: string): number => facts.reduce((all, one) => all + (one.get(name) ?? 0), 0);
    return Object.fromEntries([...names].map((name) => [name, sum(name)]));
  },
};

const histories = 4;

/** So many steps on two repositories that begin empty; what was counted. */
export async function history(options: CampaignOptions): Promise<ReadonlyMap<string, number>> {
  using folder = temporaryFolder();
  const model = new Model(folder.path, options.seed);
  await model.begin();
  for (let step = 1; step <= options.rounds; step++) {
    try {
      await model.step(step, options);
      if (step === options.rounds) await model.checkAll();
    } catch (error) {
      const kept = process.env["HOLDFAST_MODEL_KEEP"];
      if (kept) cpSync(folder.path, kept, { recursive: true });
      const told = model.told.slice(-12).join("\n  ");
      throw new Error(`seed ${options.seed}, step ${step}: the repository is not what it must be\n  ${told}`, {
        cause: error,
      });
    }
  }
  return model.facts();
}

class Model {
  readonly #random: SeededRandom;
  readonly #world: World;
  readonly #commands: ModelCommands;
  readonly #ledger: ModelLedger;
  readonly #counts = new Map<string, number>();
  #damagedFiles = 0;
  #restored = 0;
  #extraPasswords = 0;

  constructor(folder: string, seed: number) {
    this.#random = seededRandom(seed);
    mkdirSync(join(folder, "crm"));
    this.#world = new World(join(folder, "crm"), this.#random);
    this.#commands = new ModelCommands(folder, this.#random);
    this.#ledger = new ModelLedger(this.#commands, this.#world.attachments);
  }

  get told(): readonly string[] {
    return this.#commands.told;
  }

  async begin(): Promise<void> {
    const commands = this.#commands;
    commands.configure();
    await commands.succeed("init");
    await commands.cheapen("main");
    await this.#backup();
    await commands.succeed("copy", "--create");
    await commands.cheapen("offsite");
    await this.#ledger.learn("offsite");
  }

  /** One random operation, then a look at one snapshot, and now and then at everything. */
  async step(step: number, { report, seed }: CampaignOptions): Promise<void> {
    const random = this.#random;
    // So often that a slice has one too.
    const name = step % 20 === 5 ? "damage and repair" : this.#crowded() ? "forget by rule" : this.#choose();
    this.#commands.told.push(`${step} ${name}`);
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
    if (step % 5 === 0) giveBackMemory();
    await this.#operations[name]?.();
    for (const side of sides) {
      const known = [...this.#ledger.expected[side].keys()];
      if (known.length > 0) await this.#ledger.check(side, [random.pick(known)]);
    }
    if (step % 25 === 0) await this.checkAll();
    const { main, offsite } = this.#ledger.expected;
    if (step % 25 === 0) report(`seed ${seed}, step ${step}: ${main.size} and ${offsite.size} snapshots`);
  }

  /** Every snapshot gives back what it must; restic and we find nothing wrong with either repository. */
  async checkAll(): Promise<void> {
    const commands = this.#commands;
    for (const side of sides) {
      await this.#ledger.learn(side);
      await this.#ledger.check(side);
      await this.#restoreOne(side);
      await commands.succeed("verify", "--read-data", ...commands.on(side));
      const restic = await commands.unlocked(side);
      await restic.check();
      const ids = (await restic.snapshots()).map(({ id }) => id);
      assert.deepEqual(
        ids.toSorted(),
        [...this.#ledger.expected[side].keys()].toSorted(),
        `${side}: what restic lists`,
      );
    }
  }

  /** What the ledger reads blob by blob, `restore` writes by another way: one of a side comes back whole, as people do it. */
  async #restoreOne(side: Side): Promise<void> {
    const whole = [...this.#ledger.expected[side]].filter(([, { kind, isMended }]) => kind === "ours" && !isMended);
    if (whole.length === 0) return;
    const [id, { state }] = this.#random.pick(whole);
    const target = this.#commands.path("restored");
    const options = [...this.#commands.on(side), "--target", target, "--as", "replacement", "--json"];
    const said = await this.#commands.succeed("restore", "plan", id, ...options);
    const plan = record(said, "restore-plan") as { readonly id: string };
    await this.#commands.succeed("restore", "apply", plan.id, ...this.#commands.on(side));
    const restored = stateOf(target);
    assert.deepEqual(restored.rows, state.rows, `${side}: restored rows of ${id}`);
    const sorted = [...restored.files].toSorted(([a], [b]) => (a < b ? -1 : 1));
    assert.deepEqual(
      sorted,
      [...state.files].toSorted(([a], [b]) => (a < b ? -1 : 1)),
      `${side}: files of ${id}`,
    );
    rmSync(target, { recursive: true });
    this.#restored++;
  }

  facts(): ReadonlyMap<string, number> {
    const { expected, repaired } = this.#ledger;
    return new Map([
      ...[...this.#counts].toSorted(([a], [b]) => (a < b ? -1 : 1)),
      ["damaged files", this.#damagedFiles],
      ["restored whole", this.#restored],
      ...Object.entries(repaired),
      ["snapshots at the end", expected.main.size + expected.offsite.size],
    ]);
  }

  #choose(): string {
    const weighted = Object.keys(this.#operations).flatMap((name) =>
      new Array<string>(name.startsWith("backup") && !name.includes("while") ? 3 : 1).fill(name),
    );
    return this.#random.pick(weighted);
  }

  readonly #operations: Readonly<Record<string, () => Promise<void>>> = {
    backup: () => this.#backup(),
    "backup of another kind": () => this.#backup(this.#random.pick(["full", "differential"])),
    "backup of nothing new": async () => {
      await this.#commands.succeed("backup");
      await this.#ledger.learn("main", this.#world.state());
    },
    "backup, killed": async () => {
      this.#world.change();
      await this.#crashed("main", "backup");
      const state = this.#world.state();
      if ((await this.#ledger.learn("main", state)) === "nothing new") this.#ledger.begun(state);
    },
    "restic backup": async () => {
      this.#world.change();
      await (await this.#commands.unlocked("main")).output("backup", this.#world.attachments);
      await this.#ledger.learn("main", this.#world.state());
    },
    copy: async () => {
      await this.#commands.succeed("copy");
      await this.#ledger.learn("offsite");
      this.#ledger.assertCopied();
    },
    "copy of one": async () => {
      const ids = [...this.#ledger.expected.main.keys()];
      if (ids.length === 0) return;
      await this.#commands.succeed("copy", this.#random.pick(ids));
      await this.#ledger.learn("offsite");
    },
    "copy, killed": async () => {
      await this.#crashed("offsite", "copy");
      await this.#ledger.learn("offsite");
    },
    "copy back": async () => {
      const to = ["--to", "../main", "--to-password-file", "../main.txt"];
      await this.#commands.succeed("copy", "--repository", "offsite", ...to);
      await this.#ledger.learn("main");
    },
    "restic copy": async () => {
      await this.#commands.resticCopy();
      await this.#ledger.learn("offsite");
      this.#ledger.assertCopied();
    },
    "forget by id": async () => {
      const side = this.#side();
      const ids = this.#ledger.forgettable(side);
      if (ids.length === 0) return;
      const id = this.#random.pick(ids);
      await this.#commands.succeed("forget", ...this.#commands.on(side), id);
      this.#ledger.forgotten(side, [id]);
      await this.#ledger.learn(side);
    },
    "forget by rule": async () => {
      const side = this.#crowded() ?? this.#side();
      const keep = ["--keep-last", String(2 + this.#random.below(6))];
      const text = await this.#commands.succeed("forget", ...this.#commands.on(side), ...keep, "--json");
      this.#ledger.forgotten(side, removedIds(text));
      await this.#ledger.learn(side);
    },
    "forget and prune, killed": async () => {
      const side = this.#side();
      const forget = ["forget", ...this.#commands.on(side), "--keep-last", String(2 + this.#random.below(4))];
      const may = new Set(removedIds(await this.#commands.succeed(...forget, "--dry-run", "--json")));
      await this.#crashed(side, ...forget, "--prune", "--now");
      const there = new Set((await this.#ledger.list(side)).map(({ id }) => id));
      const gone = [...may].filter((id) => !there.has(id));
      this.#ledger.forgotten(side, gone);
      await this.#ledger.learn(side);
    },
    prune: async () => {
      const side = this.#side();
      await this.#commands.succeed("prune", ...this.#commands.on(side), ...(this.#random.oneIn(2) ? ["--now"] : []));
      await this.#ledger.learn(side);
    },
    "prune, killed": async () => {
      const side = this.#side();
      await this.#crashed(side, "prune", ...this.#commands.on(side), "--now", "--max-unused", "0%");
      await this.#ledger.learn(side);
    },
    "restic forget and prune": async () => {
      const side = this.#side();
      const chosen = this.#ledger.forgettable(side).filter(() => this.#random.oneIn(3));
      const restic = await this.#commands.unlocked(side);
      await restic.output("forget", "--prune", ...(chosen.length > 0 ? chosen : ["--keep-last", "1000"]));
      this.#ledger.forgotten(side, chosen);
      await this.#ledger.learn(side);
    },
    "restic prune": async () => {
      await (await this.#commands.unlocked(this.#side())).output("prune");
    },
    "password added or removed": async () => {
      const commands = this.#commands;
      if (this.#extraPasswords > 0 && this.#random.oneIn(2)) {
        const listed = JSON.parse(await commands.succeed("key", "list", "--json")) as {
          readonly keys: readonly { readonly id: string; readonly current: boolean }[];
        };
        const other = listed.keys.find(({ current }) => !current);
        assert.ok(other, "a password is gone");
        await commands.succeed("key", "remove", other.id);
        this.#extraPasswords--;
      } else {
        const password = `extra ${this.#extraPasswords}`;
        const file = `extra-${this.#extraPasswords}.txt`;
        writeFileSync(commands.path(file), password, { mode: 0o600 });
        await commands.succeed("key", "add", "--new-password-file", `../${file}`);
        await commands.cheapen("main", password);
        await commands.succeed("snapshots", ...commands.on("main"), "--password-file", `../${file}`);
        this.#extraPasswords++;
      }
    },
    "damage and repair": async () => {
      const scene = { commands: this.#commands, ledger: this.#ledger, random: this.#random };
      this.#damagedFiles += await damageAndRepair(scene, this.#side());
    },
    "three at once": async () => {
      const state = this.#world.state();
      const before = new Set(this.#ledger.expected.main.keys());
      // Whoever was killed before has left a lock, which restic does not pass.
      const restic = await this.#commands.unlocked("main");
      const results = await Promise.all([
        this.#commands.start(["backup", "--wait", "60s"]),
        this.#commands.start(["copy", "--wait", "60s"]),
        restic.run("backup", this.#world.attachments),
      ]);
      for (const { code, stderr } of results) assert.equal(code, 0, stderr);
      await this.#ledger.learn("main", state);
      assert.equal([...this.#ledger.expected.main.keys()].filter((id) => !before.has(id)).length, 2);
      await this.#ledger.learn("offsite");
    },
    "backup while somebody prunes": async () => {
      const state = this.#world.state();
      const results = await Promise.all([
        this.#commands.start(["backup", "--wait", "60s"]),
        this.#commands.start(["prune", "--now", "--wait", "60s"]),
      ]);
      for (const { code, stderr } of results) assert.equal(code, 0, stderr);
      await this.#ledger.learn("main", state);
    },
  };

  /** Where there is so much by now that looking through it all would take longer than all else. */
  #crowded(): Side | undefined {
    return sides.find((side) => this.#ledger.expected[side].size > 40);
  }

  #side(): Side {
    return this.#random.oneIn(2) ? "offsite" : "main";
  }

  async #backup(kind?: string): Promise<void> {
    this.#world.change();
    await this.#commands.succeed("backup", ...(kind === undefined ? [] : [kind]));
    await this.#ledger.learn("main", this.#world.state());
  }

  /** Killed at some moment; whatever it leaves on that side is nothing that restic complains of. */
  async #crashed(side: Side, ...args: readonly string[]): Promise<void> {
    await this.#commands.killed(...args);
    // It would wait for the lock of the dead, which is nothing that a look needs.
    await this.#commands.restic(side).check("--no-lock");
  }
}

function removedIds(text: string): readonly string[] {
  const { remove } = record(text, "forget") as { readonly remove: readonly { readonly id: string }[] };
  return remove.map(({ id }) => id);
}
