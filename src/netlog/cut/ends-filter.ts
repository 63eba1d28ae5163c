// Whether a packet is of certain flows, in either direction: for `netlogs packets ROW`, without libpcap. Asked once a packet; it
// allocates nothing.
import { parseNetwork } from '../../filter/network.ts';
import type { PacketFilter } from '../../savefile/reading/selection.ts';
import { PacketDecoder } from '../decode/packet.ts';
import type { Ends } from '../query/cut.ts';

/** No pair of ports is this. */
const NO_PORTS = 2 ** 32;
const PROTOCOLS: Readonly<Record<string, number>> = { ICMP: 1, TCP: 6, UDP: 17, ICMPv6: 58 };

interface Wanted {
  readonly protocol: number;
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
}

export function endsFilter(linktype: number, flows: readonly Ends[]): PacketFilter {
  const byPorts = new Map<number, Wanted[]>();
  for (const { proto, src, sport, dst, dport } of flows) {
    const protocol = PROTOCOLS[proto] ?? Number(proto);
    const [source, destination] = [addressBytes(src), addressBytes(dst)];
    if (source === undefined || destination === undefined) continue;
    add(byPorts, portsKey(sport, dport), { protocol, source, destination });
    add(byPorts, portsKey(dport, sport), { protocol, source: destination, destination: source });
  }
  const decoder = new PacketDecoder();
  let view: DataView | undefined;
  let bytes: Uint8Array = new Uint8Array(0);
  return (packets, at, caplen, len) => {
    if (packets !== view) {
      view = packets;
      bytes = new Uint8Array(packets.buffer, packets.byteOffset, packets.byteLength);
    }
    if (!decoder.decode(linktype, bytes, at, at + caplen, len)) return 0;
    const length = decoder.family === 4 ? 4 : 16;
    const wanted = byPorts.get(portsKey(portOf(decoder.sourcePort), portOf(decoder.destinationPort)));
    if (wanted === undefined) return 0;
    for (const { protocol, source, destination } of wanted) {
      if (protocol !== decoder.protocol || source.length !== length) continue;
      if (equal(bytes, decoder.sourceAt, source) && equal(bytes, decoder.destinationAt, destination)) return 1;
    }
    return 0;
  };
}

function add(byPorts: Map<number, Wanted[]>, key: number, wanted: Wanted): void {
  const known = byPorts.get(key);
  if (known === undefined) byPorts.set(key, [wanted]);
  else known.push(wanted);
}

/** Both as one number. */
function portsKey(source: number | undefined, destination: number | undefined): number {
  return source === undefined || destination === undefined ? NO_PORTS : source * 65_536 + destination;
}

function portOf(port: number): number | undefined {
  return port < 0 ? undefined : port;
}

function equal(bytes: Uint8Array, at: number, other: Uint8Array): boolean {
  for (let index = 0; index < other.length; index++) if (bytes[at + index] !== other[index]) return false;
  return true;
}

/** Undefined for what is no address; of IPv4-mapped ones the index has no flow. */
function addressBytes(text: string): Uint8Array | undefined {
  const network = parseNetwork(text);
  if (network === undefined) return undefined;
  const { bits, first } = network;
  return Uint8Array.from({ length: bits / 8 }, (_, index) => Number((first >> BigInt(bits - 8 * (index + 1))) & 0xffn));
}
