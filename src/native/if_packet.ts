// <linux/if_packet.h>: constants and struct layouts of AF_PACKET sockets and TPACKET_V3 rings, as offset tables with
// the header's own names, the C type behind each. Read as C reads: `view.getUint32(at + tpacket3_hdr.tp_snaplen, true)`.
// The layouts are the same on every 64-bit little-endian Linux; test/native/if_packet.test.ts proves them by koffi and
// by a C program compiled against the machine's own header.

export const SOL_PACKET = 263;

// Socket options at level SOL_PACKET.
export const PACKET_ADD_MEMBERSHIP = 1;
export const PACKET_DROP_MEMBERSHIP = 2;
export const PACKET_RX_RING = 5;
export const PACKET_STATISTICS = 6;
export const PACKET_VERSION = 10;

/** enum tpacket_versions */
export const TPACKET_V3 = 2;

export const PACKET_MR_PROMISC = 1;

/** sll_pkttype */
export const PACKET_OUTGOING = 4;

/** block_status bits: who owns the block. */
export const TP_STATUS_KERNEL = 0;
export const TP_STATUS_USER = 1;

/** tp_status bits of one packet. */
export const TP_STATUS_VLAN_VALID = 0x10;
export const TP_STATUS_VLAN_TPID_VALID = 0x40;

/** struct tpacket_req3, the value of PACKET_RX_RING. */
export const tpacket_req3 = {
  tp_block_size: 0, // unsigned int
  tp_block_nr: 4, // unsigned int
  tp_frame_size: 8, // unsigned int
  tp_frame_nr: 12, // unsigned int
  tp_retire_blk_tov: 16, // unsigned int, milliseconds
  tp_sizeof_priv: 20, // unsigned int
  tp_feature_req_word: 24, // unsigned int
  sizeof: 28,
} as const;

/** struct tpacket_block_desc with its struct tpacket_hdr_v1, at the start of every block. */
export const tpacket_block_desc = {
  version: 0, // __u32
  offset_to_priv: 4, // __u32
  block_status: 8, // __u32
  num_pkts: 12, // __u32
  offset_to_first_pkt: 16, // __u32
  blk_len: 20, // __u32, bytes used, descriptor included
  seq_num: 24, // __aligned_u64
  ts_first_pkt: 32, // struct tpacket_bd_ts: unsigned int sec, nsec
  ts_last_pkt: 40, // struct tpacket_bd_ts
  sizeof: 48,
} as const;

/** struct tpacket3_hdr with its struct tpacket_hdr_variant1, before every packet; a sockaddr_ll follows at once. */
export const tpacket3_hdr = {
  tp_next_offset: 0, // __u32, from this header to the next; the last packet's is not to be followed
  tp_sec: 4, // __u32
  tp_nsec: 8, // __u32
  tp_snaplen: 12, // __u32, bytes kept
  tp_len: 16, // __u32, bytes on the wire
  tp_status: 20, // __u32
  tp_mac: 24, // __u16, from this header to the first byte kept
  tp_net: 26, // __u16
  tp_rxhash: 28, // __u32
  tp_vlan_tci: 32, // __u32
  tp_vlan_tpid: 36, // __u16, host byte order
  tp_padding: 38, // __u16
  sizeof: 48,
} as const;

/** struct sockaddr_ll */
export const sockaddr_ll = {
  sll_family: 0, // unsigned short
  sll_protocol: 2, // __be16
  sll_ifindex: 4, // int
  sll_hatype: 8, // unsigned short
  sll_pkttype: 10, // unsigned char
  sll_halen: 11, // unsigned char
  sll_addr: 12, // unsigned char[8]
  sizeof: 20,
} as const;

/** struct tpacket_stats_v3, the value of PACKET_STATISTICS. Reading it zeroes it; tp_packets includes tp_drops. */
export const tpacket_stats_v3 = {
  tp_packets: 0, // unsigned int
  tp_drops: 4, // unsigned int
  tp_freeze_q_cnt: 8, // unsigned int
  sizeof: 12,
} as const;

/** struct packet_mreq, the value of PACKET_ADD_MEMBERSHIP. */
export const packet_mreq = {
  mr_ifindex: 0, // int
  mr_type: 4, // unsigned short
  mr_alen: 6, // unsigned short
  mr_address: 8, // unsigned char[8]
  sizeof: 16,
} as const;
