import assert from "node:assert/strict";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as pause } from "node:timers/promises";
import type { Campaign } from "../support/campaign.ts";
import { cheapenKey } from "../support/cheap-key.ts";
import { compareDatabases } from "../support/compare-databases.ts";
import { compareTrees } from "../support/compare-trees.ts";
import { holdfast } from "../support/holdfast.ts";
import { resticOn } from "../support/restic.ts";
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
    const facts = { backups: 0, prunes: 0, "restic commands": 0, "restic locked out": 0, judgements: 0 };
    while (facts.backups < rounds) {
      await crowd.run(Math.min(roundsAtOnce, rounds - facts.backups), facts);
      await crowd.prove();
      facts.judgements++;
      report(JSON.stringify(facts));
    }
    return facts;
  },
};

const password = "crowd";
/** Then the crowd rests, and all is looked at. */
const roundsAtOnce = 20;

interface Counts {
  backups: number;
  prunes: number;
  "restic commands": number;
  "restic locked out": number;
}

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
        await this.#succeed("backup", "--wait", "2m");
        counts.backups++;
      }
      done.abort();
    };
    const prunes = async (): Promise<void> => {
      while (!done.signal.aborted) {
        const when = this.#random.oneIn(2) ? ["--now"] : ["--delete-after", "1s"];
        await this.#succeed("forget", "--keep-last", "2", "--prune", ...when, "--max-unused", "0", "--wait", "2m");
        counts.prunes++;
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
        writeFileSync(this.#path(`other/file${turn % 3}`), Buffer.alloc(50_000, `restic ${counts.backups} ${turn}`));
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
    const said = await this.#succeed("restore", "plan", "--target", target, "--as", "replacement");
    await this.#succeed("restore", "apply", /restore apply (\S+)/.exec(said)?.[1] ?? "");
    assert.deepEqual(compareDatabases(this.#path("crm/crm.db"), join(target, "crm.db")), []);
    rmSync(proof, { recursive: true });
  }

  #change(round: number): void {
    using connection = new DatabaseSync(this.#path("crm/crm.db"));
    connection.exec(`INSERT INTO contact (name) VALUES ('round ${round}')`);
    writeFileSync(this.#path(`crm/attachments/file${round % 4}`), Buffer.alloc(30_000, `round ${round}`));
  }

  async #succeed(...args: readonly string[]): Promise<string> {
    const env = { ...process.env, HOLDFAST_STATE: this.#path("state"), LANG: "C.UTF-8" };
    const { code, stdout, stderr } = await holdfast(args, { cwd: this.#path("crm"), env });
    assert.ok(code === 0 || code === 3, `holdfast ${args.join(" ")}: ${code} ${stdout} ${stderr}`);
    return stdout;
  }

  #path(...inside: readonly string[]): string {
    return join(this.#root, ...inside);
  }
}
