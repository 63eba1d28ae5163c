// Turns the packets of a retired block into savefile records, in place. Called by the ring source for every block.
//
//   before  | descriptor | hdr sll … packet 1 … | hdr sll … packet 2 … | hdr sll … packet 3 … |
//   after   | descriptor | record 1 | record 2 | record 3 | whatever is left …               |
//
// A record (16 bytes, a cooked header of up to 20, a VLAN tag of 4) is always shorter than what lies before a packet in
// the ring (68 bytes at least), so writing never overtakes reading, and a block becomes one contiguous piece that one
// write(2) takes. That a block's contents are sane is not believed but checked: every offset and length before its use,
// so that a corrupt block ends in a FormatError, never in a wild read or an endless walk.
import {
  sockaddr_ll,
  TP_STATUS_VLAN_TPID_VALID,
  TP_STATUS_VLAN_VALID,
  tpacket_block_desc,
  tpacket3_hdr,
} from '../../native/if_packet.ts';
import { type Precision, RECORD_HEADER_LENGTH, record } from '../../savefile/header.ts';
import { cookedLength, LINKTYPE_LINUX_SLL2, vlanTagOffset } from '../../savefile/linktype.ts';
import { LATE_NSEC, type Limits } from '../../savefile/sink.ts';
import type { SpanWalk } from '../span-offer.ts';
import type { Block } from './block.ts';
import { writeSll, writeSll2 } from './cooked.ts';

// Offsets as constants of this module: V8 then compiles them into the loop, where it would look up an imported object's
// property for each packet (npm run bench -- micro).
const { tp_next_offset, tp_sec, tp_nsec, tp_snaplen, tp_len, tp_status, tp_mac, tp_vlan_tci, tp_vlan_tpid } =
  tpacket3_hdr;
const { sec: recordSec, fraction: recordFraction, caplen: recordCaplen, len: recordLen } = record;
const RECORD_HEADER = RECORD_HEADER_LENGTH;

const SLL = tpacket3_hdr.sizeof;
/** tpacket3_hdr, then sockaddr_ll: no packet's bytes begin before that. */
const HEADERS = SLL + sockaddr_ll.sizeof;
const ETH_P_8021Q = 0x8100;
const VLAN_TAG = 4;
const EMPTY = new Uint8Array(0);
const LATE_FROM_NSEC = 1e9 - LATE_NSEC;
/** Of the packets behind one that was not plain, so many are walked here, as those of a VLAN come in numbers. */
const BEHIND_SPECIAL = 32;
const LAST_SEC = 0xffffffff;

export interface RecordFormat {
  readonly linktype: number;
  /** No record keeps more bytes than this, cooked header and VLAN tag included. */
  readonly snaplen: number;
  readonly precision: Precision;
}

export class BlockWalk implements SpanWalk {
  // RecordSpan: what the last compact() made.
  bytes: Uint8Array = EMPTY;
  records = 0;
  late = 0;
  firstSec = 0;
  firstNsec = 0;
  lastSec = 0;
  lastNsec = 0;
  /** Packets of the block that are not yet records. */
  left = 0;

  readonly #snaplen: number;
  readonly #cooked: number;
  readonly #sll2: boolean;
  readonly #tagAt: number;
  readonly #nano: boolean;
  #block: Block | undefined;
  #at = 0;
  #out = 0;
  #end = 0;

  constructor(format: RecordFormat) {
    this.#snaplen = format.snaplen;
    this.#cooked = cookedLength(format.linktype);
    this.#sll2 = format.linktype === LINKTYPE_LINUX_SLL2;
    this.#tagAt = vlanTagOffset(format.linktype);
    this.#nano = format.precision === 'nano';
  }

  /** Starts on a block that is ours. @throws FormatError */
  begin(block: Block): void {
    this.#block = block;
    this.#end = block.length;
    this.#at = block.firstPacket;
    this.#out = tpacket_block_desc.sizeof;
    this.left = block.packets;
  }

