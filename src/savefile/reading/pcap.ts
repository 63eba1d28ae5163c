// Reads pcap savefiles (pcap-savefile(5)) as libpcap 1.10 does: both byte orders, micro- and nanoseconds, versions 2.0 to
// 2.4 and 543.0, and the "modified" format of Alexey Kuznetzov, whose record headers are 8 bytes longer.
//
// Records are handed on where they were read. A file of this machine's own making is only walked, 3 ns a record; in any
// other one the record headers are rewritten in place. Where a record gets shorter, those behind it move up.
import { SavefileError } from '../../errors.ts';
import { FILE_HEADER_LENGTH, type Precision, RECORD_HEADER_LENGTH, record } from '../header.ts';
import { longestCaplen, outputLinktype } from '../linktype.ts';
import { FormatReader } from './format-reader.ts';
import { hostOrder, type InHostOrder } from './host-order.ts';
import type { Input } from './input.ts';
import type { RecordRun } from './record-run.ts';

const MICRO_MAGIC = 0xa1b2c3d4;
const NANO_MAGIC = 0xa1b23c4d;
const MODIFIED_MAGIC = 0xa1b2cd34;
const MAGICS: readonly number[] = [MICRO_MAGIC, NANO_MAGIC, MODIFIED_MAGIC];
const MODIFIED_HEADER_LENGTH = 24;
/** libpcap's allowance for a capture in cooked mode to which an Ethernet header was added. */
const MODIFIED_EXTRA = 14;
const INT_MAX = 0x7fffffff;
/** The upper bits of the link type say how long the FCS is. */
const LINKTYPE_MASK = 0x03ffffff;
const LINKTYPE_ETHERNET = 1;
/** DG/UX. */
const STRANGE_VERSION = 543;

/** Whether, and in which byte order, the first four bytes are those of a pcap savefile. */
export function isPcap(view: DataView, at: number): boolean {
  return MAGICS.includes(view.getUint32(at, true)) || MAGICS.includes(view.getUint32(at, false));
}

export class PcapReader extends FormatReader {
  readonly linktype: number;
  readonly bigEndian: boolean;
  readonly snaplen: number;
  readonly precision: Precision;
  readAs: Precision;
  readonly #littleEndian: boolean;
  readonly #headerLength: number;
  /** `len` before `caplen`: always, never, or where caplen would be larger than len. */
  readonly #swappedLengths: 'yes' | 'no' | 'perhaps';
  /** More than this is taken for damage. */
  readonly #maximum: number;
  readonly #toHostOrder: InHostOrder | undefined;

  /** Resolves when the file header is read; `input` is at its start. Rejects with SavefileError, SyscallError. */
  static async open(input: Input): Promise<PcapReader> {
    if (!(await input.has(FILE_HEADER_LENGTH)))
      throw new SavefileError(
        input.name,
        input.offset,
        // libpcap counts the bytes behind the magic.
        `truncated dump file; tried to read ${FILE_HEADER_LENGTH} file header bytes, only got ${input.end - input.at - 4}`,
      );
    return new PcapReader(input);
  }

