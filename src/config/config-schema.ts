import * as z from "zod";
import { anonymiseKinds } from "../lib/anonymise-kinds.ts";
import { parseDuration } from "../lib/duration.ts";
import { alertsSchema } from "./alerts-schema.ts";
import { serviceSchema } from "./service-schema.ts";
import { isTimeZone } from "./time-zone.ts";
import { retentionSchema } from "./retention-schema.ts";
import { credentialNames } from "../lib/storage-reach.ts";
import { secretPattern } from "./secret-reference.ts";
import { parseRate, ratePattern, sizePattern } from "./size.ts";

/**
 * `holdfast.yaml` as it is written, before anything is resolved. Closed: a key that is not named here is a mistake.
 * Nothing is transformed here, so that the JSON Schema for editors says the same as what is read. A rule of ours that
 * zod has no word for puts the code of its sentence (`words`, under `configProblems`) into `params.problem`.
 */
const problem = (code: string) => ({ params: { problem: code } });

const name = z
  .string()
  .regex(/^[\p{L}\p{N}][\p{L}\p{N}._-]{0,63}$/u, { error: "name" })
  // Paths of a repository that are not backups of a CRM end so.
  .refine((text) => !/\.(?:journal|undo|reports|ledger)$/.test(text), problem("name"));

const text = z.string().min(1);

const rate = z
  .string()
  .regex(new RegExp(ratePattern), { error: "rate" })
  .refine((value) => parseRate(value) !== undefined, problem("rate"))
  .meta({ examples: ["50MB/s"] });

const isRpo = (ms: number): boolean => ms >= 100 && ms <= 24 * 60 * 60_000;

const rpo = z
  .string()
  .regex(/^\d{1,6}\s*(ms|s|m|min|h)$/, { error: "duration" })
  .refine((value) => isRpo(parseDuration(value) ?? 0), problem("rpo"))
  .meta({ examples: ["1s", "30s", "5m"] });

const secret = z
  .string()
  .refine((value) => secretPattern.test(value), problem("plain-secret"))
  .meta({
    pattern: "^(file|env|cmd|systemd):.+",
    description: "Where the password is, never the password: file:PATH, env:NAME, cmd:COMMAND or systemd:NAME.",
    examples: ["file:./password.txt", "env:HOLDFAST_PASSWORD", "cmd:pass show holdfast", "systemd:holdfast-password"],
  });

const attachment = z
  .strictObject({
    table: text.meta({ description: "Table whose rows own files." }),
    column: text.meta({ description: "Column with the file's path relative to the folder." }),
    folder: text.meta({ description: "Name of one of `files`." }),
  })
  .meta({ description: "Which column of which table names which file." });

const entity = z
  .strictObject({
    table: text.meta({ description: "Table whose rows are records." }),
    name: name.optional().meta({ description: "What to call them when typing; absent: the table's name." }),
    title: z.array(text).meta({ description: "Columns that name a record." }),
    deleted: text.optional().meta({ description: "Column that says that a record was deleted." }),
  })
  .meta({ description: "What a table means to a person." });

const columnOfTable = z
  .string()
  .regex(/^.+\..+$/)
  .meta({ examples: ["note.contact_id"] });

const reference = z
  .strictObject({
    from: columnOfTable.meta({ description: "`table.column` that names a row." }),
    to: columnOfTable.meta({ description: "`table.column` that is named." }),
    kind: z
      .enum(["belongs", "links", "refers"])
      .optional()
      .meta({ description: "`belongs`: a part of what it names, and comes back with it; `links`: joins two records." }),
  })
  .meta({ description: "A reference that the database does not declare." });

const drill = z
  .strictObject({
    database: text
      .refine((url) => !/^[a-z]+:\/\/([^/@]*:[^/@]*@|.*[?&]password=)/i.test(url), problem("plain-secret"))
      .optional()
      .meta({
        description:
          "URL of a database that is not there yet, for the copy; `private`: on a server that is started for it alone; absent: one beside the CRM's own.",
        examples: ["postgresql://holdfast@localhost/crm_drill", "private"],
      }),
    checks: z
      .array(
        z.strictObject({
          name: text.meta({ description: "What it proves, for the report.", examples: ["every deal has a customer"] }),
          sql: text.meta({
            description: "One statement on the restored copy; passed by a first value that is not NULL, 0 or false.",
            examples: ["SELECT count(*) > 0 FROM contacts"],
          }),
        }),
      )
      .optional(),
  })
  .meta({ description: "What `holdfast drill` does beyond the platform's own checks." });

