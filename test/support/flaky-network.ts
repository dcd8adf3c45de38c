import { setTimeout as delay } from "node:timers/promises";
import type { SeededRandom } from "./seeded-random.ts";
import type { Tampering } from "./tampering-proxy.ts";

/**
 * What goes wrong between a client and a server that speak HTTP. `refused`: the connection breaks before anything came
 * through. `busy`: somebody answers that he is. `cut`: the answer breaks off. `lost`: it was done, and no answer came. `slow`.
 * `corrupted`: one bit of a file that was read is another; not again among the next reads of that file, and never of `config`,
 * which has no sum.
 */
export const networkFlaws = ["refused", "busy", "cut", "lost", "slow", "corrupted"] as const;
type NetworkFlaw = (typeof networkFlaws)[number];

export interface FlakyNetwork {
  /** For `tamperingProxy`. */
  readonly tamper: Tampering;
  readonly counts: Readonly<Record<NetworkFlaw, number>>;
  readonly requests: () => number;
  /** Bytes of requests that came through to the server. */
  readonly sent: () => number;
}

const busyStatuses = [429, 500, 502, 503, 504] as const;

/** One request in `oneIn` fails, or is slow. */
export function flakyNetwork(random: SeededRandom, oneIn: number): FlakyNetwork {
  const counts = Object.fromEntries(networkFlaws.map((flaw) => [flaw, 0])) as Record<NetworkFlaw, number>;
  /** So many reads of each file are right before one may be corrupted again. */
  const rightAgain = new Map<string, number>();
  let requests = 0;
  let sent = 0;

  const mayCorrupt = (method: string, name: string | undefined): name is string => {
    if (method !== "GET" || name === undefined) return false;
    const left = rightAgain.get(name) ?? 0;
    rightAgain.set(name, left - 1);
    return left <= 0;
  };

  return {
    counts,
    requests: () => requests,
    sent: () => sent,
    async tamper({ method = "GET", url = "", headers }, answer) {
      requests++;
      const [, name] = /[/F]([0-9a-f]{64})(?:$|\?)/.exec(url) ?? [];
      // Google is asked for the size of a file by another question about it, whose answer has no sum.
      const isRead = !url.includes("fields=") && mayCorrupt(method, name);
      const flaw = random.oneIn(oneIn)
        ? random.pick(isRead ? networkFlaws : networkFlaws.filter((one) => one !== "corrupted"))
        : undefined;
      if (flaw !== undefined) counts[flaw]++;
      if (flaw === "refused") {
        answer.destroy();
        return "answered";
      }
      if (flaw === "busy") {
        answer.writeHead(random.pick(busyStatuses), { connection: "close" }).end();
        return "answered";
      }
      sent += Number(headers["content-length"] ?? 0);
      if (flaw === "slow") await delay(random.below(30));
      if (flaw === "lost") return "lost";
      if (flaw === "cut") return { cutAfterBytes: random.below(50_000) };
      if (flaw !== "corrupted" || name === undefined) return undefined;
      rightAgain.set(name, 10);
      return { flipByte: random.below(50_000) };
    },
  };
}
