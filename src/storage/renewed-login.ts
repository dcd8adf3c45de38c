import { isHoldfastError } from "../lib/errors.ts";
import { handled } from "../lib/handled.ts";
import { unlessStopped } from "../lib/unless-stopped.ts";

/** What stands in the environment's place by now: the keys of a session run out, and whoever gave them gives others. */
export type RenewLogin = (signal: AbortSignal) => Promise<NodeJS.ProcessEnv>;

export interface Login<Connection> {
  /** Once more over another connection, where the login was refused and there is another one by now. */
  use<T>(signal: AbortSignal, work: (connection: Connection) => Promise<T>): Promise<T>;
  /** Every connection that is there: they are the caller's, who ends them. */
  taken(): readonly Connection[];
}

const namelessPauseMs = 60_000;

/** A connection of one login, and how many requests are made over it now. */
interface Made<Connection> {
  readonly connection: Connection;
  users: number;
}

/** A new login that is being asked for, and how many wait for it. */
interface Renewal {
  readonly done: Promise<void>;
  readonly stop: AbortController;
  waiting: number;
}

/** `end`: told of a connection whose login has run out, once nobody uses it; those of a year would pile up. */
export function renewedLogin<Connection>(
  environment: NodeJS.ProcessEnv,
  connect: (environment: NodeJS.ProcessEnv) => Connection,
  renew: RenewLogin | undefined,
  end: (connection: Connection) => void = () => {},
): Login<Connection> {
  let login = environment;
  let renewing: Renewal | undefined;
  let askedAt = -Infinity;
  const connections = new Map<NodeJS.ProcessEnv, Made<Connection>>();

  async function connected<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    const made = connections.get(login) ?? { connection: connect(login), users: 0 };
    connections.set(login, made);
    made.users++;
    try {
      return await work(made.connection);
    } finally {
      made.users--;
      endUnused();
    }
  }

  function endUnused(): void {
    for (const [of, { connection, users }] of connections) {
      if (of === login || users > 0) continue;
      connections.delete(of);
      end(connection);
    }
  }

  /** To a question without an answer's body, S3 does not say why it refuses: that may be usual, and is looked into once in a while. */
  function mayHaveRunOut(error: unknown, before: NodeJS.ProcessEnv): boolean {
    if (isHoldfastError(error, "storage-login")) return true;
    const isNameless = isHoldfastError(error) && /^HTTP 40[03]$/.test(String(error.facts["reason"]));
    return isNameless && (login !== before || performance.now() - askedAt > namelessPauseMs);
  }

  async function ask(renewed: RenewLogin, signal: AbortSignal): Promise<void> {
    askedAt = performance.now();
    const found = await renewed(signal);
    if (JSON.stringify(found) === JSON.stringify(login)) return;
    login = found;
    endUnused();
  }

  function begin(renewed: RenewLogin): Renewal {
    const stop = new AbortController();
    // A failure is told to whoever waits.
    return { done: handled(ask(renewed, stop.signal)), stop, waiting: 0 };
  }

  async function isRenewed(before: NodeJS.ProcessEnv, signal: AbortSignal): Promise<boolean> {
    if (renew === undefined || login !== before) return login !== before;
    // Of several requests that are refused at once, one asks; and the one that has least patience does not end it for the others.
    const renewal = (renewing ??= begin(renew));
    renewal.waiting++;
    try {
      await unlessStopped(renewal.done, signal);
    } finally {
      if (--renewal.waiting === 0) {
        renewal.stop.abort();
        if (renewing === renewal) renewing = undefined;
      }
    }
    return login !== before;
  }

  return {
    async use(signal, work) {
      const before = login;
      try {
        return await connected(work);
      } catch (error) {
        if (!mayHaveRunOut(error, before) || !(await isRenewed(before, signal))) throw error;
        return await connected(work);
      }
    },
    taken() {
      const all = [...connections.values()].map(({ connection }) => connection);
      connections.clear();
      return all;
    },
  };
}