const crm = z.strictObject({
  name: name.meta({ description: "Name of this CRM: in snapshots, in reports, and to type before it is replaced." }),
  platform: text.optional().meta({ description: "`custom` when absent; `tryton` and others are found by `init`." }),
  configuration: text.optional().meta({ description: "The CRM's own configuration file, such as trytond.conf." }),
  database: text
    .refine((url) => !/^[a-z]+:\/\/([^/@]*:[^/@]*@|.*[?&]password=)/i.test(url), problem("plain-secret"))
    .optional()
    .meta({
      description: "The CRM's database.",
      examples: ["sqlite:./crm.db", "postgresql://backup@db.example.com/crm", "mysql://backup@db.example.com/crm"],
    }),
  databasePassword: secret.optional(),
  files: z
    .union([z.array(text), z.record(name, text)])
    .optional()
    .meta({ description: "Folders to back up: a list of paths, or a map from name to path." }),
  exclude: z
    .array(text)
    .optional()
    .meta({ description: "Patterns of what is left out, as in .gitignore.", examples: [["cache/", "*.tmp"]] }),
  attachments: z.array(attachment).optional(),
  neutralise: z
    .array(text)
    .optional()
    .meta({ description: "SQL statements that make a copy harmless: no mail, no scheduled jobs." }),
  anonymise: z
    .record(text, z.record(text, z.enum(anonymiseKinds)))
    .optional()
    .meta({
      description:
        "What `--anonymise` puts in place of values, by entity or table and column, beside what it knows by itself.",
      examples: [{ contacts: { nickname: "name", city: "keep" } }],
    }),
  entities: z.array(entity).optional(),
  references: z.array(reference).optional(),
  retention: retentionSchema.optional().meta({ description: "In place of the common one, for this CRM alone." }),
  drill: drill.optional(),
  rpo: rpo.optional().meta({ description: "In place of the common one, for this CRM alone." }),
});

const lock = z.strictObject({
  mode: z
    .enum(["compliance", "governance"])
    .meta({ description: "`compliance`: nobody can shorten it; `governance`: only who has the right to bypass it." }),
  days: z.int().min(1).max(36_500).meta({ description: "For how long what is needed now cannot be destroyed." }),
});

const parity = z.strictObject({
  data: z.int().min(1).max(200).meta({ description: "Packs that make a group." }),
  parity: z.int().min(1).max(50).meta({ description: "How many of a group may be lost." }),
});

const size = z
  .string()
  .regex(new RegExp(sizePattern), { error: "size" })
  .refine((value) => parseRate(value) !== undefined, problem("size"));

const price = z.strictObject({
  gbMonth: z.number().min(0).meta({ description: "For a GB (10⁹ bytes) a month." }),
  thousandRequests: z.number().min(0).optional().meta({ description: "For a thousand requests that write." }),
  currency: z
    .string()
    .regex(/^[A-Z]{3}$/, { error: "currency" })
    .optional()
    .meta({ examples: ["EUR", "CNY"] }),
});

const named = <T extends z.ZodType>(names: readonly string[], type: T): Record<string, z.ZodOptional<T>> =>
  Object.fromEntries(names.map((one) => [one, type.optional()]));

const credentials = z
  .strictObject({
    ...named(credentialNames.secret, secret),
    ...named([...credentialNames.plain, ...credentialNames.path], text),
  })
  .meta({
    id: "credentials",
    description: "The login, in place of the environment's variables of these names: secrets by reference.",
    examples: [{ AWS_ACCESS_KEY_ID: "file:./key-id", AWS_SECRET_ACCESS_KEY: "systemd:s3-secret" }],
  });

const repository = z.strictObject({
  location: text.meta({ description: "Where backups are kept.", examples: ["./backups"] }),
  password: secret,
  credentials: credentials.optional(),
  lock: lock.optional().meta({ description: "Nobody can destroy backups for a while, if the storage can do that." }),
  cold: text.optional().meta({
    description: "Class of the storage that bulk data goes to; it may have to be thawed before a restore.",
    examples: ["GLACIER_IR", "DEEP_ARCHIVE"],
  }),
  parity: parity.optional().meta({ description: "Further files from which lost or damaged packs are made anew." }),
  price: price.optional().meta({ description: "What storing there costs, for `holdfast advise`." }),
  capacity: size.optional().meta({ description: "All there is room for; absent: what a local disk has left." }),
});

