import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { chmodSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { localStorage } from "../../src/storage/local.ts";
import { tapeDrive } from "../../src/volumes/tape-drive.ts";
import { cliCrm, configText, type CliCrm, password } from "../cli/cli-crm.ts";
import { assertSameTrees } from "../support/compare-trees.ts";
import { resticOn } from "../support/restic.ts";
import { commandOutput } from "../support/run-command.ts";
import { seededRandom } from "../support/seeded-random.ts";

/** Volumes in folders and on tapes through the command line, with Debian's tar and restic as the judges. */
function crmWithFiles(): CliCrm & { readonly ok: (...args: string[]) => Promise<Readonly<Record<string, unknown>>> } {
  const crm = cliCrm();
  const random = seededRandom(7);
  for (let file = 0; file < 5; file++) {
    const bytes = Buffer.alloc(300_000);
    for (let at = 0; at < bytes.length; at += 4) bytes.writeUInt32LE(random.below(2 ** 32), at);
    writeFileSync(join(crm.folder, `attachments/scan-${file}.bin`), bytes);
  }
  const ok = async (...args: string[]) => {
    const { code, records, stderr } = await crm.json(args);
    assert.equal(code, 0, `${args.join(" ")}: ${stderr}`);
    return records.at(-1) ?? {};
  };
  return { ...crm, ok };
}

async function snapshotsOf(folder: string): Promise<readonly string[]> {
  return (await resticOn(folder, password).snapshots()).map(({ id }) => id).toSorted();
}

function unpack(folder: string, volumes: string, set: string): Promise<string> {
  const files = readdirSync(volumes)
    .filter((name) => name.startsWith(`${set}-0`))
    .toSorted();
  const many = files.length > 1 ? ["-M"] : [];
  mkdirSync(folder, { recursive: true });
  return commandOutput("tar", ["-x", ...many, ...files.flatMap((name) => ["-f", join(volumes, name)])], {
    cwd: folder,
  });
}

test("sets of volumes unpack by tar alone to a repository, and each further one adds its own snapshots", async () => {
  using crm = crmWithFiles();
  await crm.ok("init", "--yes");
  const first = (await crm.ok("backup"))["snapshot"];
  const volumes = join(crm.folder, "../volumes");
  const full = await crm.ok("export", "--to", volumes, "--volume-size", "1MB", "--name", "acme-full");
  assert.ok(Number(full["volumes"]) >= 2, "a file that goes on on the next volume");
  assert.deepEqual(full["snapshots"], [first]);
  writeFileSync(join(crm.folder, "attachments/late.txt"), "late\n");
  const second = (await crm.ok("backup"))["snapshot"];
  const incremental = await crm.ok("export", "--to", volumes, "--name", "acme-inc");
  assert.deepEqual([incremental["kind"], incremental["base"]], ["incremental", "acme-full"]);
  assert.deepEqual(incremental["snapshots"], [second]);
  writeFileSync(join(crm.folder, "attachments/later.txt"), "later\n");
  const third = (await crm.ok("backup"))["snapshot"];
  const differential = await crm.ok("export", "differential", "--to", volumes, "--name", "acme-diff");
  assert.equal(differential["base"], "acme-full");
  assert.deepEqual(differential["snapshots"], [second, third]);
  assert.ok(Number(differential["bytes"]) < Number(full["bytes"]) / 10);
  const nothing = await crm.run(["export", "--to", volumes]);
  assert.equal(nothing.code, 4, nothing.stderr);

  const label = await commandOutput("tar", [
    "-xOf",
    join(volumes, "acme-full-0001.tar"),
    "volumes/acme-full-0001/LABEL.txt",
  ]).catch(
    // The first of several volumes ends within a file, which tar tells.
    (error: unknown) => String(error),
  );
  assert.match(label, /Holdfast volume 1 of the set acme-full/);

  const place = join(crm.folder, "../unpacked");
  await unpack(place, volumes, "acme-full");
  await resticOn(place, password).check();
  assert.deepEqual(await snapshotsOf(place), [first]);
  await unpack(place, volumes, "acme-diff");
  await resticOn(place, password).check();
  assert.deepEqual(await snapshotsOf(place), [first, second, third].map(String).toSorted());
  const other = join(crm.folder, "../other");
  await unpack(other, volumes, "acme-full");
  await unpack(other, volumes, "acme-inc");
  await resticOn(other, password).check();
  assert.deepEqual(await snapshotsOf(other), [first, second].map(String).toSorted());

  // Imported, into an empty place and again; what is there already is not written twice.
  const into = join(crm.folder, "../imported");
  const imported = await crm.ok("import", volumes, "--into", into);
  assert.deepEqual(imported["sets"], ["acme-full", "acme-inc", "acme-diff"]);
  await resticOn(into, password).check();
  assert.deepEqual(await snapshotsOf(into), [first, second, third].map(String).toSorted());
  assert.equal((await crm.ok("import", volumes, "--into", into, "--set", "acme-inc"))["files"], 0);

  // A pack that got lost comes back from the one volume that has it.
  const { signal } = new AbortController();
  const packs = await Array.fromAsync(localStorage(into).list("data", signal));
  const largest = packs.toSorted((a, b) => b.size - a.size)[0]?.name ?? "";
  const path = `data/${largest.slice(0, 2)}/${largest}`;
  const before = readFileSync(join(into, path));
  chmodSync(join(into, path), 0o600);
  writeFileSync(join(into, path), Buffer.alloc(before.length));
  const one = await crm.ok("import", volumes, "--into", into, "--only", path);
  assert.equal(one["files"], 1);
  assert.deepEqual(readFileSync(join(into, path)), before);

  // One file of the CRM, from the volumes as they lie there.
  const target = join(crm.folder, "../restored");
  const from = ["--repository", `volumes:${volumes}`, "--password-file", "password.txt"];
  const plan = await crm.ok("restore", "plan", "latest", "/files/attachments", "--target", target, ...from);
  await crm.ok("restore", "apply", String(plan["id"]), "--password-file", "password.txt");
  assertSameTrees(join(target, "attachments"), join(crm.folder, "attachments"), ["root"]);

  // Another machine, which remembers nothing, learns from the volumes what they hold.
  rmSync(join(crm.folder, "../home/state/exports"), { recursive: true });
  writeFileSync(join(crm.folder, "attachments/last.txt"), "last\n");
  const fourth = (await crm.ok("backup"))["snapshot"];
  const lost = await crm.run(["export", "incremental", "--to", volumes]);
  assert.equal(lost.code, 2, lost.stderr);
  const learnt = await crm.ok("export", "incremental", "--to", volumes, "--base", volumes);
  assert.deepEqual(learnt["snapshots"], [fourth]);
});

test("volumes of two repositories in one folder are not mixed: that is said, and one of them can be imported", async () => {
  using crm = crmWithFiles();
  await crm.ok("init", "--yes");
  await crm.ok("backup");
  const volumes = join(crm.folder, "../volumes");
  await crm.ok("export", "--to", volumes, "--name", "acme-full");
  using other = crmWithFiles();
  await other.ok("init", "--yes");
  await other.ok("backup");
  await other.ok("export", "--to", volumes, "--name", "other-full");
  const from = ["--repository", `volumes:${volumes}`, "--password-file", "password.txt"];
  const mixed = await crm.run(["snapshots", ...from]);
  assert.equal(mixed.code, 2, mixed.stderr);
  assert.match(mixed.stderr, /acme-full \([0-9a-f]{8}\); other-full \([0-9a-f]{8}\)/);
  assert.match(mixed.stderr, /holdfast import .* --set NAME/);
  const into = join(crm.folder, "../imported");
  await crm.ok("import", volumes, "--set", "acme-full", "--into", into);
  await resticOn(into, password).check();
});

test("a set of which the last volume is not there is no ground for another one", async () => {
  using crm = crmWithFiles();
  await crm.ok("init", "--yes");
  await crm.ok("backup");
  const volumes = join(crm.folder, "../volumes");
  const full = await crm.ok("export", "--to", volumes, "--volume-size", "1MB", "--name", "acme-full");
  assert.equal(full["volumes"], 2);
  const last = join(volumes, "acme-full-0002.tar");
  const bytes = readFileSync(last);
  rmSync(last);
  rmSync(join(crm.folder, "../home/state/exports"), { recursive: true });
  writeFileSync(join(crm.folder, "attachments/late.txt"), "late\n");
  await crm.ok("backup");
  const learn = ["--to", volumes, "--base", volumes, "--name", "acme-next"];
  const refused = await crm.run(["export", "incremental", ...learn]);
  assert.equal(refused.code, 2, refused.stderr);
  assert.match(refused.stderr, /full/);
  // With the volume that was missing it is one.
  writeFileSync(last, bytes);
  assert.equal((await crm.ok("export", "incremental", ...learn))["base"], "acme-full");
});

test("a pack that the repository has lost is told of, since no volume holds it", async () => {
  using crm = crmWithFiles();
  await crm.ok("init", "--yes");
  await crm.ok("backup");
  const backups = join(crm.folder, "backups");
  const packs = await Array.fromAsync(localStorage(backups).list("data", AbortSignal.timeout(5000)));
  const [largest] = packs.toSorted((a, b) => b.size - a.size);
  rmSync(join(backups, `data/${largest?.name.slice(0, 2)}/${largest?.name}`));
  const { code, stdout, records } = await crm.json(["export", "--to", join(crm.folder, "../volumes")]);
  assert.equal(code, 3, stdout);
  assert.deepEqual(records.at(-1)?.["warnings"], [{ code: "packs-lost", subject: "1" }]);
});

test("what is wrong is said in one line, and nothing is written over", async () => {
  using crm = crmWithFiles();
  await crm.ok("init", "--yes");
  await crm.ok("backup");
  const volumes = join(crm.folder, "../volumes");
  const small = await crm.run(["export", "--to", volumes, "--volume-size", "64kB"]);
  assert.match(small.stderr, /too small/);
  const again = await crm.run(["export", "--to", volumes]);
  assert.equal(again.code, 2);
  assert.match(again.stderr, /was begun and is not complete/);
  assert.match((await crm.run(["import", volumes, "--into", "../x"])).stderr, /-0002 is needed/);
  assert.equal((await crm.run(["import", crm.folder, "--into", "../x"])).code, 4);
  await crm.ok("export", "full", "--discard", "--to", volumes, "--name", "set");
  const file = join(volumes, "set-0001.tar");
  const bytes = readFileSync(file);
  bytes[700_000] = (bytes[700_000] ?? 0) ^ 1;
  writeFileSync(file, bytes);
  const damaged = await crm.run(["import", volumes, "--into", "../x", "--set", "set"]);
  assert.equal(damaged.code, 1);
  assert.match(damaged.stderr, /damaged/);
  assert.deepEqual(
    await Array.fromAsync(localStorage(join(crm.folder, "../x")).list("snapshot", AbortSignal.timeout(5000))),
    [],
  );
  // A repository that is another one, also where the set holds no more than what is new.
  writeFileSync(crm.config, configText.replace("./backups", "./others"));
  await crm.ok("init", "--yes");
  const other = await crm.run(["import", volumes, "--set", "set"]);
  assert.equal(other.code, 2, other.stderr);
  assert.match(other.stderr, /Another repository/);
  const elsewhere = join(crm.folder, "../elsewhere");
  await crm.ok("backup");
  await crm.ok("export", "full", "--to", elsewhere, "--name", "others-full");
  writeFileSync(join(crm.folder, "attachments/late.txt"), "late\n");
  await crm.ok("backup");
  await crm.ok("export", "--to", volumes, "--name", "others-late");
  writeFileSync(crm.config, configText);
  for (const args of [[], ["--set", "others-late"]]) {
    const mixed = await crm.run(["import", volumes, ...args]);
    assert.equal(mixed.code, args.length === 0 ? 1 : 2, mixed.stderr);
  }
  await crm.ok("verify");
  for (const args of [
    ["export"],
    ["export", "--to", "x", "--volume-size", "much"],
    ["export", "--to", "x", "--changer", "/dev/sg3", "--slots", "1-2"],
    ["export", "--to", "tape:/dev/nst0", "--changer", "/dev/sg3", "--slots", "8-1"],
    ["export", "full", "--to", "x", "--resume"],
  ]) {
    assert.equal((await crm.run(args)).code, 2, args.join(" "));
  }
});

test("an export that was cut off when a volume was done and not noted goes on, and writes over no other one", async () => {
  using crm = crmWithFiles();
  await crm.ok("init", "--yes");
  const snapshot = (await crm.ok("backup"))["snapshot"];
  const volumes = join(crm.folder, "../volumes");
  await crm.ok("export", "--to", volumes, "--name", "acme");
  const above = join(crm.folder, "..");
  const files = readdirSync(above, { recursive: true, encoding: "utf8" });
  const note = join(above, files.find((path) => path.endsWith("/acme.json")) ?? "");
  const { catalogue } = JSON.parse(readFileSync(note, "utf8")) as { catalogue: { volumes: readonly object[] } };
  // As it was before the only volume was noted.
  const cutOff = { catalogue: { ...catalogue, volumes: [] }, next: catalogue.volumes[0] };
  writeFileSync(note, JSON.stringify(cutOff));
  assert.equal((await crm.ok("export", "--resume", "--to", volumes))["written"], 1);
  const into = join(crm.folder, "../imported");
  await crm.ok("import", volumes, "--into", into);
  await resticOn(into, password).check();
  assert.deepEqual(await snapshotsOf(into), [snapshot]);
  // A set that is called alike and is another one.
  writeFileSync(
    note,
    JSON.stringify({ ...cutOff, catalogue: { ...cutOff.catalogue, created: "2026-01-02T03:04:05Z" } }),
  );
  const before = readFileSync(join(volumes, "acme-0001.tar"));
  const refused = await crm.run(["export", "--resume", "--to", volumes]);
  assert.match(refused.stderr, /already there: .*acme-0001\.tar/);
  assert.deepEqual(readFileSync(join(volumes, "acme-0001.tar")), before);
});

/** How this process has a file open. */
function accessOf(path: string): readonly string[] {
  const open = readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === path;
    } catch {
      return false;
    }
  });
  return open.map((fd) => {
    const [, flags = ""] = /flags:\s*(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8")) ?? [];
    return /[0-7]*[04]$/.test(flags) ? "read" : "write";
  });
}

