import type { BackupKind, Outcome } from "../contents/manifest.ts";
import type { Id } from "../format/tree.ts";
import type { RetentionPolicy } from "../lib/retention-policy.ts";
import type { StoredSnapshot } from "../repository/repository.ts";
import { applyRetention, type KeepRule } from "../repository/retention.ts";
import { holdOf } from "./holds.ts";
import { crmOf, kindOf, outcomeOf } from "./points.ts";

/**
 * Why a recovery point stays: a rule of the policy, or one of ours that no policy overrules. `hold` somebody holds it
 * (`detail`: until when); `newest-ok` it is what `latest` means; `newest` nothing of this CRM ended ok, so the newest stays.
 */
export type KeepReason = KeepRule | { readonly rule: "hold" | "newest-ok" | "newest"; readonly detail?: string };

export interface ForgetRow {
  readonly id: Id;
  readonly time: string;
  readonly crm: string;
  readonly kind?: BackupKind;
  readonly outcome?: Outcome;
  /** Empty: it goes. */
  readonly reasons: readonly KeepReason[];
}

/** What a policy does to the backups of one CRM, newest first. At least one of them stays. */
export function planForget(
  backups: readonly StoredSnapshot[],
  policy: RetentionPolicy,
  zone: string,
  now: Date,
): readonly ForgetRow[] {
  const byId = new Map(backups.map((stored) => [stored.id, stored]));
  const dated = backups.map(({ id, snapshot }) => ({ id, time: snapshot.time, tags: snapshot.tags ?? [] }));
  const newestOk = backups.findLast((stored) => outcomeOf(stored) === "ok");
  const newest = newestOk ?? backups.at(-1);
  return applyRetention(dated, policy, zone, now).flatMap(({ snapshot: { id, tags }, rules }) => {
    const stored = byId.get(id);
    if (stored === undefined) return [];
    const reasons: KeepReason[] = [...rules];
    const hold = holdOf(tags, now, zone);
    if (hold !== undefined) reasons.push({ rule: "hold", ...(hold.until !== undefined && { detail: hold.until }) });
    if (stored === newest) reasons.push({ rule: newestOk === undefined ? "newest" : "newest-ok" });
    return [rowOf(stored, reasons)];
  });
}

export function rowOf(stored: StoredSnapshot, reasons: readonly KeepReason[]): ForgetRow {
  const kind = kindOf(stored);
  const outcome = outcomeOf(stored);
  return {
    id: stored.id,
    time: stored.snapshot.time,
    crm: crmOf(stored),
    ...(kind && { kind }),
    ...(outcome && { outcome }),
    reasons,
  };
}
