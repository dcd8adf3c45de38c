import { isTime } from "../format/time.ts";
import { HoldfastError } from "../lib/errors.ts";

/**
 * Checks JSON that was read from a repository. A repository is hostile: whoever can write to it can write anything, so
 * nothing of it is used before its shape is known. Unknown fields are left out, which lets newer releases add some.
 */
export type Check<T> = (value: unknown, at: string) => T;

export type Checked<C> = C extends Check<infer T> ? T : never;

type Fields = Readonly<Record<string, Check<unknown>>>;
type OptionalKeys<F extends Fields> = { [K in keyof F]: undefined extends Checked<F[K]> ? K : never }[keyof F];
type ObjectOf<F extends Fields> = {
  readonly [K in Exclude<keyof F, OptionalKeys<F>>]: Checked<F[K]>;
} & {
  readonly [K in OptionalKeys<F>]?: Exclude<Checked<F[K]>, undefined>;
};

export function damaged(subject: string, detail: string): HoldfastError {
  return new HoldfastError("repository-damaged", { subject, detail });
}

/** Parses and checks one JSON text; fails with `repository-damaged` naming `subject` and the field. */
export function parseChecked<T>(text: string, check: Check<T>, subject: string): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw damaged(subject, "JSON");
  }
  return check(value, subject);
}

export const text: Check<string> = (value, at) => {
  if (typeof value !== "string") throw damaged(at, "text");
  return value;
};

/** RFC 3339, in UTC. */
export const utcTime: Check<string> = (value, at) => {
  if (typeof value !== "string" || !value.endsWith("Z") || !isTime(value)) throw damaged(at, "time");
  return value;
};

/** 0 … 2^53-1. */
export const count: Check<number> = (value, at) => {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) throw damaged(at, "count");
  return value;
};

export const hexId: Check<string> = (value, at) => {
  if (typeof value !== "string" || !/^[0-9a-f]{64}$/.test(value)) throw damaged(at, "id");
  return value;
};

export const truth: Check<boolean> = (value, at) => {
  if (typeof value !== "boolean") throw damaged(at, "boolean");
  return value;
};

export const scalar: Check<string | number> = (value, at) => {
  if (typeof value !== "string" && typeof value !== "number") throw damaged(at, "scalar");
  return value;
};

export function oneOf<const T extends string | number>(values: readonly T[]): Check<T> {
  return (value, at) => {
    const found = values.find((one) => one === value);
    if (found === undefined) throw damaged(at, "choice");
    return found;
  };
}

export function optional<T>(check: Check<T>): Check<T | undefined> {
  return (value, at) => (value === undefined ? undefined : check(value, at));
}

export function list<T>(check: Check<T>): Check<readonly T[]> {
  return (value, at) => {
    if (!Array.isArray(value)) throw damaged(at, "list");
    return value.map((item: unknown, index) => check(item, `${at}[${index}]`));
  };
}

export function record<T>(check: Check<T>): Check<Readonly<Record<string, T>>> {
  return (value, at) => {
    const entries = Object.entries(plainObject(value, at));
    return Object.fromEntries(entries.map(([key, item]) => [key, check(item, `${at}.${key}`)]));
  };
}

export function object<F extends Fields>(fields: F): Check<ObjectOf<F>> {
  return (value, at) => {
    const given = plainObject(value, at);
    const result: Record<string, unknown> = {};
    for (const [key, check] of Object.entries(fields)) {
      const checked = check(Object.hasOwn(given, key) ? given[key] : undefined, `${at}.${key}`);
      if (checked !== undefined) result[key] = checked;
    }
    return result as ObjectOf<F>;
  };
}

function plainObject(value: unknown, at: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw damaged(at, "object");
  return value as Record<string, unknown>;
}
