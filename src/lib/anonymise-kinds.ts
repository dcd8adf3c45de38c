/** What stands in a column, and so what is put in its place. `keep`: it is left as it is. */
export const anonymiseKinds = [
  "name",
  "email",
  "phone",
  "address",
  "place",
  "code",
  "text",
  "url",
  "date",
  "empty",
  "keep",
] as const;

export type AnonymiseKind = (typeof anonymiseKinds)[number];
