import type { Event } from "../lib/events.ts";

/** How far a run of `follow` is, from what it tells. */
export interface JournalProgress {
  /** RFC 3339: everything that was committed up to here, in each database, is in the repository. */
  readonly durableTo?: string;
  readonly transactions: number;
  readonly rows: number;
  /** Read from the logs, and not yet in the repository. */
  readonly waitingBytes: number;
  /** Why it cannot go on at the moment. */
  readonly trouble?: string;
}

/** Gives for each event how far the journal is by then; `undefined`: the event says nothing of that. */
export function journalProgress(): (event: Event) => JournalProgress | undefined {
  const databases = new Map<string, Extract<Event, { type: "journal" }>>();
  let durableTo: string | undefined;
  let trouble: string | undefined;
  return (event) => {
    if (event.type === "note" && event.code === "follow-again") trouble = String(event.facts["reason"]);
    else if (event.type === "note" && event.code === "follow-waiting") trouble = "repository-locked";
    else if (event.type === "journal") databases.set(event.subject, event);
    else return undefined;
    const known = [...databases.values()];
    const times = known.flatMap((one) => one.durableTo ?? []).toSorted();
    const reached = times.length === known.length ? times[0] : undefined;
    // It works again once the journal has gone on.
    if (reached !== durableTo) trouble = undefined;
    durableTo = reached;
    return {
      ...(durableTo !== undefined && { durableTo }),
      transactions: known.reduce((sum, { transactions }) => sum + transactions, 0),
      rows: known.reduce((sum, { rows }) => sum + rows, 0),
      waitingBytes: known.reduce((sum, { waitingBytes }) => sum + waitingBytes, 0),
      ...(trouble !== undefined && { trouble }),
    };
  };
}