const copy = repository.extend({
  name: name.meta({ description: "What this copy is called: `holdfast copy --to NAME`, `--repository NAME`." }),
  retention: retentionSchema.optional().meta({ description: "What is kept in this copy." }),
});

const cache = z.strictObject({
  use: z
    .enum(["auto", "always", "never"])
    .optional()
    .meta({ description: "`auto` (the default): for a repository that is not on a local disk." }),
  size: size.optional().meta({ description: "Most that is kept, of all repositories together.", examples: ["1GiB"] }),
});

const limits = z.strictObject({
  read: rate.optional().meta({ description: "Most that is read from the CRM a second." }),
  write: rate.optional().meta({ description: "Most that is written a second." }),
  rows: z.int().min(1).optional().meta({ description: "Most rows a second that a database is asked for, or given." }),
  connections: z.int().min(1).max(64).optional().meta({
    description: "Sessions of a database's server that read rows; absent: two of PostgreSQL, one of MariaDB.",
  }),
  busy: z.enum(["yield", "ignore"]).optional().meta({
    description: "While others use the database's server: `yield` (the default) so that they hardly feel it, or not.",
  }),
  workers: z.int().min(1).max(64).optional().meta({ description: "Worker threads; absent: one a processor." }),
  upload: rate.optional().meta({ description: "Most that is sent to a storage elsewhere a second." }),
  download: rate.optional().meta({ description: "Most that is fetched from a storage elsewhere a second." }),
  requests: z.int().min(1).max(64).optional().meta({
    description: "Most requests at once to a storage elsewhere; absent: what suits it, five for most.",
  }),
  timeout: z.int().min(1).max(3600).optional().meta({
    description: "Seconds without a sign of life after which a request is tried again; absent: 60.",
  }),
  log: z
    .string()
    .regex(new RegExp(sizePattern), { error: "size" })
    .refine((value) => parseRate(value) !== undefined, problem("size"))
    .optional()
    .meta({
      description: "Most of its log that a database server may keep for `holdfast follow`.",
      examples: ["8GiB"],
    }),
  priority: z.enum(["low", "normal"]).optional().meta({ description: "`low` (the default): the CRM goes first." }),
});

export const configSchema = z
  .strictObject({
    crm: crm.optional(),
    crms: z.array(crm).min(1).optional().meta({ description: "In place of `crm`, where there are several." }),
    repository,
    copies: z
      .array(copy)
      .optional()
      .meta({ description: "Further repositories that `holdfast copy` fills, each with a password of its own." }),
    retention: retentionSchema.optional(),
    rpo: rpo
      .optional()
      .meta({ description: "From a commit to its place in the repository, with `holdfast follow`; absent: 1s." }),
    limits: limits.optional(),
    service: serviceSchema.optional().meta({ description: "What `holdfast serve` does, and when." }),
    alerts: alertsSchema.optional().meta({ description: "Who is told when something is wrong." }),
    cache: cache.optional().meta({ description: "Indexes and trees of the repository, kept on local disk." }),
    language: z.enum(["en", "zh-CN"]).optional().meta({ description: "Language of messages." }),
    search: z.enum(["indexed", "plain"]).optional().meta({
      description: "`plain`: nothing is written for searches, which then read all rows. Absent: `indexed`.",
    }),
    timezone: z
      .string()
      .refine(isTimeZone, problem("timezone"))
      .optional()
      .meta({ description: "IANA name; absent: the machine's.", examples: ["Europe/Berlin", "Asia/Shanghai"] }),
  })
  .meta({ title: "holdfast.yaml", description: "What Holdfast backs up, and where to." });

export type WrittenConfig = z.infer<typeof configSchema>;
export type WrittenCrm = z.infer<typeof crm>;

/** The JSON Schema that `docs/holdfast.schema.json` ships and `config schema` prints. */
export function configJsonSchema(): Record<string, unknown> {
  const { $schema, ...rest } = z.toJSONSchema(configSchema, { io: "input" });
  return {
    $schema,
    ...rest,
    // "One of crm and crms" is checked by `load.ts` with a sentence of its own; editors learn it here.
    oneOf: [{ required: ["crm"] }, { required: ["crms"] }],
  };
}
