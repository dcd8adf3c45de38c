import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { cliCrm, listIn } from "../cli/cli-crm.ts";
import type { Campaign } from "../support/campaign.ts";
import { resticOn } from "../support/restic.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { configureService, settledJobs, startServing } from "../support/serving.ts";
import { password } from "../cli/cli-crm.ts";

/**
 * The service is killed at a random moment while it backs up and restores, again and again; the next one finds everything
 * as it was left. A round is two kills and an end in peace.
 */
export const campaign: Campaign = {
  name: "serve-kill",
  about:
    "kill -9 of serve at random moments while it backs up and restores: afterwards no job is stuck, no restore was done twice, and restic finds the repository sound.",
  rounds: 20,
  run: async ({ rounds, seed, report }) => {
    const random = seededRandom(seed);
    const counts = { kills: 0, jobs: 0, "cut off and done again": 0, "restores cut off": 0, "restores done": 0 };
    for (let round = 0; round < rounds; round++) {
      using crm = cliCrm();
      await crm.run(["init", "--yes"]);
      assert.equal((await crm.run(["backup"])).code, 0);
      rmSync(join(crm.folder, "attachments/notes.txt"));
      const port = await configureService(crm);
      const planned = await crm.json(["restore", "plan", "latest", "/files/attachments"]);
      const plan = planned.records.find(({ type }) => type === "plan" || type === "restore-plan");
      assert.ok(typeof plan?.["id"] === "string", planned.stdout + planned.stderr);
      await crm.run(["jobs", "start", "backup"]);
      const confirm = typeof plan["confirm"] === "string" ? ["--confirm", plan["confirm"]] : [];
      const started = await crm.run(["jobs", "start", "restore", "--plan", plan["id"], ...confirm]);
      assert.equal(started.code, 0, started.stderr);
      for (let kill = 0; kill < 2; kill++) {
        const serving = await startServing(crm, port);
        // More often early, while something is under way.
        await sleep(random.below(1 + random.below(4000)));
        await serving.end("SIGKILL");
        counts.kills++;
      }
      const serving = await startServing(crm, port);
      const jobs = await settledJobs(crm);
      await sleep(3000);
      assert.equal(await serving.end("SIGTERM"), 0);
      for (const { job, outcome, attempts, error } of jobs) {
        counts.jobs++;
        if (job === "backup") assert.equal(outcome, "ok", JSON.stringify(error));
        if (job === "backup" && Number(attempts) > 1) counts["cut off and done again"]++;
        if (job !== "restore") continue;
        assert.equal(attempts, 1, "a restore was begun twice");
        if (outcome === "ok") counts["restores done"]++;
        else {
          assert.equal((error as { code: string }).code, "interrupted");
          counts["restores cut off"]++;
        }
      }
      // Reports: each run once, whatever was killed in between.
      const status = await crm.json(["status"]);
      assert.deepEqual(listIn(status, "running"), []);
      await resticOn(join(crm.folder, "backups"), password).output("check");
      report(`${round + 1} of ${rounds}: ${JSON.stringify(counts)}`);
    }
    return { ...counts };
  },
};
