// A line of the kernel's packet log as a row of `nft`.
import type { NftRecord } from '../nft/log.ts';
import type { Row } from './schema.ts';

export function nftRow({ timeUs, line, message }: NftRecord): Row<'nft'> {
  const { inner } = line;
  return {
    time: timeUs,
    prefix: line.prefix,
    class: line.class,
    in: line.in,
    out: line.out,
    src: line.src,
    dst: line.dst,
    proto: line.proto,
    sport: line.sport,
    dport: line.dport,
    len: line.len,
    ttl: line.ttl,
    ip_id: line.ipId,
    flow_label: line.flowLabel,
    tcp_flags: line.tcpFlags,
    icmp_type: line.icmpType,
    icmp_code: line.icmpCode,
    uid: line.uid,
    gid: line.gid,
    inner_src: inner?.src,
    inner_dst: inner?.dst,
    inner_proto: inner?.proto,
    inner_sport: inner?.sport,
    inner_dport: inner?.dport,
    line: message,
  };
}
