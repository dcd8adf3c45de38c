import type { CrmDescription } from "../crm/platform.ts";
import type { CacheChoice } from "../lib/cache-choice.ts";
import type { Keeping } from "../lib/keeping.ts";
import type { Limits } from "../lib/limits.ts";
import type { RetentionPolicy } from "../lib/retention-policy.ts";
import type { StorageTraffic } from "../lib/storage-reach.ts";
import type { AlertsConfig, PriceConfig, ServiceConfig } from "./service-config.ts";

/** `holdfast.yaml`, read, checked and resolved: paths absolute, sizes in bytes, defaults filled in. */
export interface Config {
  /** Absolute path of the file; it is stored with each snapshot. */
  readonly file: string;
  readonly crms: readonly CrmDescription[];
  readonly repository: RepositoryConfig;
  /** Where `holdfast copy` copies to. */
  readonly copies: readonly CopyConfig[];
  readonly retention: RetentionConfig;
  readonly limits: Limits;
  readonly service: ServiceConfig;
  readonly alerts: AlertsConfig;
  readonly cache: CacheChoice;
  readonly traffic: StorageTraffic;
  readonly follow: FollowConfig;
  /** Of CRMs that say anything of them. */
  readonly drills: Readonly<Record<string, DrillConfig>>;
  readonly language?: "en" | "zh-CN";
  /** Whether backups write what searches pass over rows with; absent: they do. */
  readonly search?: "indexed" | "plain";
  /** IANA name; absent: the machine's. */
  readonly timezone?: string;
}

export interface RepositoryConfig {
  readonly location: string;
  readonly password: SecretReference;
  readonly keeping: Keeping;
  readonly credentials: Readonly<Record<string, CredentialSource>>;
  readonly price?: PriceConfig;
  /** Bytes that there is room for; absent: not known. */
  readonly capacityBytes?: number;
}

/** What stands for a variable of the environment: a reference to a secret, or what is no secret itself. */
export type CredentialSource = SecretReference | { readonly kind: "plain"; readonly target: string };

/** How `holdfast follow` goes about it. */
export interface FollowConfig {
  /** Recovery point objective: from a commit to its place in the repository. */
  readonly rpoMs: number;
  /** For CRMs with one of their own. */
  readonly rpoMsByCrm: Readonly<Record<string, number>>;
  /** Most of its log that a database server may keep for us. */
  readonly logBytes: number;
}

/** What `holdfast drill` does beyond the platform's own checks. */
export interface DrillConfig {
  readonly database?: string;
  readonly checks: readonly { readonly name: string; readonly sql: string }[];
}

/** What `holdfast forget` keeps. */
export interface RetentionConfig {
  /** For CRMs with rules of their own. */
  readonly byCrm: Readonly<Record<string, RetentionPolicy>>;
  /** For all others; absent: nothing of theirs is removed. */
  readonly others?: RetentionPolicy;
}

export interface CopyConfig extends RepositoryConfig {
  readonly name: string;
  /** In place of those of the repository that is copied. */
  readonly retention?: RetentionPolicy;
}

/** `file:…`, `env:…`, `cmd:…`, `systemd:…`: where a secret is, never the secret. Paths absolute. */
export interface SecretReference {
  readonly kind: "file" | "env" | "cmd" | "systemd";
  readonly target: string;
}
