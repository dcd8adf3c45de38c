import type { Manifest } from "../contents/manifest.ts";
import type { CrmDescription, PlacedParts } from "../crm/platform.ts";
import { shownUrl } from "../database/shown-url.ts";
import { isHoldfastError } from "../lib/errors.ts";
import type { Warning } from "../lib/events.ts";
import { platformNamed, type Engine } from "./engine.ts";
import type { RestorePlan } from "./restore-plan.ts";

/**
 * Of parts that go back to where they were backed up, those that the CRM has somewhere else by now, as its configuration here says: a
 * folder was moved, or the database went to another server.
 */
export async function movedPlaces(
  engine: Engine,
  crms: readonly CrmDescription[] | undefined,
  { crm, databases, folders, config }: Manifest,
  parts: RestorePlan["parts"],
): Promise<readonly Warning[]> {
  const description = crms?.find(({ name, platform }) => name === crm.name && platform === crm.platform);
  if (!description) return [];
  const here = await placesHere(engine, description);
  const now = new Map<string, string>([
    ...here.databases.map(({ name, url }) => [`database ${name}`, url] as const),
    ...here.folders.map(({ name, path }) => [`folder ${name}`, path] as const),
    ...(here.config ?? []).map(({ name, path }) => [`config ${name}`, path] as const),
  ]);
  const then = [
    ...databases.map(({ name, location }) => ({ kind: "database", name, place: location })),
    ...folders.map(({ name, path }) => ({ kind: "folder", name, place: path })),
    ...config.map(({ name, path }) => ({ kind: "config", name, place: path })),
  ];
  return then.flatMap(({ kind, name, place }): Warning[] => {
    const detail = now.get(`${kind} ${name}`);
    const isWritten = parts.some((part) => part.kind === kind && part.name === name && part.action !== "skip");
    if (!isWritten || detail === undefined || withoutLogin(detail) === withoutLogin(place)) return [];
    return [{ code: "place-moved", subject: shownUrl(place), detail: shownUrl(detail) }];
  });
}

/** Another user of the same database is the same place. */
function withoutLogin(place: string): string {
  return place.replace(/^(\w+:\/\/)[^/?#]*@/, "$1");
}

/** A CRM that is half there may not tell all: then what `holdfast.yaml` says must do. */
async function placesHere(engine: Engine, description: CrmDescription): Promise<PlacedParts> {
  try {
    return await platformNamed(engine, description.platform).parts(description);
  } catch (error) {
    if (!isHoldfastError(error)) throw error;
    const { database, files } = description;
    return { databases: database === undefined ? [] : [{ name: "main", url: database }], folders: files };
  }
}