/** `mt` and `mtx` as scripts over plain files: what is asked of them is what a drive would be asked. */
test("a tape drive with a changer is moved by mt and mtx", async () => {
  using crm = crmWithFiles();
  await crm.ok("init", "--yes");
  await crm.ok("backup");
  const place = join(crm.folder, "..");
  const [tape, log, bin] = [join(place, "tape"), join(place, "log"), join(place, "bin")];
  // Which slot the tape in the drive is of.
  const inside = join(place, "inside");
  mkdirSync(bin);
  writeFileSync(tape, "");
  for (const slot of [1, 2, 3]) writeFileSync(join(place, `slot-${slot}`), "");
  const script = (name: string, body: string) =>
    writeFileSync(join(bin, name), `#!/bin/sh\necho "${name} $*" >> ${log}\n${body}\n`, { mode: 0o755 });
  script("mt", "");
  script(
    "mtx",
    `case "$3" in
      status)
        echo "  Storage Changer $2:1 Drives, 3 Slots ( 0 Import/Export )"
        if [ -e ${inside} ]; then echo "Data Transfer Element 0:Full (Storage Element $(cat ${inside}) Loaded):VolumeTag = T$(cat ${inside})L6"
        else echo "Data Transfer Element 0:Empty"; fi;;
      load) [ ! -e ${inside} ] || { echo "Drive 0 Full (Storage Element $(cat ${inside}) loaded)" >&2; exit 1; }
        cp "${place}/slot-$4" "${tape}"; echo "$4" > ${inside};;
      unload) [ "$(cat ${inside})" = "$4" ] || exit 1
        cp "${tape}" "${place}/slot-$4"; : > "${tape}"; rm ${inside};;
    esac`,
  );
  const environment = { PATH: `${bin}:${process.env["PATH"] ?? ""}` };
  const changer = ["--changer", "/dev/sg9", "--slots", "1-3"];
  const unload = () => commandOutput(join(bin, "mtx"), ["-f", "x", "unload", readFileSync(inside, "utf8").trim(), "0"]);
  const run = async (...args: string[]) => {
    const { code, stderr } = await crm.run(args, { environment });
    return { code, stderr };
  };
  const done = { code: 0, stderr: "" };
  assert.deepEqual(await run("export", "full", "--to", `tape:${tape}`, "--name", "acme", ...changer), done);
  writeFileSync(join(crm.folder, "attachments/late.txt"), "late\n");
  await crm.ok("backup");
  // By hand: the tape that is in is not written over.
  const refused = await run("export", "--to", `tape:${tape}`, "--name", "acme-inc");
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /Volume acme-inc-0001 is needed/);
  // The tape that the run before left in the drive goes back into its slot; the changer finds an empty one.
  assert.deepEqual(await run("export", "--resume", "--to", `tape:${tape}`, ...changer), done);
  const into = join(place, "imported");
  assert.deepEqual(await run("import", `tape:${tape}`, "--into", into, ...changer), done);
  await resticOn(into, password).check();
  assert.equal((await snapshotsOf(into)).length, 2);
  const asked = readFileSync(log, "utf8");
  assert.match(asked, new RegExp(`mt -f ${tape} rewind`));
  assert.match(asked, new RegExp(`mt -f ${tape} weof 1`));
  assert.match(asked, /mtx -f \/dev\/sg9 load 2 0/);
  // What holds something else, or a volume that is damaged, is not written over either.
  await unload();
  writeFileSync(join(place, "slot-1"), await commandOutput("tar", ["-cf", "-", "holdfast.yaml"], { cwd: crm.folder }));
  const damaged = readFileSync(join(place, "slot-2"));
  damaged[0] = 0;
  writeFileSync(join(place, "slot-2"), damaged);
  const others = () => [1, 2].map((slot) => hash("sha256", readFileSync(join(place, `slot-${slot}`))));
  const before = others();
  assert.deepEqual(await run("export", "full", "--to", `tape:${tape}`, "--name", "more", ...changer), done);
  assert.equal(/load (\d) 0\n(?!.*load)/s.exec(readFileSync(log, "utf8"))?.[1], "3", "the one that is empty");
  await unload();
  assert.deepEqual(others(), before);
  assert.match(readFileSync(join(place, "slot-3"), "latin1"), /^more-0001/);
  // One that is protected against writing can be read.
  writeFileSync(tape, readFileSync(join(place, "slot-3")));
  await using drive = tapeDrive({ device: tape, environment: { PATH: environment.PATH } });
  assert.ok(await drive.load({ set: "more", number: 1 }, "read", AbortSignal.timeout(5000)));
  await drive.read(AbortSignal.timeout(5000));
  assert.deepEqual(accessOf(tape), ["read"]);
  // Without a changer the one that was filled is not taken for the next volume, and what is put in for it is.
  const [first, second] = [1, 2].map((number) => ({ set: "by-hand", number }));
  assert.ok(first && second);
  writeFileSync(tape, "");
  assert.ok(await drive.load(first, "write", AbortSignal.timeout(5000)));
  writeFileSync(tape, readFileSync(join(place, "slot-3")));
  assert.equal(await drive.load(second, "write", AbortSignal.timeout(5000)), false);
  writeFileSync(tape, "");
  assert.ok(await drive.load(second, "write", AbortSignal.timeout(5000)));
  // Without these programs the message names the package.
  const none = await crm.run(["import", `tape:${tape}`, "--into", into], { environment: { PATH: "/nowhere" } });
  assert.match(none.stderr, /apt-get install mt-st/);
});
