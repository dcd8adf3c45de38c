/** What stands in a column, and so what is put in its place. `mentions`: only of who is named in it; `keep`: it is left as it is. */
export const anonymiseKinds = [
  "name",
  "email",
  "phone",
  "address",
  "place",
  "code",
  "text",
  "mentions",
  "url",
  "date",
  "empty",
  "keep",
] as const;

export type AnonymiseKind = (typeof anonymiseKinds)[number];
