// Savefiles of a day that never was, for the benchmark of the index: what a capture on all interfaces (SLL2) of a qube that
// masquerades has, so that each packet is there twice, behind a client's interface and before the uplink. Lookups and
// what follows them: TLS, QUIC, some IPv6, pings. Snaplen 96 and names kept, as `--snaplen 96 --keep-names` has it. The same
// seed makes the same bytes.
import { closeSync, openSync, writeSync } from 'node:fs';
import { encodeFileHeader, encodeRecord, RECORD_HEADER_LENGTH } from '../src/savefile/header.ts';
import { LINKTYPE_LINUX_SLL2 } from '../src/savefile/linktype.ts';

const SNAPLEN = 96;
const LARGEST = 600;
const BUFFER = 4 * 2 ** 20;
const SLL2_LENGTH = 20;
const [VIF, UPLINK] = [7, 2];
/** Sessions that are under way at once. */
const ACTIVE = 400;
const CLIENTS = 12;
const SERVERS = 20_000;

interface Session {
  readonly kind: 'dns' | 'tls' | 'quic' | 'ping';
  readonly family: 4 | 6;
  readonly client: number;
  readonly server: number;
  readonly sport: number;
  /** Packets there will be, and were. */
  readonly packets: number;
  sent: number;
  ipId: number;
}

/** Numbers below `most`, in an order that looks like chance (xorshift32). */
class Chance {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 1;
  }

  below(most: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) % most;
  }
}

/** Writes `packets` packets over the hour that begins at `sec`. */
export function writeHour(path: string, seed: number, sec: number, packets: number): void {
  new Hour(path, new Chance(Math.imul(seed, 0x9e3779b1)), sec, packets).write();
}

class Hour {
  readonly #chance: Chance;
  readonly #packets: number;
  readonly #sec: number;
  readonly #fd: number;
  readonly #bytes = new Uint8Array(BUFFER);
  readonly #view = new DataView(this.#bytes.buffer);
  #at = 0;

  constructor(path: string, chance: Chance, sec: number, packets: number) {
    this.#fd = openSync(path, 'w');
    this.#chance = chance;
    this.#sec = sec;
    this.#packets = packets;
  }

  write(): void {
    const header = encodeFileHeader({ precision: 'micro', snaplen: 4096, linktype: LINKTYPE_LINUX_SLL2 });
    this.#bytes.set(header);
    this.#at = header.length;
    const sessions = Array.from({ length: ACTIVE }, () => this.#session());
    for (let packet = 0; packet < this.#packets; packet += 2) {
      const place = this.#chance.below(ACTIVE);
      const session = sessions[place];
      if (session === undefined) throw new Error('unreachable: no session');
      const us = (packet / this.#packets) * 3600e6;
      const back = this.#isBack(session);
      const length = this.#lengthOf(session);
      const ipId = back ? this.#chance.below(65_536) : session.ipId++ & 0xffff;
      // The first sight of a packet is on the side that it comes from.
      this.#packet(session, us, back, back ? UPLINK : VIF, 64, length, ipId);
      this.#packet(session, us + 20, back, back ? VIF : UPLINK, 63, length, ipId);
      session.sent++;
      if (session.sent >= session.packets) sessions[place] = this.#session();
    }
    this.#flush();
    closeSync(this.#fd);
  }

  #session(): Session {
    const chance = this.#chance;
    const which = chance.below(100);
    const kind = which < 50 ? 'dns' : which < 88 ? 'tls' : which < 98 ? 'quic' : 'ping';
    // Some few have most of the packets.
    const long = chance.below(20) === 0 ? 120 : 4;
    return {
      kind,
      family: kind !== 'dns' && chance.below(5) === 0 ? 6 : 4,
      client: chance.below(CLIENTS),
      server: Math.floor((chance.below(SERVERS) * chance.below(SERVERS)) / SERVERS),
      sport: 32_768 + chance.below(28_232),
      packets: kind === 'dns' ? 2 : kind === 'ping' ? 2 : 6 + chance.below(3 * long),
      sent: 0,
      ipId: chance.below(65_536),
    };
  }

  #isBack({ kind, sent }: Session): boolean {
    if (kind === 'dns' || kind === 'ping' || sent < 4) return sent % 2 === 1;
    return this.#chance.below(3) > 0;
  }

  /** Of the transport's payload. */
  #lengthOf({ kind, sent, server }: Session): number {
    if (kind === 'dns') return dnsLength(server, sent === 1);
    if (kind === 'ping') return 56;
    if (kind === 'tls') return sent < 2 ? 0 : sent === 2 ? helloLength(server) : this.#chance.below(3) === 0 ? 1400 : 0;
    return 1200;
  }

