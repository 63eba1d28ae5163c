// Reads pcapng (draft-ietf-opsawg-pcapng): one section or more of either byte order, with interfaces that each have their
// link type, resolution and offset; enhanced, simple and obsolete packet blocks; all other blocks are skipped. Each
// packet becomes the record of a pcap savefile where it lies: its header goes before the packet, and both move up.
import { SavefileError } from '../../errors.ts';
import { type Precision, RECORD_HEADER_LENGTH, record } from '../header.ts';
import { longestCaplen, outputLinktype } from '../linktype.ts';
import { FormatReader } from './format-reader.ts';
import { hostOrder, type InHostOrder } from './host-order.ts';
import type { Input } from './input.ts';
import { readInterfaceOptions, type TimeScale } from './pcapng-interface.ts';
import type { RecordRun } from './record-run.ts';

const SECTION_HEADER = 0x0a0d0d0a;
const INTERFACE_DESCRIPTION = 1;
const OBSOLETE_PACKET = 2;
const SIMPLE_PACKET = 3;
const ENHANCED_PACKET = 6;
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;

/** Type and length before a block's body, and the length again behind it. */
const BLOCK_HEADER = 8;
const BLOCK_OVERHEAD = 12;
/** Of what every block of its type has between these. */
const SECTION_BODY = 16;
const INTERFACE_BODY = 8;
const PACKET_BODY = 20;
const SIMPLE_BODY = 4;
/** What libpcap takes for sane. */
const LARGEST_SECTION_HEADER = 1024 * 1024;
const LARGEST_BLOCK = 16 * 1024 * 1024;
const MOST_OPTIONS = 131072;
const INT_MAX = 0x7fffffff;

interface Interface {
  readonly linktype: number;
  readonly snaplen: number;
  readonly scale: TimeScale;
  readonly toHostOrder: InHostOrder | undefined;
}

/** Whether a file that begins so is pcapng; `available` bytes are there. */
export function isPcapng(view: DataView, at: number, available: number): boolean {
  if (available < 12 || view.getUint32(at, true) !== SECTION_HEADER) return false;
  return view.getUint32(at + 8, true) === BYTE_ORDER_MAGIC || view.getUint32(at + 8, false) === BYTE_ORDER_MAGIC;
}

export class PcapngReader extends FormatReader {
  linktype = 0;
  bigEndian = false;
  snaplen = 0;
  precision: Precision = 'micro';
  #readAs: Precision = 'micro';
  #littleEndian = true;
  /** Of this section. */
  #interfaces: Interface[] = [];
  #largestBlock = LARGEST_BLOCK;

  private constructor(input: Input) {
    super(input);
  }

  /** Resolves when the first interface is known. Rejects with SavefileError, SyscallError. */
  static async open(input: Input): Promise<PcapngReader> {
    const reader = new PcapngReader(input);
    await reader.#open();
    return reader;
  }

  get readAs(): Precision {
    return this.#readAs;
  }

