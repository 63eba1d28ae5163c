// The flows of the packets that were read last, found by interface, protocol, addresses and ports. Once a packet: nothing is
// allocated. An open hash table of numbers of entries, whose fields lie in typed arrays. The two ends of a flow are its low
// and its high one, by their bytes, so that packets of both directions find the same entry.
//
// What an entry counts is taken out as a part of a flow after each savefile (parts.ts); the entry stays, so that the next
// savefile's packets know who opened it. When the table is full it is emptied: merge.ts puts parts together again.
import { addressText4, addressText6 } from '../decode/address.ts';
import { type PacketDecoder, PROTOCOL_ICMP, PROTOCOL_ICMPV6, PROTOCOL_TCP } from '../decode/packet.ts';

/** 120 bytes each, and four for twice as many slots. */
const MOST_FLOWS = 524_288;

const SYN = 2;
const ACK = 16;
const WELL_KNOWN = 1024;
/** Words of a key: interface, protocol and family, ports, and 4 for each address, of which IPv4 has one. */
const KEY_WORDS = 12;
const NO_PORT = -1;

export class FlowTable {
  /** Entries that there may be, a power of two. */
  readonly #most: number;
  /** Number of the entry that `find` found, and whether the packet goes from its low end to its high one. */
  entry = 0;
  fromLow = true;
  /** By entry. */
  readonly ids: Float64Array;
  readonly first: Float64Array;
  readonly last: Float64Array;
  /** 1: the low end opened it. */
  readonly lowOpened: Uint8Array;
  readonly syn: Uint8Array;
  readonly ipIds: Int32Array;
  readonly ttls: Int16Array;
  /** By entry, from its low end (2 * entry) and from its high one: since they were taken out last. */
  readonly packets: Int32Array;
  readonly bytes: Float64Array;
  readonly flags: Uint8Array;
  #size = 0;
  readonly #keys: Int32Array;
  /** One more than the number of an entry, 0 for none. */
  readonly #slots: Int32Array;
  readonly #key: Int32Array = new Int32Array(KEY_WORDS);
  readonly #addresses: Uint8Array = new Uint8Array(32);

  constructor(most: number = MOST_FLOWS) {
    this.#most = most;
    this.ids = new Float64Array(most);
    this.first = new Float64Array(most);
    this.last = new Float64Array(most);
    this.lowOpened = new Uint8Array(most);
    this.syn = new Uint8Array(most);
    this.ipIds = new Int32Array(most);
    this.ttls = new Int16Array(most);
    this.packets = new Int32Array(2 * most);
    this.bytes = new Float64Array(2 * most);
    this.flags = new Uint8Array(2 * most);
    this.#keys = new Int32Array(KEY_WORDS * most);
    this.#slots = new Int32Array(2 * most);
  }

  get size(): number {
    return this.#size;
  }

  get full(): boolean {
    return this.#size === this.#most;
  }

  /** Counts a packet that has addresses, and sets `entry` and `fromLow`. Not when `full`. `time`: microseconds. */
  count(packet: PacketDecoder, bytes: Uint8Array, time: number): void {
    this.#find(packet, bytes);
    const { entry } = this;
    if ((this.packets[2 * entry] ?? 0) + (this.packets[2 * entry + 1] ?? 0) === 0) {
      this.first[entry] = time;
      this.last[entry] = time;
    } else if (time > (this.last[entry] ?? 0)) this.last[entry] = time;
    else if (time < (this.first[entry] ?? 0)) this.first[entry] = time;
    const end = 2 * entry + (this.fromLow ? 0 : 1);
    this.packets[end] = (this.packets[end] ?? 0) + 1;
    this.bytes[end] = (this.bytes[end] ?? 0) + packet.ipLength;
    if (packet.tcpFlags > 0) this.flags[end] = (this.flags[end] ?? 0) | packet.tcpFlags;
    if (this.ttls[entry] === -1 && this.fromLow === (this.lowOpened[entry] === 1)) {
      this.ttls[entry] = packet.ttl;
      this.ipIds[entry] = packet.ipId;
    }
  }

  /** Sets what an entry has counted to nothing. */
  forget(entry: number): void {
    for (let end = 2 * entry; end <= 2 * entry + 1; end++) {
      this.packets[end] = 0;
      this.bytes[end] = 0;
      this.flags[end] = 0;
    }
  }

  clear(): void {
    this.#size = 0;
    this.#slots.fill(0);
  }

  ifindexOf(entry: number): number {
    return this.#keys[entry * KEY_WORDS] ?? 0;
  }

