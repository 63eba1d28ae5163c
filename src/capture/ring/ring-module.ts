// The WebAssembly module that works on a ring's memory: `copy`, and `walk` for plain packets; ring-memory.ts makes it and says
// what they promise.
//
// `walk` is the block walk's loop for what most packets are, check for check, in one function: no call a packet, no number
// that might have more than 32 bits, 16 bytes moved an instruction (native-notes/ring-memory.md). Whatever is not plain it
// leaves to the block walk, which alone knows tags, late packets, and what is to be said of a broken block.
import { sockaddr_ll, TP_STATUS_VLAN_VALID, tpacket3_hdr } from '../../native/if_packet.ts';
import { RECORD_HEADER_LENGTH, record } from '../../savefile/header.ts';
import { cookedLength, LINKTYPE_LINUX_SLL2 } from '../../savefile/linktype.ts';
import * as wasm from './wasm-code.ts';
import { add, type Code, constant, get, leaveIf, set, sub } from './wasm-code.ts';

/** The fewest bytes that `copyLong` moves. */
const SHORTEST = 16;

/**
 * 16 bytes a turn, from local `from` to local `to`, which it changes. The last 16 are moved as such, which moves some of them
 * twice: what was stored before ends at least 16 below them.
 */
function copyLong(to: number, from: number, length: number, last: number): Code {
  return [
    ...set(last, sub(add(get(from), get(length)), constant(16))),
    ...wasm.loop(
      leaveIf(wasm.isZero(wasm.lessUnsigned(get(from), get(last)))),
      wasm.store128(get(to), 0, wasm.load128(get(from), 0)),
      set(to, add(get(to), constant(16))),
      set(from, add(get(from), constant(16))),
    ),
    ...wasm.store128(add(sub(get(to), get(from)), get(last)), 0, wasm.load128(get(last), 0)),
  ];
}

function copyBody(): Code[] {
  const [to, from, length, last] = [0, 1, 2, 3];
  const short = wasm.copyMemory(get(to), get(from), get(length));
  return [
    wasm.when(wasm.lessUnsigned(get(length), constant(SHORTEST)), short, wasm.RETURN),
    copyLong(to, from, length, last),
  ];
}

/** Big-endian, of a little-endian word. */
function swapped16(word: Code): Code {
  const low = wasm.shiftLeft(wasm.and(word, constant(0xff)), constant(8));
  return wasm.or(low, wasm.shiftRightUnsigned(word, constant(8)));
}

function swapped32(word: Code): Code {
  const odd = wasm.and(wasm.rotateLeft(word, constant(8)), constant(0x00ff00ff));
  return wasm.or(odd, wasm.and(wasm.rotateLeft(word, constant(24)), constant(0xff00ff00 | 0)));
}

const SLL2_LENGTH = cookedLength(LINKTYPE_LINUX_SLL2);

/** As writeSll2 of cooked.ts: at local `to`, from the sockaddr_ll behind the packet's header at local `at`. */
function writeSll2(to: number, at: number): Code {
  const { sll_protocol, sll_ifindex, sll_hatype, sll_pkttype, sll_halen, sll_addr } = sockaddr_ll;
  const sll = tpacket3_hdr.sizeof;
  const halen = wasm.load8(get(at), sll + sll_halen);
  const address = wasm.load64(get(at), sll + sll_addr);
  const bits = wasm.extendUnsigned(wasm.shiftLeft(halen, constant(3)));
  const mask = wasm.sub64(wasm.shiftLeft64(wasm.ONE_64, bits), wasm.ONE_64);
  const cut = wasm.select(wasm.lessUnsigned(halen, constant(8)), wasm.and64(address, mask), address);
  return [
    wasm.store32(get(to), 0, wasm.load16(get(at), sll + sll_protocol)), // big-endian already, and two bytes of 0
    wasm.store32(get(to), 4, swapped32(wasm.load32(get(at), sll + sll_ifindex))),
    wasm.store16(get(to), 8, swapped16(wasm.load16(get(at), sll + sll_hatype))),
    wasm.store8(get(to), 10, wasm.load8(get(at), sll + sll_pkttype)),
    wasm.store8(get(to), 11, halen),
    wasm.store64(get(to), 12, cut),
  ].flat();
}

