// Proves the offset tables twice: by koffi's own layout of the same structs, and by a C program that prints what this
// machine's <linux/if_packet.h> says.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import koffi from 'koffi';
import { expect, test } from 'vitest';
import * as if_packet from '../../src/native/if_packet.ts';

const { packet_mreq, sockaddr_ll, tpacket3_hdr, tpacket_block_desc, tpacket_req3, tpacket_stats_v3 } = if_packet;

test('koffi lays the structs out as the tables say', () => {
  const u32 = 'uint32_t';
  const u16 = 'uint16_t';
  const ts = koffi.struct({ sec: u32, nsec: u32 });
  const structs = {
    tpacket_req3: koffi.struct({
      tp_block_size: u32,
      tp_block_nr: u32,
      tp_frame_size: u32,
      tp_frame_nr: u32,
      tp_retire_blk_tov: u32,
      tp_sizeof_priv: u32,
      tp_feature_req_word: u32,
    }),
    tpacket_block_desc: koffi.struct({
      version: u32,
      offset_to_priv: u32,
      block_status: u32,
      num_pkts: u32,
      offset_to_first_pkt: u32,
      blk_len: u32,
      seq_num: 'uint64_t',
      ts_first_pkt: ts,
      ts_last_pkt: ts,
    }),
    tpacket3_hdr: koffi.struct({
      tp_next_offset: u32,
      tp_sec: u32,
      tp_nsec: u32,
      tp_snaplen: u32,
      tp_len: u32,
      tp_status: u32,
      tp_mac: u16,
      tp_net: u16,
      tp_rxhash: u32,
      tp_vlan_tci: u32,
      tp_vlan_tpid: u16,
      tp_padding: u16,
      tail: koffi.array('uint8_t', 8),
    }),
    sockaddr_ll: koffi.struct({
      sll_family: u16,
      sll_protocol: u16,
      sll_ifindex: 'int',
      sll_hatype: u16,
      sll_pkttype: 'uint8_t',
      sll_halen: 'uint8_t',
      sll_addr: koffi.array('uint8_t', 8),
    }),
    tpacket_stats_v3: koffi.struct({ tp_packets: u32, tp_drops: u32, tp_freeze_q_cnt: u32 }),
    packet_mreq: koffi.struct({ mr_ifindex: 'int', mr_type: u16, mr_alen: u16, mr_address: koffi.array('uint8_t', 8) }),
  };
  const tables = { tpacket_req3, tpacket_block_desc, tpacket3_hdr, sockaddr_ll, tpacket_stats_v3, packet_mreq };
  for (const [name, table] of Object.entries(tables)) {
    const struct = structs[name as keyof typeof structs];
    for (const [field, offset] of Object.entries(table)) {
      const found = field === 'sizeof' ? koffi.sizeof(struct) : koffi.offsetof(struct, field);
      expect(`${name}.${field} ${found}`).toBe(`${name}.${field} ${offset}`);
    }
  }
});

test('the C compiler and this machine’s header say the same', () => {
  const inUnion: Record<string, string> = {
    block_status: 'hdr.bh1.block_status',
    num_pkts: 'hdr.bh1.num_pkts',
    offset_to_first_pkt: 'hdr.bh1.offset_to_first_pkt',
    blk_len: 'hdr.bh1.blk_len',
    seq_num: 'hdr.bh1.seq_num',
    ts_first_pkt: 'hdr.bh1.ts_first_pkt',
    ts_last_pkt: 'hdr.bh1.ts_last_pkt',
    tp_rxhash: 'hv1.tp_rxhash',
    tp_vlan_tci: 'hv1.tp_vlan_tci',
    tp_vlan_tpid: 'hv1.tp_vlan_tpid',
    tp_padding: 'hv1.tp_padding',
  };
  const lines: string[] = [];
  const expected: string[] = [];
  const tables = { tpacket_req3, tpacket_block_desc, tpacket3_hdr, sockaddr_ll, packet_mreq, tpacket_stats_v3 };
  for (const [name, table] of Object.entries(tables)) {
    for (const [field, offset] of Object.entries(table)) {
      const value =
        field === 'sizeof' ? `sizeof(struct ${name})` : `offsetof(struct ${name}, ${inUnion[field] ?? field})`;
      lines.push(`printf("${name}.${field} %zu\\n", ${value});`);
      expected.push(`${name}.${field} ${offset}`);
    }
  }
  for (const [name, value] of Object.entries(if_packet)) {
    if (typeof value !== 'number' || name === 'SOL_PACKET') continue;
    lines.push(`printf("${name} %d\\n", (int)${name});`);
    expected.push(`${name} ${value}`);
  }
  const dir = mkdtempSync(join(tmpdir(), 'if_packet-'));
  try {
    const source = `#include <stdio.h>\n#include <stddef.h>\n#include <linux/if_packet.h>\nint main(void) {\n${lines.join('\n')}\nreturn 0; }\n`;
    writeFileSync(join(dir, 'layout.c'), source);
    execFileSync('cc', ['-o', join(dir, 'layout'), join(dir, 'layout.c')]);
    const printed = execFileSync(join(dir, 'layout'), { encoding: 'utf8' }).trim().split('\n');
    expect(printed).toEqual(expected);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
