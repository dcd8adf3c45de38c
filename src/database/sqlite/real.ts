/**
 * Reals as text that any reader turns back into the same 64 bits: `r<mantissa>p<exponent>`, meaning mantissa × 2^exponent
 * with the smallest mantissa in magnitude that is whole and odd: 0.1 is `r3602879701896397p-55`. Decimal text would not do: the
 * text-to-real conversion of SQLite before 3.47 is not correctly rounded, while its shell's `ieee754(M,E)` is exact.
 * Infinity is `r1p1024` (which `ieee754` also makes of it), zero `r0p0`, minus zero `r-0`. SQLite stores no NaN.
 */
export function createRealEncoder(): (value: number) => string {
  const view = new DataView(new ArrayBuffer(8));
  return (value) => {
    if (value === 0) return Object.is(value, -0) ? "r-0" : "r0p0";
    view.setFloat64(0, value);
    const high = view.getUint32(0);
    const low = view.getUint32(4);
    const sign = high >>> 31 === 1 ? "-" : "";
    const biased = (high >>> 20) & 0x7ff;
    if (biased === 0x7ff) return `r${sign}1p1024`;
    // IEEE 754 binary64: 52 fraction bits, an implied leading one unless subnormal, bias 1023.
    const top = (high & 0xfffff) | (biased === 0 ? 0 : 0x100000);
    const exponent = (biased === 0 ? 1 : biased) - 1075;
    const zeros = low === 0 ? 32 + trailingZeros(top) : trailingZeros(low);
    const mantissa = (top * 0x1_0000_0000 + low) / 2 ** zeros;
    return `r${sign}${mantissa}p${exponent + zeros}`;
  };
}

/** Undefined when `field` is not what the encoder makes. */
export function decodeReal(field: string): number | undefined {
  if (field === "r-0") return -0;
  const match = /^r(-?\d{1,16})p(-?\d{1,4})$/.exec(field);
  if (match === null) return undefined;
  const mantissa = Number(match[1]);
  const exponent = Number(match[2]);
  // In two exact steps below the normal range: 2 ** -1074 alone is fine, mantissa × 2 ** exponent might round twice.
  return exponent < -1022
    ? mantissa * powerOfTwo(exponent + 1022) * powerOfTwo(-1022)
    : mantissa * powerOfTwo(exponent);
}

/** 2^exponent for exponents from −1022 up, built from its bits; from 1024 up it is Infinity. */
function powerOfTwo(exponent: number): number {
  if (exponent > 1023) return Infinity;
  const view = new DataView(new ArrayBuffer(8));
  view.setUint32(0, (Math.max(exponent, -1022) + 1023) << 20);
  return view.getFloat64(0);
}

function trailingZeros(word: number): number {
  return 31 - Math.clz32(word & -word);
}
