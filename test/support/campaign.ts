/**
 * A long seeded proof, such as a kill at every step of a restore. `npm run campaign` runs it with many rounds and keeps
 * what came out under `docs/evidence/`; a test beside it (`test/campaign/NAME.test.ts`) runs a slice of the same code.
 */
export interface Campaign {
  /** The file's name too: `test/campaign/<name>.ts` exports it as `campaign`. */
  readonly name: string;
  /** One sentence: what is proved. */
  readonly about: string;
  /** As many as the evidence should have. */
  readonly rounds: number;
  /** Throws when the proof fails; else gives what was counted and measured. */
  run(options: CampaignOptions): Promise<Readonly<Record<string, string | number>>>;
}

export interface CampaignOptions {
  readonly rounds: number;
  /** Rounds with the same seed do the same. */
  readonly seed: number;
  /** A line about the progress. */
  readonly report: (line: string) => void;
}
