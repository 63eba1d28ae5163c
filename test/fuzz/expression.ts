// Random expressions of pcap-filter(7).
import type { Random } from '../chaos/random.ts';

const HOSTS = ['10.0.0.1', '192.0.2.7', '255.255.255.255', '2001:db8::1', '::', 'fe80::1'];
const NETS = ['10.0.0.0/8', '10.137.0.0/16', '0.0.0.0/0', '192.168', '2001:db8::/32', '127.0.0.1/32'];
const PROTOCOLS = [
  'ip',
  'ip6',
  'tcp',
  'udp',
  'icmp',
  'icmp6',
  'arp',
  'rarp',
  'sctp',
  'igmp',
  'ah',
  'esp',
  'stp',
  'pim',
];
const PLAIN = [
  ...PROTOCOLS,
  ...['broadcast', 'multicast', 'ip broadcast', 'ip multicast', 'ether broadcast', 'ether multicast', 'ip6 multicast'],
  ...['mpls', 'pppoed', 'pppoes', 'vlan', 'ip protochain 6', 'ip6 protochain 17', 'ifname eth0', 'inbound', 'outbound'],
  ...['tcp[tcpflags] & (tcp-syn|tcp-fin) != 0', 'icmp[icmptype] = icmp-echo', 'ether proto 0x88cc', 'iso', 'clnp'],
];
const LOADED = ['ip', 'ip6', 'tcp', 'udp', 'icmp', 'arp', 'ether', 'link', 'icmp6', 'ppp', 'radio'];
const OPERATORS = ['+', '-', '*', '/', '%', '&', '|', '^', '<<', '>>'];

export function randomExpression(random: Random, depth = 3): string {
  const kind = random.whole(0, 11);
  if (depth === 0 || kind < 5) return primitive(random);
  const one = (): string => randomExpression(random, depth - 1);
  if (kind < 7) return `not ${one()}`;
  if (kind < 8) return `(${one()})`;
  return `${one()} ${random.pick(['and', 'or', '&&', '||'])} ${one()}`;
}

function primitive(random: Random): string {
  const direction = random.pick(['', 'src ', 'dst ', 'src or dst ', 'src and dst ']);
  switch (random.whole(0, 9)) {
    case 0:
      return `${direction}host ${random.pick(HOSTS)}`;
    case 1:
      return `${direction}net ${random.pick(NETS)}`;
    case 2:
      return `${random.pick(['', 'tcp ', 'udp ', 'sctp '])}${direction}port ${number(random) & 0xffff}`;
    case 3:
      return `${direction}portrange ${random.whole(0, 1000)}-${random.whole(0, 65535)}`;
    case 4:
      return `${random.pick(['ip', 'ip6', 'ether'])} proto ${random.whole(0, 300)}`;
    case 5:
      return `${random.pick(['len', 'greater', 'less'])} ${random.pick(['', '> ', '= '])}${random.whole(0, 70_000)}`;
    case 6:
      return `${random.pick(['vlan', 'mpls', 'pppoes', 'geneve'])} ${random.whole(0, 5000)}`;
    case 7:
      return `ether ${direction}02:00:00:00:00:0${random.whole(0, 9)}`;
    case 8:
      return `${arithmetic(random, 2)} ${random.pick(['=', '!=', '>', '<', '>=', '<='])} ${arithmetic(random, 1)}`;
    default:
      return random.pick(PLAIN);
  }
}

function arithmetic(random: Random, depth: number): string {
  const kind = random.whole(0, 5);
  if (depth > 0 && kind < 2)
    return `${arithmetic(random, depth - 1)} ${random.pick(OPERATORS)} ${arithmetic(random, depth - 1)}`;
  if (depth > 0 && kind < 3) return `-(${arithmetic(random, depth - 1)})`;
  if (kind < 4) return String(number(random));
  const index = depth > 0 ? arithmetic(random, depth - 1) : String(random.whole(0, 60));
  return `${random.pick(LOADED)}[${index}${random.pick(['', ':1', ':2', ':4', ':3'])}]`;
}

function number(random: Random): number {
  return random.pick([
    0,
    1,
    2,
    31,
    32,
    33,
    53,
    255,
    65535,
    65536,
    0x7fffffff,
    0x80000000,
    0xffffffff,
    random.whole(0, 99),
  ]);
}
