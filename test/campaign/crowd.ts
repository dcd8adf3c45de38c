import assert from "node:assert/strict";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as pause } from "node:timers/promises";
import type { PruneReport } from "../../src/engine/prune.ts";
import type { Campaign } from "../support/campaign.ts";
import { cheapenKey } from "../support/cheap-key.ts";
import { compareDatabases } from "../support/compare-databases.ts";
import { compareTrees } from "../support/compare-trees.ts";
import { holdfast } from "../support/holdfast.ts";
import { noise } from "../support/noise.ts";
import { resticOn } from "../support/restic.ts";
import type { CommandResult } from "../support/run-command.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

/**
 * Two programs of ours and one of restic's at once on one repository: backups, forgetting with pruning, and restic's
 * backup, forget and prune, each as often as it gets its lock. A round is one backup of ours.
 */
export const campaign: Campaign = {
  name: "crowd",
  about:
    "Two Holdfasts (one backs up, one forgets and prunes, now at once, now in two phases) and a restic (backup, forget, prune) at the same time on one repository: restic check --read-data is clean, and the newest backup of each restores as it was, after each 20 backups.",
  rounds: 200,
  run: async ({ rounds, seed, report }) => {
    using folder = temporaryFolder();
    const crowd = new Crowd(folder.path, seed);
    await crowd.begin();
    const facts = { ...nothing, judgements: 0 };
    while (facts.backups < rounds) {
      await crowd.run(Math.min(roundsAtOnce, rounds - facts.backups), facts);
      await crowd.prove();
      facts.judgements++;
      report(JSON.stringify(facts));
    }
    // Who never met another, or never took anything away, has proved nothing.
    if (rounds >= roundsAtOnce) for (const [what, count] of Object.entries(facts)) assert.ok(count > 0, `no ${what}`);
    return facts;
  },
};

const password = "crowd";
/** As a sentence, and with `--json`. */
const saysWaiting = /Waiting for another run|waiting-for-lock/;
/** Then the crowd rests, and all is looked at. */
const roundsAtOnce = 20;

const nothing = {
  backups: 0,
  "backups that waited": 0,
  prunes: 0,
  "prunes that waited": 0,
  "packs marked": 0,
  "packs deleted": 0,
  "restic commands": 0,
  "restic locked out": 0,
};
type Counts = { -readonly [what in keyof typeof nothing]: number };

class Crowd {
  readonly #root: string;
  readonly #random: ReturnType<typeof seededRandom>;
  #changes = 0;

  constructor(root: string, seed: number) {
    this.#root = root;
    this.#random = seededRandom(seed);
  }