function walkBody(): Code[] {
  const [at, out, count, end, outEnd, firstSec, lastSec, snaplen, nano, sll2] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
  const [left, cooked, room, sec, nsec, len, kept, mac, next] = [10, 11, 12, 13, 14, 15, 16, 17, 18];
  const [caplen, length, to, from, last, madeSec, madeNsec] = [19, 20, 21, 22, 23, 24, 25];
  const { tp_next_offset, tp_sec, tp_nsec, tp_snaplen, tp_len, tp_status, tp_mac, tp_vlan_tci } = tpacket3_hdr;
  const headers = constant(tpacket3_hdr.sizeof + sockaddr_ll.sizeof);
  const valid = wasm.and(wasm.load32(get(at), tp_status), constant(TP_STATUS_VLAN_VALID));
  const tag = wasm.or(wasm.load32(get(at), tp_vlan_tci), valid);
  const micro = wasm.divideUnsigned(get(nsec), constant(1000));
  return [
    set(left, get(count)),
    set(cooked, wasm.select(get(sll2), constant(SLL2_LENGTH), constant(0))),
    wasm.loop(
      leaveIf(wasm.isZero(get(left))),
      set(room, sub(get(end), get(at))),
      leaveIf(wasm.lessUnsigned(get(room), headers)),
      set(sec, wasm.load32(get(at), tp_sec)),
      leaveIf(wasm.lessUnsigned(get(sec), get(firstSec))),
      leaveIf(wasm.moreUnsigned(get(sec), get(lastSec))),
      leaveIf(wasm.select(get(sll2), constant(0), tag)),
      set(mac, wasm.load16(get(at), tp_mac)),
      leaveIf(wasm.lessUnsigned(get(mac), headers)),
      set(kept, wasm.load32(get(at), tp_snaplen)),
      leaveIf(wasm.moreUnsigned(get(kept), get(room))), // so the sum of mac and kept is one
      set(next, wasm.load32(get(at), tp_next_offset)),
      leaveIf(wasm.lessUnsigned(get(next), add(get(mac), get(kept)))),
      leaveIf(wasm.moreUnsigned(get(next), get(room))),
      leaveIf(wasm.and(get(next), constant(7))),
      set(caplen, add(get(cooked), get(kept))),
      set(caplen, wasm.select(wasm.lessUnsigned(get(caplen), get(snaplen)), get(caplen), get(snaplen))),
      set(length, sub(get(caplen), get(cooked))),
      leaveIf(wasm.lessSigned(get(length), constant(SHORTEST))),
      set(to, add(get(out), constant(RECORD_HEADER_LENGTH))),
      leaveIf(wasm.lessSigned(sub(get(outEnd), get(to)), get(caplen))),
      // All that is needed of a packet's header is read before its record is written, which may lie on it.
      set(nsec, wasm.load32(get(at), tp_nsec)),
      set(len, add(get(cooked), wasm.load32(get(at), tp_len))),
      wasm.store32(get(out), record.sec, get(sec)),
      wasm.store32(get(out), record.fraction, wasm.select(get(nano), get(nsec), micro)),
      wasm.store32(get(out), record.caplen, get(caplen)),
      wasm.store32(get(out), record.len, get(len)),
      set(out, add(get(to), get(caplen))),
      wasm.when(get(sll2), writeSll2(to, at), set(to, add(get(to), constant(SLL2_LENGTH)))),
      set(from, add(get(at), get(mac))),
      copyLong(to, from, length, last),
      set(madeSec, get(sec)),
      set(madeNsec, get(nsec)),
      set(at, add(get(at), get(next))),
      set(left, sub(get(left), constant(1))),
    ),
    ...[at, out, madeSec, madeNsec].map((local, global) => wasm.setGlobal(global, get(local))),
    sub(get(count), get(left)),
  ];
}

/** Exports `copy`, `walk`, and the four numbers of which PlainWalk says what they are. */
export const RING_MODULE: Uint8Array = wasm.wasmModule(
  ['ring', 'memory'],
  ['at', 'out', 'sec', 'nsec'],
  [
    { name: 'copy', parameters: 3, results: 0, locals: 1, body: copyBody() },
    { name: 'walk', parameters: 10, results: 1, locals: 16, body: walkBody() },
  ],
);
