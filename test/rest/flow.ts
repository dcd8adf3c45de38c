import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { buildCrm } from "../../demo/build-crm.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { holdfast } from "../support/holdfast.ts";
import { pageCommands } from "../support/page-commands.ts";
import { programFolder } from "../support/program.ts";
import type { RcloneServer } from "../support/rclone-server.ts";
import { remoteFlow } from "../support/remote-flow.ts";
import { resticOn } from "../support/restic.ts";
import { temporaryFolder } from "../support/temp-folder.ts";

const password = "a password";

/** Through the command line, beside restic's own client of the protocol. */
export function testFlow(rclone: RcloneServer, storageAt: (location: string) => Storage): void {
  const environment = (home: string): Readonly<Record<string, string>> => ({
    ...rclone.environment,
    PATH: `${programFolder}:/usr/bin:/bin`,
    HOME: home,
    LANG: "C",
    HOLDFAST_STATE: join(home, "state"),
  });

  test("a CRM, from its first backup to its restore, with restic as the judge", () =>
    remoteFlow({ location: rclone.location, storageAt, resticLocation: rclone.resticLocation, environment }));

  test("a server that dies in the middle of a backup and comes back: it waits, and goes on", async () => {
    using folder = temporaryFolder();
    const cwd = join(folder.path, "crm");
    buildCrm(cwd);
    const env = environment(folder.path);
    writeFileSync(join(folder.path, "password.txt"), `${password}\n`, { mode: 0o600 });
    const init = ["init", "--yes", "--repository", rclone.location("dies"), "--password-file", "../password.txt"];
    assert.equal((await holdfast(init, { cwd, env })).code, 0);
    await rclone.kill();
    const told = Promise.withResolvers<void>();
    const onError = (text: string) => void (text.includes("trying again") && told.resolve());
    const backup = holdfast(["backup"], { cwd, env, onError });
    await told.promise;
    await rclone.restart();
    const { code, stderr } = await backup;
    assert.ok(code === 0 || code === 3, stderr);
    assert.match(stderr, /ECONNREFUSED/);
    await resticOn(rclone.resticLocation("dies"), password).check();
  });

  test("the login by reference, of a repository and of its copy; traffic within limits", async () => {
    using folder = temporaryFolder();
    const cwd = join(folder.path, "crm");
    buildCrm(cwd);
    writeFileSync(join(folder.path, "password.txt"), `${password}\n`, { mode: 0o600 });
    const { RESTIC_REST_USERNAME: user = "", RESTIC_REST_PASSWORD: secret = "" } = rclone.environment;
    writeFileSync(join(folder.path, "secret.txt"), `${secret}\n`, { mode: 0o600 });
    const place = (name: string, reference: string) =>
      `location: ${rclone.location(name)}, password: "file:../password.txt", credentials: { RESTIC_REST_USERNAME: ${user}, RESTIC_REST_PASSWORD: "${reference}" }`;
    const configured = (reference: string) =>
      writeFileSync(
        join(cwd, "holdfast.yaml"),
        `crm: { name: acme, database: "sqlite:./crm.db", files: [./attachments] }
repository: { ${place("by-reference", reference)} }
copies: [{ name: second, ${place("by-reference-too", "cmd:cat ../secret.txt")} }]
limits: { upload: 200MB/s, download: 200MB/s, requests: 2, timeout: 30 }
`,
      );
    configured("file:../secret.txt");
    const { RESTIC_REST_USERNAME: _user, RESTIC_REST_PASSWORD: _password, ...env } = environment(folder.path);
    for (const command of [
      ["init", "--yes"],
      ["backup"],
      ["copy", "--create"],
      ["--repository", "second", "snapshots"],
    ]) {
      const { code, stderr } = await holdfast(command, { cwd, env });
      assert.ok(code === 0 || code === 3, `${command.join(" ")}: ${stderr}`);
    }
    configured("env:NOT_THERE");
    const refused = await holdfast(["snapshots"], { cwd, env });
    assert.equal(refused.code, 2, refused.stderr);
    configured(secret);
    const plain = await holdfast(["snapshots"], { cwd, env });
    assert.equal(plain.code, 2, plain.stderr);
    assert.ok(!`${plain.stderr}${plain.stdout}`.includes(secret));
  });

  test("bad input is one line and a hint", async () => {
    using folder = temporaryFolder();
    writeFileSync(join(folder.path, "password.txt"), `${password}\n`, { mode: 0o600 });
    for (const [location, more, code, sentence] of [
      [rclone.location("nowhere"), {}, 10, /There is no repository/],
      [rclone.location("nowhere"), { RESTIC_REST_PASSWORD: "SECRET" }, 1, /does not accept the login/],
      ["rest:http://me:SECRET@127.0.0.1:1/", {}, 2, /rest:http:\/\/…@127\.0\.0\.1:1\/ is no place .*password/],
      ["rest:http://host.invalid/path", {}, 2, /host\.invalid\/path is no place .*ENOTFOUND/],
    ] as const) {
      const env = { ...environment(folder.path), ...more };
      const args = ["--repository", location, "--password-file", "password.txt", "snapshots"];
      const answer = await holdfast(args, { cwd: folder.path, env });
      assert.match(answer.stderr, sentence);
      assert.equal(answer.code, code, answer.stderr);
      assert.ok(!answer.stderr.includes("SECRET"), answer.stderr);
      assert.ok(answer.stderr.trim().split("\n").length <= 4, answer.stderr);
    }
  });

  test("the page on REST says what works", () =>
    pageCommands({
      section: "REST",
      example: "https://backup.example.com:8000/acme",
      place: (page) => rclone.location(page).slice(5),
      environment,
    }));
}
