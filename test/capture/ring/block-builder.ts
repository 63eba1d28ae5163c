// Builds a retired TPACKET_V3 block in plain memory, laid out as the kernel does (tpacket_rcv, prb_fill_curr_block).
import { sockaddr_ll, TP_STATUS_USER, tpacket_block_desc, tpacket3_hdr } from '../../../src/native/if_packet.ts';

export interface BuiltPacket {
  readonly sec: number;
  readonly nsec: number;
  readonly bytes: Uint8Array;
  /** On the wire. */
  readonly len: number;
  readonly vlan?: { readonly tci: number; readonly tpid: number; readonly status: number } | undefined;
  readonly address?:
    | {
        readonly protocol: number;
        readonly ifindex: number;
        readonly hatype: number;
        readonly pkttype: number;
        readonly halen: number;
        /** Always 8 bytes: behind `halen` of them the kernel leaves what was there. */
        readonly address: Uint8Array;
      }
    | undefined;
}

export const BLOCK_SIZE: number = 64 * 1024;

/** Offset of each packet's header within the block, for tests that then damage it. */
export function buildBlock(
  packets: readonly BuiltPacket[],
  mac: number,
  sequence = 1n,
): { memory: ArrayBuffer; offsets: number[] } {
  const memory = new ArrayBuffer(BLOCK_SIZE);
  const view = new DataView(memory);
  const bytes = new Uint8Array(memory);
  const offsets: number[] = [];
  let at = tpacket_block_desc.sizeof;
  for (const [index, packet] of packets.entries()) {
    offsets.push(at);
    const stride = (mac + packet.bytes.length + 7) & ~7;
    const last = index === packets.length - 1;
    view.setUint32(at + tpacket3_hdr.tp_next_offset, last ? 0 : stride, true);
    view.setUint32(at + tpacket3_hdr.tp_sec, packet.sec, true);
    view.setUint32(at + tpacket3_hdr.tp_nsec, packet.nsec, true);
    view.setUint32(at + tpacket3_hdr.tp_snaplen, packet.bytes.length, true);
    view.setUint32(at + tpacket3_hdr.tp_len, packet.len, true);
    view.setUint32(at + tpacket3_hdr.tp_status, TP_STATUS_USER | (packet.vlan?.status ?? 0), true);
    view.setUint16(at + tpacket3_hdr.tp_mac, mac, true);
    view.setUint32(at + tpacket3_hdr.tp_vlan_tci, packet.vlan?.tci ?? 0, true);
    view.setUint16(at + tpacket3_hdr.tp_vlan_tpid, packet.vlan?.tpid ?? 0, true);
    const sll = at + tpacket3_hdr.sizeof;
    if (packet.address !== undefined) {
      view.setUint16(sll + sockaddr_ll.sll_protocol, packet.address.protocol, false);
      view.setInt32(sll + sockaddr_ll.sll_ifindex, packet.address.ifindex, true);
      view.setUint16(sll + sockaddr_ll.sll_hatype, packet.address.hatype, true);
      view.setUint8(sll + sockaddr_ll.sll_pkttype, packet.address.pkttype);
      view.setUint8(sll + sockaddr_ll.sll_halen, packet.address.halen);
      bytes.set(packet.address.address, sll + sockaddr_ll.sll_addr);
    }
    bytes.set(packet.bytes, at + mac);
    at += stride;
  }
  view.setUint32(tpacket_block_desc.block_status, TP_STATUS_USER | 0x20, true);
  view.setUint32(tpacket_block_desc.num_pkts, packets.length, true);
  view.setUint32(tpacket_block_desc.offset_to_first_pkt, tpacket_block_desc.sizeof, true);
  view.setUint32(tpacket_block_desc.blk_len, at, true);
  view.setBigUint64(tpacket_block_desc.seq_num, sequence, true);
  return { memory, offsets };
}
