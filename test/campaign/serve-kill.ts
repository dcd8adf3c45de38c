import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { cliCrm, listIn } from "../cli/cli-crm.ts";
import type { Campaign } from "../support/campaign.ts";
import { resticOn } from "../support/restic.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { configureService, settledJobs, startServing } from "../support/serving.ts";
import { password } from "../cli/cli-crm.ts";

/** Operations around the swap of a restore: before it, in it, and after it. */
const swapMoments = ["syncfs 1", "renameat2 1", "syncfs 2"];
/** So long a kill waits for a swap that may be over, or not come. */
const swapWaitMs = 15_000;

/**
 * The service is killed at a random moment while it backs up and restores, again and again, or as its restore is swapped in; the next one
 * finds everything as it was left. A round is two kills and an end in peace.
 */
export const campaign: Campaign = {
  name: "serve-kill",
  about:
    "kill -9 of serve at random moments while it backs up and restores, and as a restore is swapped in: afterwards no job is stuck, every backup is made, a restore that was swapping is finished and no other is done twice, and restic finds the repository sound.",
  rounds: 20,
  run: async ({ rounds, seed, report }) => {
    const random = seededRandom(seed);
    const restores = { "restores cut off": 0, "restores finished": 0, "restores done": 0 };
    const counts = { kills: 0, "kills as it swapped": 0, jobs: 0, "cut off and done again": 0, ...restores };
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
        const moment = random.below(2) === 0 ? swapMoments[random.below(swapMoments.length)] : undefined;
        const serving = await startServing(crm, port, moment);
        // More often early, while something is under way.
        const waitMs = moment === undefined ? random.below(1 + random.below(4000)) : swapWaitMs;
        const { signalCode } = serving.child;
        if (signalCode === null) await Promise.race([once(serving.child, "close"), sleep(waitMs)]);
        if (serving.child.signalCode !== null) counts["kills as it swapped"]++;
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
        if (outcome === "ok") {
          assert.ok(existsSync(join(crm.folder, "attachments/notes.txt")), "a restore was not done");
          counts[attempts === 1 ? "restores done" : "restores finished"]++;
        } else {
          assert.equal((error as { code: string }).code, "interrupted");
          assert.equal(attempts, 1, "a restore was begun twice");
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