  set readAs(precision: Precision) {
    this.#readAs = precision;
    for (const each of this.#interfaces) each.scale.readAs = precision;
  }

  async #open(): Promise<void> {
    const input = this.input;
    for (let first = true; this.#interfaces.length === 0; first = false) {
      const length = await this.#wholeBlock();
      if (length === undefined)
        throw new SavefileError(this.name, input.offset, 'the capture file has no Interface Description Blocks');
      const type = input.view.getUint32(input.at, this.#littleEndian);
      if (type === ENHANCED_PACKET || type === SIMPLE_PACKET || type === OBSOLETE_PACKET)
        this.#damaged(input.at, 'the capture file has a packet block before any Interface Description Blocks');
      if (type === SECTION_HEADER) this.#beginSection(input.at, length, first);
      if (type === INTERFACE_DESCRIPTION) this.#addInterface(input.at, length);
      if (this.damage !== undefined) throw this.damage;
      input.at += length;
    }
    const [first] = this.#interfaces;
    if (first === undefined) throw new Error('unreachable: no interface');
    this.linktype = first.linktype;
    this.bigEndian = !this.#littleEndian;
    await this.#moreInterfaces();
    this.snaplen = Math.max(...this.#interfaces.map(({ snaplen }) => snaplen));
    this.precision = this.#interfaces.some(({ scale }) => scale.precision === 'nano') ? 'nano' : 'micro';
    this.readAs = this.precision;
  }

  /** Those that follow the first at once, as in nearly all files, so that what is said of the file holds for all of them. */
  async #moreInterfaces(): Promise<void> {
    const input = this.input;
    while (this.damage === undefined) {
      const length = this.#block(input.at);
      // What fails here fails again when packets are read, and then all before it has been given.
      if (length === undefined && this.damage === undefined && (await input.more().catch(() => false))) continue;
      if (length === undefined || input.view.getUint32(input.at, this.#littleEndian) !== INTERFACE_DESCRIPTION) return;
      this.#addInterface(input.at, length);
      if (this.damage === undefined) input.at += length;
    }
  }

  /** Its length; undefined at the end of the file. */
  async #wholeBlock(): Promise<number | undefined> {
    for (;;) {
      const length = this.#block(this.input.at);
      if (this.damage !== undefined) throw this.damage;
      if (length !== undefined) return length;
      if (await this.input.more()) continue;
      const truncated = this.truncated();
      if (truncated !== undefined) throw truncated;
      return undefined;
    }
  }

  /** Makes records of the packets in the whole blocks at hand, up to the first of another link type. */
  protected walk(): RecordRun {
    const input = this.input;
    const { bytes, view } = input;
    const start = input.at - RECORD_HEADER_LENGTH;
    let at = input.at;
    let out = start;
    let last = start;
    let records = 0;
    let linktype = this.linktype;
    const longest = this.snaplen;
    for (;;) {
      const length = this.#block(at);
      if (length === undefined) break;
      const little = this.#littleEndian;
      const type = view.getUint32(at, little);
      let data = at + BLOCK_HEADER + PACKET_BODY;
      let number = 0;
      let caplen = 0;
      let len = 0;
      let high = 0;
      let low = 0;
      if (type === ENHANCED_PACKET || type === OBSOLETE_PACKET) {
        if (length < BLOCK_OVERHEAD + PACKET_BODY) {
          this.#tooShort(at, type);
          break;
        }
        number = type === ENHANCED_PACKET ? view.getUint32(at + 8, little) : view.getUint16(at + 8, little);
        high = view.getUint32(at + 12, little);
        low = view.getUint32(at + 16, little);
        caplen = view.getUint32(at + 20, little);
        len = view.getUint32(at + 24, little);
      } else if (type === SIMPLE_PACKET) {
        if (length < BLOCK_OVERHEAD + SIMPLE_BODY) {
          this.#tooShort(at, type);
          break;
        }
        data = at + BLOCK_HEADER + SIMPLE_BODY;
        len = view.getUint32(at + 8, little);
        caplen = Math.min(len, this.#interfaces[0]?.snaplen ?? len);
      } else {
        if (type === SECTION_HEADER) this.#beginSection(at, length, false);
        if (type === INTERFACE_DESCRIPTION) this.#addInterface(at, length);
        if (this.damage !== undefined) break;
        at += length;
        continue;
      }
      const from = this.#interfaces[number];
      if (from === undefined || caplen > from.snaplen || caplen > longest || data + caplen > at + length - 4) {
        this.#badPacket(at, type, number, caplen);
        break;
      }
      if (records === 0) linktype = from.linktype;
      else if (from.linktype !== linktype) break;
      const header = data - RECORD_HEADER_LENGTH;
      const { scale } = from;
      scale.convert(high, low);
      view.setUint32(header + record.sec, scale.sec, true);
      view.setUint32(header + record.fraction, scale.fraction, true);
      view.setUint32(header + record.caplen, caplen, true);
      view.setUint32(header + record.len, len, true);
      from.toHostOrder?.(view, header, caplen);
      bytes.copyWithin(out, header, data + caplen);
      last = out;
      out += RECORD_HEADER_LENGTH + caplen;
      at += length;
      records++;
    }
    input.at = at;
    return { bytes, view, start, end: out, last, records, linktype };
  }

  /** The length of the block at `at`; undefined where it is not all here, or damaged. */
  #block(at: number): number | undefined {
    const { view, end } = this.input;
    if (at + BLOCK_HEADER > end) return undefined;
    if (view.getUint32(at, true) === SECTION_HEADER) {
      if (at + BLOCK_OVERHEAD > end) return undefined;
      // With neither it stays as it was: libpcap looks at the block's length first.
      for (const little of [true, false])
        if (view.getUint32(at + BLOCK_HEADER, little) === BYTE_ORDER_MAGIC) this.#littleEndian = little;
    }
    const length = view.getUint32(at + 4, this.#littleEndian);
    // libpcap reads the first block in another way than the rest.
    const first = this.input.offset + at - this.input.at === 0;
    if (first) {
      if (!this.#isSectionLength(at, length)) return undefined;
      return at + length > end ? undefined : length;
    }
    if (length < BLOCK_OVERHEAD)
      return this.#damaged(at, `block in pcapng dump file has a length of ${length} < ${BLOCK_OVERHEAD}`);
    if (length % 4 !== 0)
      return this.#damaged(at, `block in pcapng dump file has a length of ${length} that is not a multiple of 4`);
    if (length > this.#largestBlock)
      return this.#damaged(at, `pcapng block size ${length} > maximum ${this.#largestBlock}`);
    if (at + length > end) return undefined;
    if (view.getUint32(at + length - 4, this.#littleEndian) !== length)
      return this.#damaged(at, "block total length in header and trailer don't match");
    return length;
  }

  #beginSection(at: number, length: number, first: boolean): void {
    const { view } = this.input;
    const little = this.#littleEndian;
    if (length < BLOCK_OVERHEAD + SECTION_BODY) this.#tooShort(at, SECTION_HEADER);
    else if (view.getUint32(at + BLOCK_HEADER, little) !== BYTE_ORDER_MAGIC)
      this.#damaged(at, 'the file has a section with a bad byte order magic field');
    else {
      const major = view.getUint16(at + 12, little);
      const minor = view.getUint16(at + 14, little);
      if (first && (major !== 1 || (minor !== 0 && minor !== 2)))
        this.#damaged(at, `unsupported pcapng savefile version ${major}.${minor}`);
      else if (major !== 1) this.#damaged(at, `unknown pcapng savefile major version number ${major}`);
    }
    this.#interfaces = [];
  }

  #isSectionLength(at: number, length: number): boolean {
    const least = BLOCK_OVERHEAD + SECTION_BODY;
    if (length >= least && length <= LARGEST_SECTION_HEADER) return true;
    this.#damaged(
      at,
      `Section Header Block in pcapng dump file has invalid length ${least} < _${length}_ < ${LARGEST_SECTION_HEADER} (BT_SHB_INSANE_MAX)`,
    );
    return false;
  }

  #addInterface(at: number, length: number): void {
    const { view } = this.input;
    const little = this.#littleEndian;
    if (length < BLOCK_OVERHEAD + INTERFACE_BODY) {
      this.#tooShort(at, INTERFACE_DESCRIPTION);
      return;
    }
    const linktype = outputLinktype(view.getUint16(at + 8, little));
    const snaplen = view.getUint32(at + 12, little);
    const longest = longestCaplen(linktype);
    const scale = readInterfaceOptions(view, at + BLOCK_HEADER + INTERFACE_BODY, at + length - 4, little);
    if (typeof scale === 'string') {
      this.#damaged(at, scale);
      return;
    }
    scale.readAs = this.#readAs;
    this.#largestBlock = Math.max(this.#largestBlock, BLOCK_OVERHEAD + PACKET_BODY + longest + MOST_OPTIONS);
    this.#interfaces.push({
      linktype,
      snaplen: snaplen === 0 || snaplen > INT_MAX ? longest : snaplen,
      scale,
      toHostOrder: hostOrder(linktype, !little),
    });
  }

  #badPacket(at: number, type: number, number: number, caplen: number): void {
    const from = this.#interfaces[number];
    if (from === undefined)
      this.#damaged(
        at,
        `a packet arrived on interface ${number}, but there's no Interface Description Block for that interface`,
      );
    else if (caplen > from.snaplen)
      this.#damaged(at, `invalid packet capture length ${caplen}, bigger than snaplen of ${from.snaplen}`);
    else if (caplen > this.snaplen)
      this.#damaged(
        at,
        `an interface has a snapshot length ${from.snaplen} different from the snapshot length of the first interface`,
      );
    else this.#tooShort(at, type);
  }

  #tooShort(at: number, type: number): void {
    this.#damaged(at, `block of type ${type} in pcapng dump file is too short`);
  }

  #damaged(at: number, text: string): undefined {
    const { name, at: origin, offset } = this.input;
    this.damage = new SavefileError(name, offset + at - origin, text);
  }

  /** What libpcap says of the bytes behind the last whole block, undefined when there are none. */
  protected truncated(): SavefileError | undefined {
    const { view, at, end, offset } = this.input;
    const got = end - at;
    if (got === 0) return undefined;
    // In how many steps libpcap reads a block: of the first one it has seen the byte order as well.
    const begun = offset === 0 ? BLOCK_OVERHEAD : BLOCK_HEADER;
    const wanted = got < begun ? begun : view.getUint32(at + 4, this.#littleEndian) - begun;
    const only = got < begun ? got : got - begun;
    return new SavefileError(
      this.name,
      offset,
      `truncated pcapng dump file; tried to read ${wanted} bytes, only got ${only}`,
    );
  }
}
