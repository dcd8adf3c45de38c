/**
 * The layers of `src/`, bottom first: the one table that says who may import whom. `scripts/lint-config.ts` turns it
 * into lint rules; `docs/architecture.md` explains it. Tests may import from any layer.
 */
export interface Layer {
  readonly folder: string;
  /** Folders of `src/` that it may import. */
  readonly imports: readonly string[];
  /** Folders of which it may import types only. */
  readonly types?: readonly string[];
  /** Packages that it may import besides Node's own modules. */
  readonly packages?: readonly string[];
  /** Packages that only these files of the folder may import. */
  readonly packagesOf?: Readonly<Record<string, readonly string[]>>;
  /** What the folder is for: part of the message, so that whoever meets it knows where the code belongs instead. */
  readonly purpose: string;
}

export const layers: readonly Layer[] = [
  {
    folder: "lib",
    imports: [],
    packagesOf: { "posix.ts": ["koffi"] },
    purpose: "helpers that know nothing of backups; native calls stand in lib/posix.ts alone",
  },
  {
    folder: "storage",
    imports: ["lib"],
    packagesOf: {
      "azure-connection.ts": ["@azure/storage-blob"],
      "azure.ts": ["@azure/storage-blob"],
      "azure-requests.ts": ["@azure/storage-blob"],
      "azure-versions.ts": ["@azure/storage-blob"],
      "gs-login.ts": ["google-auth-library"],
      "s3-requests.ts": ["@aws-sdk/client-s3"],
      "s3.ts": ["@aws-sdk/client-s3"],
    },
    purpose: "named byte strings; it knows nothing of encryption or snapshots",
  },
  {
    folder: "volumes",
    imports: ["lib", "storage"],
    purpose: "tapes and archive volumes of a repository's files; it knows nothing of what is in them",
  },
  { folder: "format", imports: ["lib"], purpose: "restic's format as pure functions on bytes" },
  {
    folder: "repository",
    imports: ["lib", "format", "storage"],
    purpose: "the format over a storage; it knows nothing of CRMs, folders or databases",
  },
  { folder: "files", imports: ["lib"], purpose: "folder trees on disk; it knows nothing of repositories" },
  {
    folder: "database",
    imports: ["lib"],
    packagesOf: {
      "mysql/connection.ts": ["mysql2"],
      "mysql/session.ts": ["mysql2"],
      "postgres/connection.ts": ["pg"],
      "postgres/copy-in.ts": ["pg"],
      "postgres/copy-out.ts": ["pg"],
      "postgres/log-stream.ts": ["pg"],
    },
    purpose: "rows and schemas; it knows nothing of repositories",
  },
  {
    folder: "crm",
    imports: ["lib", "files", "database"],
    packages: ["zod"],
    purpose: "what a platform is made of; it knows nothing of repositories",
  },
  {
    folder: "contents",
    imports: ["lib", "format", "repository", "files", "database", "crm"],
    packages: ["zod"],
    purpose: "what a snapshot's tree means",
  },
  {
    folder: "config",
    imports: ["lib"],
    types: ["crm"],
    packages: ["zod", "yaml"],
    purpose: "holdfast.yaml, checked and resolved",
  },
  {
    folder: "alerts",
    imports: ["lib"],
    types: ["config"],
    packagesOf: { "email.ts": ["nodemailer"] },
    purpose: "where alerts go, a file a kind of route; it knows nothing of backups",
  },
  {
    folder: "engine",
    imports: ["lib", "storage", "volumes", "format", "repository", "files", "database", "crm", "contents"],
    packages: ["zod"],
    purpose: "the use cases; it never prints and has no clock of its own",
  },
  { folder: "words", imports: ["lib"], purpose: "every sentence a person reads, by message code" },
  {
    folder: "jobs",
    imports: ["lib", "config", "alerts", "engine"],
    types: ["crm", "contents"],
    purpose: "one door to every use case, the lock of a CRM between processes, and what runs when",
  },
  {
    folder: "cli",
    imports: ["lib", "config", "words", "jobs"],
    types: ["crm", "contents", "engine"],
    packages: ["commander"],
    purpose: "commands and their output; it reaches the engine through jobs/",
  },
];
