import type { CustomAttachment } from "../crm/platform.ts";
import { Document, type Node, type YAMLMap, isMap, isPair, isScalar } from "yaml";

/** What `init` writes. Paths as they shall stand in the file: relative ones are relative to it. */
export interface ConfigDraft {
  readonly crm: {
    readonly name: string;
    readonly platform: string;
    readonly configuration?: string;
    readonly database?: string;
    readonly files?: readonly string[] | Readonly<Record<string, string>>;
    readonly attachments?: readonly CustomAttachment[];
  };
  readonly repository: { readonly location: string; readonly password: string };
}

/** Sentences above the parts of the file: `words` has them. A line may be several. */
export interface ConfigComments {
  readonly head: string;
  readonly crm: string;
  readonly database: string;
  readonly files: string;
  readonly repository: string;
  readonly password: string;
  readonly more: string;
}

/** The text of a new `holdfast.yaml`: reads back as what was drafted. `schema` is a path or URL for editors. */
export function writeConfig(draft: ConfigDraft, comments: ConfigComments, schema: string): string {
  const { name, platform, configuration, database, files, attachments } = draft.crm;
  const document = new Document({
    crm: {
      name,
      platform,
      ...(configuration === undefined ? {} : { configuration }),
      ...(database === undefined ? {} : { database }),
      ...(files === undefined ? {} : { files }),
      ...(attachments === undefined ? {} : { attachments }),
    },
    repository: { ...draft.repository },
  });
  commentAbove(document, ["crm"], comments.crm);
  commentAbove(document, ["crm", "database"], comments.database);
  commentAbove(document, ["crm", "files"], comments.files);
  commentAbove(document, ["repository"], comments.repository);
  commentAbove(document, ["repository", "password"], comments.password);
  document.commentBefore = ` yaml-language-server: $schema=${schema}\n${asComment(comments.head)}`;
  document.comment = asComment(comments.more);
  return document.toString({ lineWidth: 0 });
}

function commentAbove(document: Document, path: readonly string[], text: string): void {
  const map = document.getIn(path.slice(0, -1));
  const pairs = (isMap(map) ? map : path.length === 1 ? (document.contents as YAMLMap) : undefined)?.items ?? [];
  for (const pair of pairs) {
    if (!isPair(pair) || !isScalar(pair.key) || pair.key.value !== path.at(-1)) continue;
    const key: Node = pair.key;
    key.commentBefore = asComment(text);
    // Above the first, there is a blank line already.
    if (path.length === 1 && pair !== pairs[0]) key.spaceBefore = true;
  }
}

function asComment(text: string): string {
  return text
    .split("\n")
    .map((line) => ` ${line}`)
    .join("\n");
}
