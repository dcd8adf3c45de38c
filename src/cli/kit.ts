import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { isPath } from "../config/location.ts";
import type { Kit } from "../engine/kit.ts";
import { HoldfastError } from "../lib/errors.ts";
import { shellCommand } from "../lib/shell-command.ts";
import { hasSystemCode } from "../lib/system-code.ts";
import { padEnd, displayWidth } from "../words/width.ts";
import { type Command, textOption } from "./command.ts";
import type { Context } from "./context.ts";
import { exitCodes } from "./exit-codes.ts";

export const kitCommand: Command = {
  name: "kit",
  answers: "question",
  options: [{ flags: "--output <file>" }, { flags: "--check <checksum>" }],
  async run(context, invocation) {
    const { output, words, format, door } = context;
    const { crm } = context.globals;
    const repository = await context.access();
    const checksum = textOption(invocation, "check");
    if (checksum !== undefined) {
      await door.useKit({ repository }, checksum, context.run);
      output.record({ type: "kit-used" });
      output.line(words.kit.used);
      return exitCodes.done;
    }
    const configured = await configuredFor(context, repository.location);
    const kit = await door.kit({ repository, configured, ...(crm !== undefined && { crm }) }, context.run);
    const file = textOption(invocation, "output");
    if (file === undefined) {
      output.record(kit);
      output.lines(kitLines(context, kit));
    } else {
      const path = resolve(context.surroundings.folder, file);
      await saveKit(path, kitLines(context, kit));
      output.record({ type: "kit-saved", file: path, checksum: kit.checksum });
      output.line(format.fill(words.kit.saved, { file: path }));
    }
    return exitCodes.done;
  },
};

/** The CRMs of `holdfast.yaml`, if that is about the repository at this location or a copy of it. */
async function configuredFor(context: Context, location: string): Promise<readonly string[]> {
  const config = await context.config();
  const places = config ? [config.repository, ...config.copies] : [];
  return places.some((place) => place.location === location) ? (config?.crms ?? []).map(({ name }) => name) : [];
}

async function saveKit(path: string, lines: readonly string[]): Promise<void> {
  try {
    await writeFile(path, `${lines.join("\n")}\n`, { mode: 0o600, flag: "wx" });
  } catch (error) {
    const exists = hasSystemCode(error, "EEXIST");
    throw new HoldfastError(exists ? "storage-exists" : "storage-denied", { path }, error);
  }
}

/** Volumes are media, and a path is this machine's. */
function needsLogin(location: string): boolean {
  return !isPath(location) && !location.startsWith("volumes:");
}

/** The page to print: what it is, the facts, and the commands to type, word by word. */
export function kitLines({ words, format }: Context, kit: Kit): string[] {
  const texts = words.kit;
  const facts: (readonly [string, string])[] = [
    [texts.location, kit.location],
    [texts.password, kit.password],
    [texts.id, kit.repositoryId],
    [texts.crms, kit.crms.join(", ") || words.label.none],
    [texts.created, format.time(kit.created)],
    [texts.checksum, kit.checksum],
  ];
  const width = Math.max(...facts.map(([name]) => displayWidth(name)));
  const crms = kit.crms.length > 0 ? kit.crms : ["crm"];
  const access = ["--repository", kit.location, "--password-file", "password.txt"];
  const restic = ["restic", "-r", kit.location, "--password-file", "password.txt"];
  const plan = ["holdfast", "restore", "plan", "latest", "--as", "replacement"];
  // Each in a place of its own.
  const place = (crm: string): string => (crms.length === 1 ? "./recovered" : `./recovered-${crm}`);
  return [
    texts.title,
    "",
    texts.intro,
    "",
    ...facts.map(([name, value]) => `${padEnd(name, width)}  ${value}`),
    ...(needsLogin(kit.location) ? ["", texts.login] : []),
    "",
    texts.writePassword,
    `  (umask 077; cat > password.txt)`,
    "",
    texts.withHoldfast,
    `  ${shellCommand(["holdfast", "snapshots", ...access])}`,
    ...crms.map((crm) => `  ${shellCommand([...plan, "--crm", crm, "--target", place(crm), ...access])}`),
    "",
    texts.withRestic,
    `  ${shellCommand([...restic, "snapshots"])}`,
    ...crms.map(
      (crm) => `  ${shellCommand([...restic, "restore", "latest", "--path", `/${crm}`, "--target", place(crm)])}`,
    ),
    "",
    texts.proof,
    `  ${shellCommand(["holdfast", "kit", "--check", kit.checksum, ...access])}`,
  ];
}