  /** The second of the next packet; only while `left` > 0. */
  get nextSec(): number {
    const block = this.#block;
    if (block === undefined) throw new Error('unreachable: nextSec before begin()');
    if (this.#at + HEADERS > this.#end) throw block.broken(this.#at, `a packet header before ${this.#end}`, this.#at);
    return block.view.getUint32(this.#at + tp_sec, true);
  }

  /**
   * Makes records of the next packets until the block ends or a record is beyond the limits, and describes them in the
   * fields of RecordSpan; none when the very next is beyond them.
   * Packets with nothing special are made records by the ring's compiled walk, where there is one. For all others, and for
   * all where there is none, the loop runs once a packet, and allocates nothing (native-notes/ring-walk.md, `npm run
   * bench:heap`). It reads all it needs of a tpacket3_hdr before it writes, because the first record of a block lies on its
   * own header; the sockaddr_ll behind that is out of reach of what is written before it is read.
   */
  compact(limits: Readonly<Limits>): void {
    const block = this.#block;
    if (block === undefined) throw new Error('unreachable: compact() before begin()');
    const { view, bytes, copy, start: ring } = block;
    const plain = this.#cooked === 0 || this.#sll2 ? block.plain : undefined;
    const { startSec, endSec } = limits;
    const snaplen = this.#snaplen;
    const cooked = this.#cooked;
    const tagAt = this.#tagAt;
    const nano = this.#nano;
    const end = this.#end;
    const stop = this.left > limits.records ? this.left - limits.records : 0;
    const start = this.#out;
    const before = this.left;
    const outEnd = Math.min(start + limits.bytes, bytes.length) | 0; // an int32, as all it is compared with
    const plainFrom = Math.max(startSec, 0) | 0;
    const plainTo = Math.min(endSec - 1, LAST_SEC) | 0;
    let plainBelow = endSec > startSec ? before : 0;
    let left = before;
    let at = this.#at;
    let out = start;
    let late = 0;
    let sec = 0;
    let nsec = 0;
    while (left > stop) {
      if (at + HEADERS > end) throw block.broken(at, `a packet header before ${end}`, at);
      const packetSec = view.getUint32(at + tp_sec, true);
      if (packetSec >= endSec) break;
      const packetNsec = view.getUint32(at + tp_nsec, true);
      if (plain !== undefined && left <= plainBelow) {
        const most = left - (stop === 0 ? 1 : stop); // without the block's last: its tp_next_offset means nothing
        const made = plain.walk(
          (ring + at) | 0,
          (ring + out) | 0,
          most,
          (ring + end) | 0,
          (ring + outEnd) | 0,
          plainFrom,
          plainTo,
          snaplen,
          nano ? 1 : 0,
          this.#sll2 ? 1 : 0,
        );
        if (made > 0 && left === before) {
          this.firstSec = packetSec;
          this.firstNsec = packetNsec;
        }
        left -= made;
        plainBelow = left - BEHIND_SPECIAL;
        if (made > 0) {
          at = (plain.at.value - ring) | 0;
          out = (plain.out.value - ring) | 0;
          sec = plain.sec.value >>> 0;
          nsec = plain.nsec.value >>> 0;
          continue;
        }
      }
      if (packetSec < startSec && (packetSec < startSec - 1 || packetNsec < LATE_FROM_NSEC)) break;
      const next = view.getUint32(at + tp_next_offset, true);
      const kept = view.getUint32(at + tp_snaplen, true);
      const wire = view.getUint32(at + tp_len, true);
      const mac = view.getUint16(at + tp_mac, true);
      if (mac < HEADERS || at + mac + kept > end) {
        throw block.broken(at, `a packet inside ${HEADERS} to ${end - at}`, mac + kept);
      }
      // The last packet's tp_next_offset is 0 or stale, so it is neither followed nor checked.
      if (left > 1 && (next < mac + kept || next % 8 !== 0)) {
        throw block.broken(at, `a next packet from ${mac + kept}`, next);
      }

      let tpid = 0;
      let tci = 0;
      if (tagAt >= 0) {
        const status = view.getUint32(at + tp_status, true);
        tci = view.getUint32(at + tp_vlan_tci, true);
        if ((tci !== 0 || (status & TP_STATUS_VLAN_VALID) !== 0) && cooked + kept >= tagAt) {
          tpid = view.getUint16(at + tp_vlan_tpid, true);
          if (tpid === 0 && (status & TP_STATUS_VLAN_TPID_VALID) === 0) tpid = ETH_P_8021Q;
        }
      }
      const tagged = tpid !== 0;
      let caplen = cooked + kept;
      let len = cooked + wire;
      if (tagged) {
        caplen += VLAN_TAG;
        len += VLAN_TAG;
      }
      if (caplen > snaplen) caplen = snaplen;

      let body = out + RECORD_HEADER;
      const bodyEnd = body + caplen;
      if (bodyEnd > outEnd) break;
      sec = packetSec;
      nsec = packetNsec;
      if (sec < startSec) late++;
      let from = at + mac;
      if (cooked !== 0) {
        if (this.#sll2) writeSll2(view, body, at + SLL);
        else writeSll(view, body, at + SLL);
        body += cooked;
      }
      view.setUint32(out + recordSec, sec, true);
      // With a 32-bit integer on both sides V8 compiles the store into the loop; else it is a call, of 8 ns a packet.
      view.setInt32(out + recordFraction, nano ? nsec | 0 : (nsec / 1000) | 0, true);
      view.setUint32(out + recordCaplen, caplen, true);
      view.setUint32(out + recordLen, len, true);
      if (tagged) {
        body = this.#insertTag(block, out + RECORD_HEADER, from, tpid, tci);
        from += cooked === 0 ? tagAt : 0;
      }
      if (bodyEnd > body) copy((ring + body) | 0, (ring + from) | 0, bodyEnd - body);
      if (left === before) {
        this.firstSec = sec;
        this.firstNsec = nsec;
      }
      out = bodyEnd;
      at += next;
      left--;
    }
    this.records = before - left;
    this.late = late;
    this.lastSec = sec;
    this.lastNsec = nsec;
    this.bytes = bytes.subarray(start, out);
    this.#at = at;
    this.#out = out;
    this.left = left;
  }

  /** Puts the tag where tcpdump does and returns where the packet's remaining bytes go. */
  #insertTag(block: Block, body: number, from: number, tpid: number, tci: number): number {
    const { view, copy, start: ring } = block;
    const tag = body + this.#tagAt;
    if (this.#cooked === 0) copy(ring + body, ring + from, this.#tagAt);
    else view.setUint16(tag + VLAN_TAG, view.getUint16(tag)); // SLL's protocol moves behind the tag
    view.setUint16(tag, tpid, false);
    view.setUint16(tag + 2, tci, false);
    return tag + VLAN_TAG + (this.#cooked === 0 ? 0 : 2);
  }
}
