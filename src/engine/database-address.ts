import type { CrmDescription, CrmParts } from "../crm/platform.ts";
import type { DatabaseAddress } from "../database/database.ts";
import { isHoldfastError } from "../lib/errors.ts";
import { databaseEngineFor, platformNamed, type Engine } from "./engine.ts";

/** A database's URL together with its password, where one is known for that server and user. */
export type AddressOf = (url: string) => DatabaseAddress;

/**
 * Passwords come from the reference in `holdfast.yaml`, else from the CRM's own configuration. They serve every database
 * of the same server and user, and no other server is ever given them. Where none is known, the engine looks where its
 * own client would.
 */
export async function addressesOf(
  engine: Engine,
  description: CrmDescription,
  { databases }: Pick<CrmParts, "databases">,
  signal: AbortSignal,
): Promise<AddressOf> {
  const reference = description.databasePassword;
  const given = reference === undefined ? undefined : await engine.readSecret(reference, signal);
  const known = new Map(databases.map(({ url, password }) => [loginOf(url), given ?? password]));
  return (url) => {
    const password = databaseEngineFor(engine, url).home.kind === "server" ? known.get(loginOf(url)) : undefined;
    return { url, ...(password !== undefined && { password }) };
  };
}

/**
 * The same for a restore or an undo, which may be on another machine or have no `holdfast.yaml`: what the descriptions
 * that are here say of this CRM. A CRM that is half there has no password to tell, which is no reason to stop.
 */
export async function addressesFor(
  engine: Engine,
  crms: readonly CrmDescription[] | undefined,
  crm: string,
  signal: AbortSignal,
): Promise<AddressOf> {
  const description = crms?.find(({ name }) => name === crm);
  if (!description) return (url) => ({ url });
  try {
    const parts = await platformNamed(engine, description.platform).parts(description);
    return await addressesOf(engine, description, parts, signal);
  } catch (error) {
    if (!isHoldfastError(error) || error.code === "config-secret") throw error;
    // On an empty machine there is no configuration of the CRM yet: what `holdfast.yaml` says must do.
    const { database } = description;
    const databases = database === undefined ? [] : [{ name: "main", url: database }];
    return await addressesOf(engine, description, { databases }, signal);
  }
}

/** `postgresql://user@host:5432/crm?sslmode=require` without the name of the database. */
function loginOf(url: string): string {
  return url.replace(/^([a-z][a-z0-9+.-]*:\/\/[^/?#]*)\/[^?#]*/i, "$1/");
}