  /** -1: not known. */
  protocolOf(entry: number): number {
    return ((this.#keys[entry * KEY_WORDS + 1] ?? 0) & 0x1ff) - 1;
  }

  addressOf(entry: number, low: boolean): string {
    const at = entry * KEY_WORDS + 4 + (low ? 0 : 4);
    const bytes = this.#addresses;
    const family = (this.#keys[entry * KEY_WORDS + 1] ?? 0) >> 9;
    for (let word = 0; word < 4; word++) {
      const value = this.#keys[at + word] ?? 0;
      bytes[4 * word] = value >>> 24;
      bytes[4 * word + 1] = value >>> 16;
      bytes[4 * word + 2] = value >>> 8;
      bytes[4 * word + 3] = value;
    }
    return family === 4 ? addressText4(bytes, 0) : addressText6(bytes, 0);
  }

  /** -1: none. */
  portOf(entry: number, low: boolean): number {
    return this.#keys[entry * KEY_WORDS + (low ? 2 : 3)] ?? NO_PORT;
  }

  #find(packet: PacketDecoder, bytes: Uint8Array): void {
    const key = this.#key;
    this.#setKey(packet, bytes);
    // Two sums of 32 bits (the mixing of MurmurHash3), one for the slot, both for the number of 53 bits.
    let low = 0x9747b28c;
    let high = 0x1b873593;
    for (let word = 0; word < KEY_WORDS; word++) {
      const value = key[word] ?? 0;
      low = mix(low, value);
      high = mix(high ^ 0x38b34ae5, value);
    }
    low = finish(low);
    high = finish(high);
    const mask = this.#slots.length - 1;
    for (let slot = low & mask; ; slot = (slot + 1) & mask) {
      const found = this.#slots[slot] ?? 0;
      if (found === 0) {
        this.#slots[slot] = this.#size + 1;
        this.#add(packet, (high >>> 11) * 2 ** 32 + (low >>> 0));
        return;
      }
      if (this.#isKey(found - 1)) {
        this.entry = found - 1;
        return;
      }
    }
  }

  #isKey(entry: number): boolean {
    const at = entry * KEY_WORDS;
    for (let word = 0; word < KEY_WORDS; word++) if (this.#keys[at + word] !== this.#key[word]) return false;
    return true;
  }

  #add(packet: PacketDecoder, id: number): void {
    const entry = this.#size++;
    this.entry = entry;
    this.#keys.set(this.#key, entry * KEY_WORDS);
    this.ids[entry] = id;
    this.lowOpened[entry] = opens(packet) === this.fromLow ? 1 : 0;
    this.syn[entry] =
      packet.protocol === PROTOCOL_TCP && (packet.tcpFlags & (SYN | ACK)) === SYN && packet.tcpFlags >= 0 ? 1 : 0;
    this.ttls[entry] = -1;
    this.ipIds[entry] = -1;
    this.forget(entry);
  }

  #setKey(packet: PacketDecoder, bytes: Uint8Array): void {
    const key = this.#key;
    const { family, sourceAt, destinationAt, sourcePort, destinationPort } = packet;
    const words = family === 4 ? 1 : 4;
    this.fromLow = isLower(bytes, sourceAt, destinationAt, 4 * words, sourcePort, destinationPort);
    const [lowAt, highAt] = this.fromLow ? [sourceAt, destinationAt] : [destinationAt, sourceAt];
    // The kernel has no more; a forged header may.
    key[0] = packet.ifindex & 0x7fffffff;
    key[1] = (family << 9) | (packet.protocol + 1);
    key[2] = this.fromLow ? sourcePort : destinationPort;
    key[3] = this.fromLow ? destinationPort : sourcePort;
    for (let word = 0; word < 4; word++) {
      key[4 + word] = word < words ? i32(bytes, lowAt + 4 * word) : 0;
      key[8 + word] = word < words ? i32(bytes, highAt + 4 * word) : 0;
    }
  }
}

/**
 * Whether the sender of a flow's first packet is who opened it. A SYN and its answer say so, an echo reply, and a port below
 * 1024 at one end only, which is the server's; else it is who was seen first.
 */
function opens({ protocol, tcpFlags, icmpType, sourcePort, destinationPort }: PacketDecoder): boolean {
  if (protocol === PROTOCOL_TCP && tcpFlags !== -1 && (tcpFlags & SYN) !== 0) return (tcpFlags & ACK) === 0;
  if (protocol === PROTOCOL_ICMP) return icmpType !== 0;
  if (protocol === PROTOCOL_ICMPV6) return icmpType !== 129;
  return !(sourcePort !== NO_PORT && sourcePort < WELL_KNOWN && destinationPort >= WELL_KNOWN);
}

function isLower(
  bytes: Uint8Array,
  sourceAt: number,
  destinationAt: number,
  length: number,
  sourcePort: number,
  destinationPort: number,
): boolean {
  for (let at = 0; at < length; at++) {
    const difference = (bytes[sourceAt + at] ?? 0) - (bytes[destinationAt + at] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return sourcePort <= destinationPort;
}

function i32(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);
}

function mix(sum: number, word: number): number {
  const mixed = Math.imul(word, 0xcc9e2d51);
  const turned = sum ^ Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593);
  return (Math.imul((turned << 13) | (turned >>> 19), 5) + 0xe6546b64) | 0;
}

function finish(sum: number): number {
  let mixed = Math.imul(sum ^ (sum >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
