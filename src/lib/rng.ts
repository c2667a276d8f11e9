// Chance as an argument: whatever needs randomness takes an Rng, so that a test can repeat it.
// The only file that calls Math.random.
import { mix } from "./hash.ts";

/** A source of random numbers. Not for secrets. */
export interface Rng {
  /** The next number, uniform in [0, 1). */
  next(): number;
}

const TWO_POW_32 = 4_294_967_296;

// The author of sfc32 discards the first outputs of a seeding, 12 of them.
const WARM_UP = 12;

/**
 * A repeatable generator: the same seed gives the same numbers on every machine.
 *
 * The algorithm is sfc32 (Chris Doty-Humphrey, PractRand, public domain): 128 bits of state, of
 * which 32 are a counter, so that the period is at least 2^32; 32-bit integer operations only.
 *
 * @param seed any integer; its low 32 bits count
 * @returns numbers in [0, 1), multiples of 2^-32
 */
export function seededRng(seed: number): Rng {
  // Neighbouring seeds are spread apart.
  let a = mix(seed | 0);
  let b = mix(a ^ 0x9e3779b9);
  let c = mix(b ^ 0x85ebca6b);
  let counter = 1;

  const next = (): number => {
    const out = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + out) | 0;
    return (out >>> 0) / TWO_POW_32;
  };

  for (let i = 0; i < WARM_UP; i++) next();
  return { next };
}

/** The runtime's own generator, seeded by the system: for production. */
export function systemRng(): Rng {
  return { next: () => Math.random() };
}
