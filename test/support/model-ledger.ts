import assert from "node:assert/strict";
import type { ModelCommands, Side } from "./model-commands.ts";
import { type Listed, listSnapshots, type OpenedSide, readSide } from "./model-reader.ts";
import type { WorldState } from "./model-world.ts";

/** What a snapshot must give back. */
export interface Expected {
  readonly kind: "ours" | "restic";
  /** By a repair, from what was left: what it gave back then it must give back ever after. */
  readonly isMended: boolean;
  /** Without rows: their table was lost. */
  readonly state: Pick<WorldState, "files"> & Partial<WorldState>;
}

/** A snapshot and its copies, whatever ids they have. */
const identity = ({ time, tree }: Listed): string => `${Date.parse(time)} ${tree}`;
/** A snapshot, and what a repair has left of it. */
const moment = ({ time, paths }: Listed): string => `${Date.parse(time)} ${paths.join()}`;
const isOurs = ({ tags }: Listed): boolean => tags?.includes("holdfast") === true;

/** The model: which snapshots there must be in both repositories, and what each must give back. */
export class ModelLedger {
  readonly expected: Record<Side, Map<string, Expected>> = { main: new Map(), offsite: new Map() };
  readonly repaired = { "snapshots mended": 0, "snapshots given up": 0 };
  readonly #commands: ModelCommands;
  /** Path of the world's files, as restic has them. */
  readonly #attachments: string;
  /** Every snapshot there ever was, also those that were forgotten: a copy brings them back. */
  readonly #known = new Map<string, Expected>();
  /** What repairs have left, by its moment. */
  readonly #mended: (readonly [string, Expected])[] = [];
  /** As each was before anything of it was lost, by its moment. */
  readonly #whole = new Map<string, Expected>();
  /** Backups that were killed before they had a snapshot: one whose tree was stored is found by a repair. */
  readonly #begun: Expected[] = [];
  /** Of each id. */
  readonly #moments = new Map<string, string>();

  constructor(commands: ModelCommands, attachments: string) {
    this.#commands = commands;
    this.#attachments = attachments;
  }

  async list(side: Side): Promise<readonly Listed[]> {
    return await listSnapshots(this.#commands.reading(side));
  }

  /** What is there beside what must be: a new snapshot of `state`, or a copy of one whose original the model knows. */
  async learn(side: Side, state?: WorldState): Promise<"new" | "nothing new"> {
    const expected = this.expected[side];
    const before = this.#known.size;
    const listed = await this.list(side);
    const ids = new Set(listed.map(({ id }) => id));
    for (const id of expected.keys()) assert.ok(ids.has(id), `${side}: snapshot ${id} is gone`);
    const copies = new Set(listed.filter(({ id }) => expected.has(id)).map(copyOf));
    for (const snapshot of listed) {
      this.#moments.set(snapshot.id, moment(snapshot));
      if (expected.has(snapshot.id)) continue;
      assert.ok(!copies.has(copyOf(snapshot)), `${side}: snapshot ${snapshot.id} is there twice`);
      const known = this.#known.get(identity(snapshot));
      const learnt = known ?? (state && { kind: isOurs(snapshot) ? "ours" : "restic", isMended: false, state });
      assert.ok(learnt, `${side}: snapshot ${snapshot.id} comes from nowhere`);
      this.#known.set(identity(snapshot), learnt);
      if (!learnt.isMended) this.#whole.set(moment(snapshot), learnt);
      expected.set(snapshot.id, learnt);
    }
    const times = new Map(listed.map(({ id, time }) => [id, Date.parse(time)]));
    const sorted = [...expected].toSorted(([a], [b]) => (times.get(a) ?? 0) - (times.get(b) ?? 0));
    this.expected[side] = new Map(sorted);
    return this.#known.size > before ? "new" : "nothing new";
  }

  /** A backup of it was killed, and left no snapshot. */
  begun(state: WorldState): void {
    this.#begun.push({ kind: "ours", isMended: false, state });
  }

  forgotten(side: Side, ids: readonly string[]): void {
    for (const id of ids) this.expected[side].delete(id);
  }

  /** All but the newest of ours that is whole, which a CRM never loses. */
  forgettable(side: Side): readonly string[] {
    const ours = [...this.expected[side]].filter(([, { kind }]) => kind === "ours");
    const kept = [ours.at(-1)?.[0], ours.findLast(([, { isMended }]) => !isMended)?.[0]];
    return [...this.expected[side].keys()].filter((id) => !kept.includes(id));
  }

  assertCopied(): void {
    const there = new Set(this.expected.offsite.values());
    for (const [id, expected] of this.expected.main) assert.ok(there.has(expected), `${id} was not copied`);
  }

  /** These snapshots give back what they must; absent: all. */
  async check(side: Side, some?: readonly string[]): Promise<void> {
    const checked = [...this.expected[side]].filter(([id]) => some?.includes(id) ?? true);
    if (checked.length === 0) return;
    await readSide(this.#commands.reading(side), async (opened) => {
      for (const [id, expected] of checked) await this.#checkSnapshot(opened, side, id, expected);
    });
  }

