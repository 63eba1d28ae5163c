// What an Interface Description Block says of the times of its packets: a number of 64 bits counts units of if_tsresol, a
// negative power of 10 or of 2, from if_tsoffset seconds after 1970.
import type { Precision } from '../header.ts';

const OPTION_END = 0;
const IF_TSRESOL = 9;
const IF_TSOFFSET = 14;
const MICRO = 1e6;
const NANO = 1e9;

export class TimeScale {
  /** What the times are fit for. */
  readonly precision: Precision;
  readAs: Precision;
  /** Of the time that was converted last; in 32 bits, as records have them. */
  sec = 0;
  fraction = 0;
  readonly #unitsPerSec: bigint;
  readonly #offsetSec: bigint;
  /** The same as a number where all of the arithmetic has 53 bits, else 0. */
  readonly #small: number;
  readonly #smallOffset: number;

  constructor(unitsPerSec: bigint, offsetSec: bigint) {
    this.#unitsPerSec = unitsPerSec;
    this.#offsetSec = offsetSec;
    this.precision = unitsPerSec > BigInt(MICRO) ? 'nano' : 'micro';
    this.readAs = this.precision;
    // Of the resolutions that files have, these need no fractions of the units that are asked for.
    this.#small = unitsPerSec <= BigInt(MICRO) || unitsPerSec === BigInt(NANO) ? Number(unitsPerSec) : 0;
    this.#smallOffset = Number(BigInt.asUintN(32, offsetSec));
  }

  convert(high: number, low: number): void {
    const unitsPerSec = this.#small;
    const wanted = this.readAs === 'nano' ? NANO : MICRO;
    if (unitsPerSec === 0) {
      this.#convertExactly(high, low, BigInt(wanted));
      return;
    }
    // Long division, in digits of 16 bits.
    let rest = 0;
    let sec = 0;
    for (const digit of [high >>> 16, high & 0xffff, low >>> 16, low & 0xffff]) {
      rest = rest * 65536 + digit;
      const quotient = Math.floor(rest / unitsPerSec);
      rest -= quotient * unitsPerSec;
      sec = (sec * 65536 + quotient) % 4294967296;
    }
    this.sec = (sec + this.#smallOffset) >>> 0;
    this.fraction = unitsPerSec === wanted ? rest : Math.floor((rest * wanted) / unitsPerSec);
  }

  #convertExactly(high: number, low: number, wanted: bigint): void {
    const units = (BigInt(high) << 32n) | BigInt(low);
    this.sec = Number(BigInt.asUintN(32, units / this.#unitsPerSec + this.#offsetSec));
    this.fraction = Number(((units % this.#unitsPerSec) * wanted) / this.#unitsPerSec);
  }
}

/** The options from `at` to `end`. What is wrong with them comes back as text, in libpcap's words. */
export function readInterfaceOptions(
  view: DataView,
  at: number,
  end: number,
  littleEndian: boolean,
): TimeScale | string {
  let unitsPerSec: bigint | undefined;
  let offsetSec: bigint | undefined;
  for (let option = at; option < end; ) {
    if (option + 4 > end) return TOO_SHORT;
    const code = view.getUint16(option, littleEndian);
    const length = view.getUint16(option + 2, littleEndian);
    const value = option + 4;
    option = value + ((length + 3) & ~3);
    if (option > end) return TOO_SHORT;
    if (code === OPTION_END) {
      if (length !== 0) return wrongLength('opt_endofopt', length, 0);
      break;
    }
    if (code === IF_TSRESOL) {
      if (length !== 1) return wrongLength('if_tsresol', length, 1);
      if (unitsPerSec !== undefined) return twice('if_tsresol');
      const exponent = view.getUint8(value) & 0x7f;
      const base = exponent === view.getUint8(value) ? 10 : 2;
      if (exponent > (base === 2 ? 63 : 19))
        return `Interface Description Block if_tsresol option resolution ${base}^-${exponent} is too high`;
      unitsPerSec = BigInt(base) ** BigInt(exponent);
    }
    if (code === IF_TSOFFSET) {
      if (length !== 8) return wrongLength('if_tsoffset', length, 8);
      if (offsetSec !== undefined) return twice('if_tsoffset');
      offsetSec = view.getBigInt64(value, littleEndian);
    }
  }
  return new TimeScale(unitsPerSec ?? BigInt(MICRO), offsetSec ?? 0n);
}

const TOO_SHORT = 'block of type 1 in pcapng dump file is too short';

function wrongLength(option: string, length: number, expected: number): string {
  return `Interface Description Block has ${option} option with length ${length} != ${expected}`;
}

function twice(option: string): string {
  return `Interface Description Block has more than one ${option} option`;
}
