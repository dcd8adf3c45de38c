import { resolve } from "node:path";
import { HoldfastError } from "../lib/errors.ts";
import type { SecretReference } from "./config.ts";

/** What a reference looks like; here, without the schema, since it is needed before that is loaded. */
export const secretPattern = /^(file|env|cmd|systemd):(.+)$/s;

/** `file:./password.txt` → where the secret is, paths absolute. A plain value is refused and never repeated. */
export function parseSecretReference(text: string, folder: string): SecretReference {
  const [, kind, target] = secretPattern.exec(text) ?? [];
  if (kind === undefined || target === undefined) throw new HoldfastError("config-secret", { problem: "plain" });
  if (kind === "file") return { kind, target: resolve(folder, target.trim()) };
  return { kind: kind as SecretReference["kind"], target: target.trim() };
}