  async #checkSnapshot(opened: OpenedSide, side: Side, id: string, expected: Expected): Promise<void> {
    const { kind, state } = expected;
    const files = await opened.files(id, this.#attachmentsIn(expected));
    assert.deepEqual([...files].toSorted(byPath), [...state.files].toSorted(byPath), `${side}: files of ${id}`);
    if (kind === "restic" || state.rows === undefined) return;
    assert.deepEqual(await opened.rows(id), state.rows, `${side}: rows of ${id}`);
  }

  /** What no damage has touched is there as it was; of the rest there is what is left, and each loss is told. */
  async learnRepaired(side: Side, touched: ReadonlySet<string>, damaged: ReadonlySet<string>): Promise<void> {
    const listed = await this.list(side);
    const ids = new Set(listed.map(({ id }) => id));
    const moments = new Set(listed.map(moment));
    for (const [id, expected] of this.expected[side]) {
      if (ids.has(id)) continue;
      assert.ok(touched.has(id), `${side}: ${id} was not touched, and is gone`);
      this.expected[side].delete(id);
      if (moments.has(this.#moments.get(id) ?? "")) continue;
      // Nobody but its own file says of a snapshot of restic's that it was one.
      const isNamed = expected.kind === "ours" || !damaged.has(`snapshots/${id}`);
      if (isNamed) this.#commands.told.push(`  ${id} is given up`);
      this.repaired["snapshots given up"]++;
    }
    const isNew = (snapshot: Listed): boolean =>
      !this.expected[side].has(snapshot.id) && !this.#known.has(identity(snapshot));
    await readSide(this.#commands.reading(side), async (opened) => {
      for (const snapshot of listed) {
        if (!isNew(snapshot)) continue;
        this.repaired["snapshots mended"]++;
        await this.#learnMended(opened, side, snapshot);
      }
    });
    await this.learn(side);
    await this.check(side);
  }

  async #learnMended(opened: OpenedSide, side: Side, snapshot: Listed): Promise<void> {
    const { id, tags } = snapshot;
    const was = this.#whole.get(moment(snapshot));
    const kind = was?.kind ?? (isOurs(snapshot) ? "ours" : "restic");
    const files = await opened.files(id, this.#attachmentsIn({ kind }));
    const isPart = ({ state }: Expected): boolean =>
      [...files].every(([path, sum]) => path.includes(".damaged") || state.files.get(path) === sum);
    const whole = was ?? (isOurs(snapshot) ? this.#begun.findLast(isPart) : undefined);
    assert.ok(whole && (was === undefined || tags?.includes("mended")), `${side}: snapshot ${id} comes from nowhere`);
    // Where no manifest of its CRM was left, a mended one has none either, and says by its tag alone that it lacks something.
    const losses = whole.kind === "ours" ? await opened.losses(id).catch(() => undefined) : undefined;
    // What was told by a manifest that is lost itself nobody knows any more, and that is told.
    const before = losses?.includes("holdfast.json") === true ? this.#mendedAt(moment(snapshot)) : [];
    const isTold = (subject: string): boolean =>
      losses?.some((loss) => subject === loss || subject.startsWith(`${loss}/`)) ?? true;
    assert.ok(isPart(whole), `${side}: files of ${id}`);
    for (const path of whole.state.files.keys())
      assert.ok(
        files.has(path) || isTold(`/files/attachments/${path}`) || before.some((one) => !one.state.files.has(path)),
        `${side}: ${path} of ${id} is lost untold`,
      );
    const rows = whole.kind === "ours" ? await opened.rows(id).catch(() => undefined) : undefined;
    if (whole.kind === "ours" && JSON.stringify(rows) !== JSON.stringify(whole.state.rows)) {
      const isTableTold =
        (losses?.some((loss) => loss.startsWith("/databases")) ?? true) ||
        before.some((one) => JSON.stringify(one.state.rows) !== JSON.stringify(whole.state.rows));
      assert.ok(isTableTold, `${side}: rows of ${id} are lost untold`);
    }
    const state = { files, ...(rows !== undefined && { rows }) };
    const isMended = tags?.includes("mended") === true;
    const learnt = { kind: whole.kind, isMended, state };
    this.#known.set(identity(snapshot), learnt);
    this.#mended.push([moment(snapshot), learnt]);
  }

  /** What earlier repairs have left of it. */
  #mendedAt(at: string): readonly Expected[] {
    return this.#mended.flatMap(([then, learnt]) => (then === at ? [learnt] : []));
  }

  #attachmentsIn({ kind }: Pick<Expected, "kind">): string {
    return kind === "ours" ? "/acme/files/attachments" : this.#attachments;
  }
}

function copyOf(snapshot: Listed): string {
  return `${snapshot.original ?? snapshot.id} ${snapshot.tree}`;
}

function byPath(a: readonly [string, string], b: readonly [string, string]): number {
  return a[0] < b[0] ? -1 : 1;
}
