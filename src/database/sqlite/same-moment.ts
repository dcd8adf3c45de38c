import { once } from "node:events";
import type { DatabaseSync } from "node:sqlite";
import type { MessagePort } from "node:worker_threads";

import { openForReading, openImmutable } from "./open.ts";
import { dataVersion } from "./query.ts";

/** A connection in another thread that is to see the moment that this thread reads. */
export interface Partner {
  /** Makes it see the private copy at `path`, or what is committed now; whether it does. */
  begin(at: PartnerMoment): Promise<boolean>;
  /** Tells it whether both are at the same moment in the end; it goes if not. */
  settle(together: boolean): void;
}

export type PartnerMoment = { readonly copy: string } | "now";

type PartnerRequest = PartnerMoment | { readonly together: boolean };

/** The other thread, `joinMoment` in it, seen from the one that leads. */
export function partnerAt(port: MessagePort): Partner {
  let left = false;
  let answered: ((begun: boolean) => void) | undefined;
  port.on("message", (begun: boolean) => answered?.(begun));
  port.on("close", () => {
    left = true;
    answered?.(false);
  });
  const tell = (request: PartnerRequest): void => port.postMessage(request);
  return {
    begin(at) {
      if (left) return Promise.resolve(false);
      const { promise, resolve } = Promise.withResolvers<boolean>();
      answered = resolve;
      tell(at);
      return promise;
    },
    settle(together) {
      tell({ together });
      port.close();
    },
  };
}

/** Follows whoever leads until both are at one moment: then the connection that sees it, `undefined` if they never were. */
export async function joinMoment(
  url: string,
  path: string,
  port: MessagePort,
  signal: AbortSignal,
): Promise<DatabaseSync | undefined> {
  let connection: DatabaseSync | undefined;
  let together = false;
  try {
    for (;;) {
      const [request] = (await once(port, "message", { signal })) as [PartnerRequest];
      if (request !== "now" && "together" in request) {
        together = request.together;
        return together ? connection : undefined;
      }
      try {
        if (request === "now") {
          connection ??= (await openForReading(url, path, signal)).connection;
          if (connection.isTransaction) connection.exec("COMMIT");
          connection.exec("BEGIN");
          // The first statement that reads pins the moment.
          dataVersion(connection);
        } else connection = openImmutable(request.copy);
        port.postMessage(true);
      } catch {
        // Whoever leads reads alone, and says what is wrong with the file if something is.
        port.postMessage(false);
      }
    }
  } finally {
    port.close();
    if (!together) connection?.close();
  }
}
