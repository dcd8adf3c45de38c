export type Affinity = "integer" | "text" | "blob" | "real" | "numeric";

/** What a column does to values stored in it, by its declared type (https://sqlite.org/datatype3.html §3.1). */
export function affinity(type: string, strict: boolean): Affinity {
  const declared = type.toUpperCase();
  if (strict && declared === "ANY") return "blob";
  if (declared.includes("INT")) return "integer";
  if (["CHAR", "CLOB", "TEXT"].some((part) => declared.includes(part))) return "text";
  if (declared === "" || declared.includes("BLOB")) return "blob";
  if (["REAL", "FLOA", "DOUB"].some((part) => declared.includes(part))) return "real";
  return "numeric";
}
