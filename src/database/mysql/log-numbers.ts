/** Numbers and times as MariaDB and MySQL keep them in their logs, as text. */

const digitBytes = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4];

function bytesOf(digits: number): number {
  return Math.floor(digits / 9) * 4 + (digitBytes[digits % 9] ?? 0);
}

/** How many bytes a DECIMAL has. */
export function decimalBytes(precision: number, scale: number): number {
  return bytesOf(precision - scale) + bytesOf(scale);
}

/** Groups of nine digits in four bytes, high first; a negative number is inverted. */
export function decimalText(bytes: Buffer, precision: number, scale: number): string {
  const whole = precision - scale;
  const raw = Buffer.from(bytes);
  const negative = ((raw[0] ?? 0) & 0x80) === 0;
  raw[0] = (raw[0] ?? 0) ^ 0x80;
  if (negative) for (let at = 0; at < raw.length; at++) raw[at] = (raw[at] ?? 0) ^ 0xff;
  let at = 0;
  const group = (digits: number): string => {
    const length = digits === 9 ? 4 : (digitBytes[digits] ?? 0);
    const value = length === 0 ? 0 : raw.readUIntBE(at, length);
    at += length;
    return String(value).padStart(digits, "0");
  };
  let integral = whole % 9 > 0 ? group(whole % 9) : "";
  for (let left = Math.floor(whole / 9); left > 0; left--) integral += group(9);
  let fraction = "";
  for (let left = Math.floor(scale / 9); left > 0; left--) fraction += group(9);
  if (scale % 9 > 0) fraction += group(scale % 9);
  const text = integral.replace(/^0+(?=.)/, "") || "0";
  return `${negative ? "-" : ""}${text}${scale > 0 ? `.${fraction}` : ""}`;
}

/** SQL of a DOUBLE, by which the server says how it writes it. */
export function doubleSql(value: number): string {
  return `CAST(${Object.is(value, -0) ? "-" : ""}${value.toExponential()} AS DOUBLE)`;
}

export function two(value: number): string {
  return String(value).padStart(2, "0");
}

export function dateText(year: number, month: number, day: number): string {
  return `${String(year).padStart(4, "0")}-${two(month)}-${two(day)}`;
}

/** A date with a time, or a time alone, of 64 bits: as MySQL keeps them in JSON, to the millionth of a second. */
export function packedTime(packed: bigint, what: "date" | "time" = "date"): string {
  const value = packed < 0n ? -packed : packed;
  const clock = Number((value >> 24n) & 0x1_ffffn);
  const behind = `:${two((clock >> 6) & 63)}:${two(clock & 63)}.${String(value & 0xff_ffffn).padStart(6, "0")}`;
  if (what === "time") return `${packed < 0n ? "-" : ""}${two((Number(value >> 24n) >> 12) & 1023)}${behind}`;
  const days = Number(value >> 41n);
  const months = days >> 5;
  return `${dateText(Math.floor(months / 13), months % 13, days & 31)} ${two(clock >> 12)}${behind}`;
}