  private constructor(input: Input) {
    super(input);
    const { view, at, offset } = input;
    this.#littleEndian = MAGICS.includes(view.getUint32(at, true));
    this.bigEndian = !this.#littleEndian;
    const magic = view.getUint32(at, this.#littleEndian);
    const major = view.getUint16(at + 4, this.#littleEndian);
    const minor = view.getUint16(at + 6, this.#littleEndian);
    if (major < 2) throw new SavefileError(this.name, offset, 'archaic pcap savefile format');
    if (!(major === 2 && minor <= 4) && !(major === STRANGE_VERSION && minor === 0))
      throw new SavefileError(this.name, offset, `unsupported pcap savefile version ${major}.${minor}`);
    const linktype = view.getUint32(at + 20, this.#littleEndian);
    const type = outputLinktype(linktype & LINKTYPE_MASK);
    this.linktype = ((linktype & ~LINKTYPE_MASK) | type) >>> 0;
    this.#maximum = longestCaplen(type);
    const snaplen = view.getUint32(at + 16, this.#littleEndian);
    const sane = snaplen === 0 || snaplen > INT_MAX ? this.#maximum : snaplen;
    const modified = magic === MODIFIED_MAGIC;
    this.snaplen = modified && type === LINKTYPE_ETHERNET ? Math.min(sane + MODIFIED_EXTRA, INT_MAX) : sane;
    this.#headerLength = modified ? MODIFIED_HEADER_LENGTH : RECORD_HEADER_LENGTH;
    this.precision = magic === NANO_MAGIC ? 'nano' : 'micro';
    this.readAs = this.precision;
    this.#swappedLengths = major === 2 && minor > 3 ? 'no' : major === 2 && minor === 3 ? 'perhaps' : 'yes';
    this.#toHostOrder = hostOrder(type, !this.#littleEndian);
    input.at += FILE_HEADER_LENGTH;
  }

  get #isNative(): boolean {
    return (
      this.#littleEndian &&
      this.#headerLength === RECORD_HEADER_LENGTH &&
      this.#swappedLengths === 'no' &&
      this.#toHostOrder === undefined &&
      this.readAs === this.precision
    );
  }

  /** The whole records at hand. */
  protected walk(): RecordRun {
    const { bytes, view, at: start, end } = this.input;
    const limit = Math.min(this.#maximum, this.snaplen);
    let at = start;
    let last = start;
    let records = 0;
    if (this.#isNative) {
      for (const lastHeader = end - RECORD_HEADER_LENGTH; at <= lastHeader; records++) {
        const caplen = view.getUint32(at + record.caplen, true);
        const next = at + RECORD_HEADER_LENGTH + caplen;
        if (caplen > limit || next > end) break;
        last = at;
        at = next;
      }
    }
    let out = at;
    // Goes on, and nearly always ends at once, with a record that is too long or not all here.
    for (;;) {
      const header = this.#header(at);
      if (header === undefined) break;
      const { data, caplen, next } = header;
      const kept = Math.min(caplen, this.snaplen);
      const from = data - RECORD_HEADER_LENGTH;
      view.setUint32(from + record.sec, header.sec, true);
      view.setUint32(from + record.fraction, header.fraction, true);
      view.setUint32(from + record.caplen, kept, true);
      view.setUint32(from + record.len, header.len, true);
      this.#toHostOrder?.(view, from, kept);
      if (from !== out) bytes.copyWithin(out, from, data + kept);
      last = out;
      out += RECORD_HEADER_LENGTH + kept;
      at = next;
      records++;
    }
    this.input.at = at;
    return { bytes, view, start, end: out, last, records, linktype: this.linktype };
  }

  /** The record at `at`, as this machine reads it; undefined where it is not all here, or damaged. */
  #header(at: number): Header | undefined {
    const { view, end } = this.input;
    const data = at + this.#headerLength;
    if (data > end) return undefined;
    const little = this.#littleEndian;
    let caplen = view.getUint32(at + record.caplen, little);
    let len = view.getUint32(at + record.len, little);
    if (this.#swappedLengths === 'yes' || (this.#swappedLengths === 'perhaps' && caplen > len))
      [caplen, len] = [len, caplen];
    if (caplen > this.#maximum) {
      const bound = caplen > this.snaplen ? `snaplen of ${this.snaplen}` : `maximum of ${this.#maximum}`;
      const offset = this.input.offset + at - this.input.at;
      this.damage = new SavefileError(
        this.name,
        offset,
        `invalid packet capture length ${caplen}, bigger than ${bound}`,
      );
      return undefined;
    }
    const next = data + caplen;
    if (next > end) return undefined;
    const fraction = inPrecision(view.getUint32(at + record.fraction, little), this.precision, this.readAs);
    return { sec: view.getUint32(at + record.sec, little), fraction, caplen, len, data, next };
  }

  /** What libpcap says of the bytes behind the last whole record, undefined when there are none. */
  protected truncated(): SavefileError | undefined {
    const { view, at, end, offset } = this.input;
    const got = end - at;
    if (got === 0) return undefined;
    const truncated = (wanted: string, only: number): SavefileError =>
      new SavefileError(this.name, offset, `truncated dump file; tried to read ${wanted} bytes, only got ${only}`);
    if (got < this.#headerLength) return truncated(`${this.#headerLength} header`, got);
    const lengths = [
      view.getUint32(at + record.caplen, this.#littleEndian),
      view.getUint32(at + record.len, this.#littleEndian),
    ];
    const [first = 0, second = 0] = lengths;
    const swapped = this.#swappedLengths === 'yes' || (this.#swappedLengths === 'perhaps' && first > second);
    const caplen = swapped ? second : first;
    const data = got - this.#headerLength;
    return truncated(`${caplen > this.snaplen && data < this.snaplen ? this.snaplen : caplen} captured`, data);
  }
}

interface Header {
  readonly sec: number;
  readonly fraction: number;
  readonly caplen: number;
  readonly len: number;
  /** Where the packet begins and ends. */
  readonly data: number;
  readonly next: number;
}

/** As libpcap does, in 32 bits. Nanoseconds from 2^31 on, which are none, it takes for negative before 1.10.5. */
function inPrecision(fraction: number, from: Precision, to: Precision): number {
  if (from === to) return fraction;
  if (to === 'nano') return Math.imul(fraction, 1000) >>> 0;
  return Math.floor(fraction / 1000);
}
