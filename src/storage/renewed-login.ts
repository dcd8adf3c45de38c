import { isHoldfastError } from "../lib/errors.ts";

/** What stands in the environment's place by now: the keys of a session run out, and whoever gave them gives others. */
export type RenewLogin = (signal: AbortSignal) => Promise<NodeJS.ProcessEnv>;

export interface Login<Connection> {
  /** Once more over another connection, where the login was refused and there is another one by now. */
  use<T>(signal: AbortSignal, work: (connection: Connection) => Promise<T>): Promise<T>;
  /** Every connection that was made: they are the caller's, who ends them. */
  taken(): readonly Connection[];
}

const namelessPauseMs = 60_000;

export function renewedLogin<Connection>(
  environment: NodeJS.ProcessEnv,
  connect: (environment: NodeJS.ProcessEnv) => Connection,
  renew: RenewLogin | undefined,
): Login<Connection> {
  let login = environment;
  let renewing: Promise<void> | undefined;
  let askedAt = -Infinity;
  const connections = new Map<NodeJS.ProcessEnv, Connection>();

  function connected(): Connection {
    const found = connections.get(login) ?? connect(login);
    connections.set(login, found);
    return found;
  }

  /** To a question without an answer's body, S3 does not say why it refuses: that may be usual, and is looked into once in a while. */
  function mayHaveRunOut(error: unknown, before: NodeJS.ProcessEnv): boolean {
    if (isHoldfastError(error, "storage-login")) return true;
    const isNameless = isHoldfastError(error) && /^HTTP 40[03]$/.test(String(error.facts["reason"]));
    return isNameless && (login !== before || performance.now() - askedAt > namelessPauseMs);
  }

  async function ask(signal: AbortSignal, renewed: RenewLogin): Promise<void> {
    askedAt = performance.now();
    const found = await renewed(signal);
    if (JSON.stringify(found) !== JSON.stringify(login)) login = found;
  }

  async function isRenewed(before: NodeJS.ProcessEnv, signal: AbortSignal): Promise<boolean> {
    // Of several requests that are refused at once, one asks.
    if (renew !== undefined && login === before) {
      renewing ??= ask(signal, renew).finally(() => (renewing = undefined));
      await renewing;
    }
    return login !== before;
  }

  return {
    async use(signal, work) {
      const before = login;
      try {
        return await work(connected());
      } catch (error) {
        if (!mayHaveRunOut(error, before) || !(await isRenewed(before, signal))) throw error;
        return await work(connected());
      }
    },
    taken() {
      const all = [...connections.values()];
      connections.clear();
      return all;
    },
  };
}
