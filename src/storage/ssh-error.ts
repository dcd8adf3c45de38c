import { type ErrorCode, HoldfastError } from "../lib/errors.ts";

/** What OpenSSH's `ssh` said before it ended (in English, at its level ERROR) → what it means for a storage. */
const meanings: readonly (readonly [RegExp, ErrorCode])[] = [
  [/REMOTE HOST IDENTIFICATION HAS CHANGED|host key .*has been revoked|REVOKED HOST KEY/i, "storage-host-changed"],
  [/Host key verification failed|No .* host key is known/i, "storage-host-unknown"],
  [/Too many authentication failures|Permission denied|no more authentication methods/i, "storage-login"],
  [/Could not resolve hostname .*(?:Temporary failure|try again)/i, "storage-unreachable"],
  [/Could not resolve hostname/i, "storage-address"],
  [/subsystem request failed/i, "storage-address"],
  [/Unable to negotiate|no matching .* found/i, "storage-failed"],
  [/Connection refused|timed out|No route to host|Network is unreachable|Host is down/i, "storage-unreachable"],
  [/Connection (?:to .*)?(?:closed|reset|aborted)|Broken pipe|not responding|banner exchange/i, "storage-unreachable"],
];

/** The words that say most, short. */
const reasons: readonly RegExp[] = [
  /(UNPROTECTED PRIVATE KEY FILE)/,
  /(Identity file \S+ not accessible)/,
  /Permission denied \(([a-z0-9,-]+)\)/i,
  /(subsystem request failed)/i,
  /(Connection refused|timed out|No route to host|Network is unreachable|not responding)/i,
  /(Connection (?:closed|reset|aborted))/i,
];

/** Never more than a line, and nothing that moves a cursor. */
export function sshError(said: string, ended: string, location: string): HoldfastError {
  const [, code] = meanings.find(([pattern]) => pattern.test(said)) ?? [];
  const known = reasons.map((pattern) => pattern.exec(said)?.[1]).find((text) => text !== undefined);
  const last = said
    .split(/\r?\n/)
    .map((line) => line.trim())
    .findLast((line) => line !== "");
  // oxlint-disable-next-line no-control-regex -- a server may have written this
  const reason = (known ?? last ?? ended).replace(/[\0-\x1f\x7f-\x9f]/g, "").slice(0, 200);
  // Without a word it was ended from outside, or the server went away.
  return new HoldfastError(code ?? (last === undefined ? "storage-unreachable" : "storage-failed"), {
    location,
    reason,
  });
}
