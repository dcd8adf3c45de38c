import { openJournal } from "../contents/journal/open-journal.ts";
import { segmentsSince } from "../contents/journal/span-segments.ts";
import { tablesOf, type TransactionTable, transactionsOf, writersOf } from "../contents/journal/transactions.ts";
import { compareTimes } from "../format/time.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { Run } from "../lib/run.ts";
import { openFor } from "./access.ts";
import type { Engine, RepositoryAccess } from "./engine.ts";
import { chooseCrm } from "./points.ts";

export interface TransactionsInput {
  readonly repository: RepositoryAccess;
  readonly crm?: string;
  /** Absent: now. */
  readonly around?: Date;
  /** How far before and after it is looked. */
  readonly withinMs: number;
  /** Those nearest to the moment, no more than so many. */
  readonly most: number;
}

export interface TransactionRow {
  readonly database: string;
  /** RFC 3339 with the server's digits: when it was committed. */
  readonly time: string;
  readonly transaction: string;
  readonly position: string;
  readonly rows: number;
  readonly tables: readonly TransactionTable[];
  /** Who the rows themselves say wrote them. */
  readonly users: readonly string[];
}

export interface TransactionsReport {
  readonly type: "transactions";
  readonly crm: string;
  readonly from: string;
  readonly to: string;
  /** In the order of their commits. */
  readonly transactions: readonly TransactionRow[];
  /** How many more there are in that time. */
  readonly more: number;
}

/** The transactions around a moment, so that one of them can be chosen. */
export async function listTransactions(
  engine: Engine,
  input: TransactionsInput,
  run: Run,
): Promise<TransactionsReport> {
  await using repository = await openFor(engine, input.repository, run);
  const snapshots = await repository.snapshots(run.signal);
  const crm = chooseCrm(snapshots, input.crm);
  const indexed = await repository.index(run.signal);
  const journal = await openJournal(indexed, snapshots, crm, run.signal);
  if (!journal) throw new HoldfastError("journal-none", { crm });
  const around = (input.around ?? run.now()).getTime();
  const [from, to] = [around - input.withinMs, around + input.withinMs].map((ms) => new Date(ms).toISOString());
  const found: TransactionRow[] = [];
  let more = 0;
  for (const { name } of journal.databases) {
    for await (const one of transactionsOf(segmentsSince(journal, name, from ?? "", run.signal))) {
      if (compareTimes(one.time, from ?? "") < 0) continue;
      if (compareTimes(one.time, to ?? "") > 0) break;
      const { time, transaction, position, changes } = one;
      found.push({
        database: name,
        time,
        transaction,
        position,
        rows: changes.length,
        tables: tablesOf(changes),
        users: [...writersOf(changes)].map((user) => Buffer.from(user, "latin1").toString("utf8")).slice(0, 10),
      });
      // Twice as many as are wanted are enough to choose the nearest from.
      if (found.length > 2 * input.most) {
        more += found.length - input.most;
        nearest(found, around, input.most);
      }
    }
  }
  more += Math.max(0, found.length - input.most);
  nearest(found, around, input.most);
  found.sort((a, b) => compareTimes(a.time, b.time) || (a.position < b.position ? -1 : 1));
  return { type: "transactions", crm, from: from ?? "", to: to ?? "", transactions: found, more };
}

function nearest(found: TransactionRow[], aroundMs: number, most: number): void {
  const distance = ({ time }: TransactionRow): number => Math.abs(Date.parse(time) - aroundMs);
  found.splice(0, found.length, ...found.toSorted((a, b) => distance(a) - distance(b)).slice(0, most));
}
