import { randomBytes } from "node:crypto";

/**
 * Polynomials over GF(2), as numbers whose bits are the coefficients. restic cuts files with one that each repository
 * holds in its config, and refuses to open a repository whose polynomial is not irreducible. Holdfast cuts with another
 * hash (`chunker.ts`) but must leave a valid one for restic.
 */
const degree = 53;

/** A random irreducible polynomial of degree 53 with constant term 1; about 1 candidate in 26 is one. */
export function randomPolynomial(): bigint {
  for (;;) {
    const random = BigInt(`0x${randomBytes(8).toString("hex")}`);
    const candidate = BigInt.asUintN(degree, random) | (1n << BigInt(degree)) | 1n;
    if (isIrreducible(candidate)) return candidate;
  }
}

/** Ben-Or's test: irreducible if and only if gcd(f, x^(2^i) − x) is 1 for every i up to half the degree. */
export function isIrreducible(polynomial: bigint): boolean {
  const top = degreeOf(polynomial);
  if (top < 1) return false;
  let power = 2n;
  for (let i = 1; i <= Math.floor(top / 2); i++) {
    power = squareModulo(power, polynomial);
    if (greatestCommonDivisor(polynomial, power ^ 2n) !== 1n) return false;
  }
  return true;
}

function degreeOf(polynomial: bigint): number {
  return polynomial === 0n ? -1 : polynomial.toString(2).length - 1;
}

function remainder(dividend: bigint, divisor: bigint): bigint {
  const divisorDegree = degreeOf(divisor);
  let rest = dividend;
  for (let at = degreeOf(rest); at >= divisorDegree; at = degreeOf(rest)) rest ^= divisor << BigInt(at - divisorDegree);
  return rest;
}

/** Squaring over GF(2) puts a zero between any two coefficients. */
function squareModulo(polynomial: bigint, modulus: bigint): bigint {
  return remainder(BigInt(`0b${polynomial.toString(2).split("").join("0")}`), modulus);
}

function greatestCommonDivisor(left: bigint, right: bigint): bigint {
  let [a, b] = [left, right];
  while (b !== 0n) [a, b] = [b, remainder(a, b)];
  return a;
}