  #packet(
    session: Session,
    us: number,
    back: boolean,
    ifindex: number,
    ttl: number,
    length: number,
    ipId: number,
  ): void {
    if (this.#at + LARGEST > BUFFER) this.#flush();
    const { kind, family, server, sent } = session;
    const bytes = this.#bytes;
    const view = this.#view;
    const ipLength = family === 4 ? 20 : 40;
    const transportLength = kind === 'tls' ? 32 : 8;
    const total = ipLength + transportLength + length;
    const named = kind === 'dns' || (kind === 'tls' && sent === 2);
    const len = SLL2_LENGTH + total;
    const caplen = named ? len : Math.min(len, SNAPLEN);
    const start = this.#at + RECORD_HEADER_LENGTH;
    bytes.fill(0, start, start + Math.max(caplen, SNAPLEN));
    encodeRecord(view, this.#at, this.#sec + Math.floor(us / 1e6), Math.floor(us % 1e6), caplen, len);

    view.setUint16(start, family === 4 ? 0x0800 : 0x86dd);
    view.setUint32(start + 4, ifindex);
    view.setUint16(start + 8, 1);
    // Out of the interface that it is sent on.
    bytes[start + 10] = (ifindex === UPLINK) === back ? 0 : 4;
    bytes[start + 11] = 6;

    const ip = start + SLL2_LENGTH;
    const protocol = kind === 'tls' ? 6 : kind === 'ping' ? (family === 4 ? 1 : 58) : 17;
    const [sourceAt, destinationAt] = family === 4 ? [ip + 12, ip + 16] : [ip + 8, ip + 24];
    if (family === 4) {
      bytes[ip] = 0x45;
      view.setUint16(ip + 2, total);
      view.setUint16(ip + 4, ipId);
      bytes[ip + 6] = 0x40;
      bytes[ip + 8] = ttl;
      bytes[ip + 9] = protocol;
    } else {
      view.setUint32(ip, 0x60000000 | ipId);
      view.setUint16(ip + 4, total - 40);
      bytes[ip + 6] = protocol;
      bytes[ip + 7] = ttl;
    }
    this.#client(family, ifindex === UPLINK ? CLIENTS : session.client, back ? destinationAt : sourceAt);
    this.#server(family, kind === 'dns' ? SERVERS : server, back ? sourceAt : destinationAt);

    const transport = ip + ipLength;
    const port = kind === 'dns' ? 53 : 443;
    if (kind === 'ping') {
      bytes[transport] = family === 4 ? (back ? 0 : 8) : back ? 129 : 128;
      view.setUint16(transport + 4, session.sport);
    } else {
      view.setUint16(transport, back ? port : session.sport);
      view.setUint16(transport + 2, back ? session.sport : port);
      if (kind === 'tls') {
        view.setUint32(transport + 4, 1_000_000 + sent * 1400);
        bytes[transport + 12] = 0x80;
        bytes[transport + 13] = sent === 0 ? 0x02 : sent === 1 ? 0x12 : sent === session.packets - 1 ? 0x11 : 0x18;
      } else view.setUint16(transport + 4, 8 + length);
    }
    const payload = transport + transportLength;
    if (kind === 'dns') putDns(bytes, payload, server, ipId, back);
    else if (named) putHello(bytes, payload, server);
    else if (kind === 'quic') bytes[payload] = 0x40;
    this.#at = start + caplen;
  }

  #client(family: number, client: number, at: number): void {
    const bytes = this.#bytes;
    if (family === 4) bytes.set([10, 137, 0, 10 + client], at);
    else bytes.set([0xfd, 9, 0x24, 0xef, 0x41, 0x79, 0, 0, 0, 0, 0, 0, 0x0a, 0x89, 0, 10 + client], at);
  }

  #server(family: number, server: number, at: number): void {
    const bytes = this.#bytes;
    if (server === SERVERS) bytes.set([10, 139, 1, 1], at);
    else if (family === 4) bytes.set([198, 18 + (server >> 16), (server >> 8) & 255, server & 255], at);
    else bytes.set([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, server >> 8, server & 255], at);
  }

  #flush(): void {
    for (let from = 0; from < this.#at; ) from += writeSync(this.#fd, this.#bytes, from, this.#at - from);
    this.#at = 0;
  }
}

/** A server's name: `www.host01234.example`. */
export function serverName(server: number): string {
  return `www.host${String(server).padStart(5, '0')}.example`;
}

/** One more for the length of each label, and the root. */
const NAME_LENGTH = serverName(0).length + 2;

function dnsLength(_: number, response: boolean): number {
  return 12 + NAME_LENGTH + 4 + (response ? 16 : 0);
}

function putDns(bytes: Uint8Array, at: number, server: number, id: number, response: boolean): void {
  bytes.set([id >> 8, id & 255, response ? 0x81 : 1, response ? 0x80 : 0, 0, 1, 0, response ? 1 : 0], at);
  let to = at + 12;
  for (const label of serverName(server).split('.')) {
    bytes[to++] = label.length;
    for (let index = 0; index < label.length; index++) bytes[to++] = label.charCodeAt(index);
  }
  bytes.set([0, 0, 1, 0, 1], to);
  const address = [198, 18 + (server >> 16), (server >> 8) & 255, server & 255];
  if (response) bytes.set([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...address], to + 5);
}

/** Padded as OpenSSL does. */
function helloLength(_: number): number {
  return 517;
}

function putHello(bytes: Uint8Array, at: number, server: number): void {
  const name = serverName(server);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  bytes.set([22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3], at);
  const session = at + 11 + 32;
  bytes.set([0, 0, 2, 0x13, 1, 1, 0], session);
  const extensions = session + 7;
  const end = at + 517;
  view.setUint16(extensions, end - extensions - 2);
  const sni = extensions + 2;
  view.setUint16(sni + 2, name.length + 5);
  view.setUint16(sni + 4, name.length + 3);
  view.setUint16(sni + 7, name.length);
  for (let index = 0; index < name.length; index++) bytes[sni + 9 + index] = name.charCodeAt(index);
  const padding = sni + 9 + name.length;
  view.setUint16(padding, 21);
  view.setUint16(padding + 2, end - padding - 4);
}