  async begin(): Promise<void> {
    mkdirSync(this.#path("crm/attachments"), { recursive: true });
    mkdirSync(this.#path("other"));
    writeFileSync(this.#path("password.txt"), password, { mode: 0o600 });
    writeFileSync(
      this.#path("crm/holdfast.yaml"),
      "crm: { name: acme, database: 'sqlite:./crm.db', files: [./attachments] }\n" +
        "repository: { location: ../backups, password: 'file:../password.txt' }\n",
    );
    using connection = new DatabaseSync(this.#path("crm/crm.db"));
    connection.exec("CREATE TABLE contact (id INTEGER PRIMARY KEY, name TEXT)");
    await this.#succeed("init");
    // Who works on the repository is what is tried, and not how long a password takes.
    await cheapenKey(this.#path("backups"), password);
    await this.#succeed("backup");
  }

  async run(rounds: number, counts: Counts): Promise<void> {
    const done = new AbortController();
    const backups = async (): Promise<void> => {
      for (let round = 1; round <= rounds; round++) {
        this.#change(++this.#changes);
        const { stderr } = await this.#succeed("backup", "--wait", "2m");
        counts.backups++;
        if (saysWaiting.test(stderr)) counts["backups that waited"]++;
      }
      done.abort();
    };
    const prunes = async (): Promise<void> => {
      while (!done.signal.aborted) {
        const when = this.#random.oneIn(2) ? ["--now"] : ["--delete-after", "1s"];
        const options = ["--keep-last", "2", "--prune", ...when, "--max-unused", "0", "--wait", "2m", "--json"];
        const { stdout } = await this.#succeed("forget", ...options);
        const { result } = JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as PruneReport;
        counts.prunes++;
        if (saysWaiting.test(stdout)) counts["prunes that waited"]++;
        counts["packs marked"] += result?.markedPacks ?? 0;
        counts["packs deleted"] += result?.deletedPacks ?? 0;
      }
    };
    const restics = async (): Promise<void> => {
      const restic = resticOn(this.#path("backups"), password);
      const group = ["--path", this.#path("other")];
      const commands = [
        ["backup", this.#path("other")],
        ["forget", ...group, "--keep-last", "1"],
        ["prune", "--max-unused", "0"],
      ];
      for (let turn = 0; !done.signal.aborted; turn++) {
        writeFileSync(this.#path(`other/file${turn % 3}`), noise(`restic ${counts.backups} ${turn}`, 50_000));
        const command = commands[turn % commands.length] ?? [];
        const { code, stderr } = await restic.run(...command);
        if (code === 0) counts["restic commands"]++;
        else {
          // It does not wait for a lock, and says so.
          assert.match(stderr, /already locked|unable to create lock/, `restic ${command.join(" ")}: ${stderr}`);
          counts["restic locked out"]++;
        }
        // One that never rests keeps whoever needs the repository alone out of it for ever.
        await pause(this.#random.below(600));
      }
    };
    await Promise.all([backups(), prunes(), restics()]);
  }

  async prove(): Promise<void> {
    const proof = this.#path("proof");
    const restic = resticOn(this.#path("backups"), password);
    await restic.output("backup", this.#path("other"));
    await this.#succeed("backup");
    await restic.check();
    await this.#succeed("verify", "--read-data");
    for (const { id, paths } of await restic.snapshots()) {
      await restic.restore(id, join(proof, id.slice(0, 8)));
      assert.ok(paths.length === 1);
    }
    const newest = (await restic.snapshots()).findLast(({ paths }) => paths[0] === this.#path("other"));
    const restored = join(proof, (newest?.id ?? "").slice(0, 8), this.#path("other"));
    assert.deepEqual(compareTrees(restored, this.#path("other"), ["root"]), []);
    const target = join(proof, "crm");
    const { stdout } = await this.#succeed("restore", "plan", "--target", target, "--as", "replacement");
    await this.#succeed("restore", "apply", /restore apply (\S+)/.exec(stdout)?.[1] ?? "");
    assert.deepEqual(compareDatabases(this.#path("crm/crm.db"), join(target, "crm.db")), []);
    const files = [join(target, "attachments"), this.#path("crm/attachments")] as const;
    assert.deepEqual(compareTrees(...files, ["root", "folder-times"]), []);
    rmSync(proof, { recursive: true });
  }

  #change(round: number): void {
    using connection = new DatabaseSync(this.#path("crm/crm.db"));
    connection.exec(`INSERT INTO contact (name) VALUES ('round ${round}')`);
    writeFileSync(this.#path(`crm/attachments/file${round % 4}`), noise(`round ${round}`, 30_000 * (1 + (round % 60))));
  }

  async #succeed(...args: readonly string[]): Promise<CommandResult> {
    const env = { ...process.env, HOLDFAST_STATE: this.#path("state"), LANG: "C.UTF-8" };
    const result = await holdfast(args, { cwd: this.#path("crm"), env });
    const { code, stdout, stderr } = result;
    assert.ok(code === 0 || code === 3, `holdfast ${args.join(" ")}: ${code} ${stdout} ${stderr}`);
    return result;
  }

  #path(...inside: readonly string[]): string {
    return join(this.#root, ...inside);
  }
}
