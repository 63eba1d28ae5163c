// One line of the kernel's packet log, as `log` of nftables writes it: the grammar of net/netfilter/nf_log_syslog.c.
//
//   PREFIX IN=eth0 OUT=vif5.0 MAC=.. SRC=.. DST=.. LEN=58 .. ID=11642 PROTO=ICMP TYPE=3 CODE=3 [SRC=.. LEN=10 ] MARK=0x1
//
// The same word means another thing behind PROTO=: LEN and ID of IP, then those of UDP and ICMP; `ACK=` is a field and
// `ACK` a flag. An ICMP error has the packet it is about in brackets, one level deep. So this reads words with a stack of
// packets. A line may be forged or cut off anywhere: it never throws, and what it can't place is in `unread`.
import { readAddress } from './address.ts';

/** Of a packet, what the line says of it; undefined what it does not say. */
export interface NftPacket {
  src?: string;
  dst?: string;
  /** Of the IP packet, headers included. */
  len?: number;
  /** Or the hop limit. */
  ttl?: number;
  /** Of IPv4. */
  ipId?: number;
  /** Of IPv6. */
  flowLabel?: number;
  /** `TCP`, `UDP`, `ICMP`, `ICMPv6`, `ARP`, or the number as text. */
  proto?: string;
  sport?: number;
  dport?: number;
  /** As they stand there: `ACK SYN`. */
  tcpFlags?: string;
  icmpType?: number;
  icmpCode?: number;
}

/** Read from one line. */
export interface NftLine extends NftPacket {
  /** What the rule's `log prefix` says, up to its first colon, and what comes behind that: `SYSFW`, `new`. */
  readonly prefix: string;
  readonly class: string;
  /** Interfaces; `in` is empty in the output hook, `out` in the input hook. */
  readonly in: string;
  readonly out: string;
  /** Of the socket's owner, where the packet is this machine's own and the rule asks for it. */
  uid?: number;
  gid?: number;
  mark?: number;
  /** The packet that an ICMP error is about. */
  inner?: NftPacket;
  /** Words that have no place in the grammar. */
  readonly unread: readonly string[];
}

/** The kernel's buffer for one has 1 KiB; a rule's prefix is part of it. */
const MOST_LENGTH = 4096;
/** Interface names have at most 15 characters and no space, but may have brackets. */
const START = /IN=(\S{0,15}) OUT=(\S{0,15}) (?:PHYSIN=\S{1,15} )?(?:PHYSOUT=\S{1,15} )?/;
const WORDS = /[[\]()]|[^ [\]()]+/g;
const FLAGS: ReadonlySet<string> = new Set(['AE', 'CWR', 'ECE', 'URG', 'ACK', 'PSH', 'RST', 'SYN', 'FIN']);
/** Of IP, of its options, and where something was cut off. */
const MARKS: ReadonlySet<string> = new Set(['CE', 'DF', 'MF', 'OPT', 'AH', 'ESP', 'TRUNCATED', 'INCOMPLETE']);
const PROTOCOLS: ReadonlyMap<string, string> = new Map([
  ['TCP', 'TCP'],
  ['UDP', 'UDP'],
  ['ICMP', 'ICMP'],
  ['ICMPv6', 'ICMPv6'],
  ['UDPLITE', '136'],
  ['AH', '51'],
  ['ESP', '50'],
]);
/** Fields that nobody asks for, and what they look like. */
const OTHERS: ReadonlyMap<string, RegExp> = new Map(
  Object.entries({
    MAC: /^([0-9a-f]{2}(:[0-9a-f]{2})*)?$/,
    MACSRC: /^[0-9a-f:]{17}$/,
    MACDST: /^[0-9a-f:]{17}$/,
    MACPROTO: /^[0-9a-f]{4}$/,
    VPROTO: /^[0-9a-f]{4}$/,
    VID: /^\d{1,5}$/,
    TUNNEL: /^[\d.]+->[\d.]+$/,
    TOS: /^0x[0-9A-F]{2}$/,
    PREC: /^0x[0-9A-F]{2}$/,
    TC: /^\d{1,3}$/,
    SEQ: /^\d{1,10}$/,
    ACK: /^\d{1,10}$/,
    WINDOW: /^\d{1,5}$/,
    RES: /^0x[0-9a-f]{2}$/,
    URGP: /^\d{1,5}$/,
    PARAMETER: /^\d{1,3}$/,
    POINTER: /^[0-9a-f]{8}$/,
    GATEWAY: /^[\d.]+$/,
    MTU: /^\d{1,10}$/,
    SPI: /^0x[0-9a-f]{1,8}$/,
    HTYPE: /^\d{1,5}$/,
    PTYPE: /^0x[0-9a-f]{4}$/,
    OPCODE: /^\d{1,5}$/,
  }),
);

type NumberField = 'len' | 'ttl' | 'ipId' | 'flowLabel' | 'sport' | 'dport' | 'icmpType' | 'icmpCode';
const NUMBERS: ReadonlyMap<string, readonly [NumberField, most: number]> = new Map([
  ['LEN', ['len', 0xffff_ffff]],
  ['TTL', ['ttl', 255]],
  ['HOPLIMIT', ['ttl', 255]],
  ['ID', ['ipId', 0xffff]],
  ['FLOWLBL', ['flowLabel', 0xf_ffff]],
  ['SPT', ['sport', 0xffff]],
  ['DPT', ['dport', 0xffff]],
  ['TYPE', ['icmpType', 255]],
  ['CODE', ['icmpCode', 255]],
]);
const ADDRESSES: ReadonlyMap<string, 'src' | 'dst'> = new Map([
  ['SRC', 'src'],
  ['DST', 'dst'],
  ['IPSRC', 'src'],
  ['IPDST', 'dst'],
]);
const OWNERS: ReadonlyMap<string, 'uid' | 'gid'> = new Map([
  ['UID', 'uid'],
  ['GID', 'gid'],
]);

/** `message`: without what a log puts before it. Undefined when it is no line of a packet log. */
export function readNftLine(message: string): NftLine | undefined {
  if (message.length > MOST_LENGTH) return undefined;
  const start = START.exec(message);
  if (start === null) return undefined;
  const [header, input = '', output = ''] = start;
  const [prefix = '', ...classes] = message.slice(0, start.index).split(':');
  const unread: string[] = [];
  const line: NftLine = { prefix: prefix.trim(), class: classes.join(':').trim(), in: input, out: output, unread };
  const words = message.slice(start.index + header.length).match(WORDS) ?? [];
  if (words.length === 0) return undefined;
  new Reader(line, unread, words).read();
  return unread.length === words.length ? undefined : line;
}

class Reader {
  readonly #line: NftLine;
  readonly #unread: string[];
  readonly #words: readonly string[];
  #at = 0;
  #packet: NftPacket;
  /** Open brackets: `[` of an inner packet, `(` of options. */
  readonly #open: string[] = [];
  /** Keys that this packet had, since PROTO= when it had that. */
  #seen: Set<string> = new Set();
  #outerSeen: Set<string> = new Set();

  constructor(line: NftLine, unread: string[], words: readonly string[]) {
    this.#line = line;
    this.#packet = line;
    this.#unread = unread;
    this.#words = words;
  }

  read(): void {
    for (let word = this.#words[this.#at]; word !== undefined; word = this.#words[this.#at]) {
      const taken = this.#bracket(word) || this.#field(word) || this.#mark(word);
      if (!taken) this.#unread.push(word);
      this.#at++;
    }
  }

  #bracket(word: string): boolean {
    const open = this.#open.at(-1);
    switch (word) {
      case '[':
        if (this.#line.inner !== undefined || this.#open.length > 0 || this.#packet.icmpType === undefined)
          return false;
        this.#line.inner = this.#packet = {};
        this.#outerSeen = this.#seen;
        this.#seen = new Set();
        return this.#open.push(word) > 0;
      case ']':
        if (open !== '[') return false;
        this.#open.pop();
        this.#packet = this.#line;
        this.#seen = this.#outerSeen;
        return true;
      case '(':
        return this.#words[this.#at - 1] === 'OPT' && this.#open.push(word) > 0;
      case ')':
        return open === '(' && this.#open.pop() !== undefined;
      default: // options of IPv4 and TCP are bare digits, of IPv6 they are words of this grammar
        return open === '(' && /^([0-9A-F]{2}){1,40}$/.test(word);
    }
  }

  #field(word: string): boolean {
    const equals = word.indexOf('=');
    if (equals === -1) return false;
    const [key, value] = [word.slice(0, equals), word.slice(equals + 1)];
    if (this.#seen.has(key) || !this.#set(key, value)) return false;
    this.#seen.add(key);
    return true;
  }

  #set(key: string, value: string): boolean {
    if (this.#packet.proto !== undefined && (key === 'LEN' || key === 'ID')) return /^\d{1,5}$/.test(value);
    const address = ADDRESSES.get(key);
    if (address !== undefined) {
      const read = readAddress(value);
      if (read === undefined || this.#packet[address] !== undefined) return false;
      this.#packet[address] = read;
      return true;
    }
    const [number, most] = NUMBERS.get(key) ?? [undefined, 0];
    if (number !== undefined) {
      const read = readNumber(value, most);
      if (read === undefined || this.#packet[number] !== undefined) return false;
      this.#packet[number] = read;
      return true;
    }
    if (key === 'PROTO') return this.#setProtocol(value);
    if (this.#packet === this.#line && (key === 'MARK' || OWNERS.has(key))) return this.#setOwn(key, value);
    return OTHERS.get(key)?.test(value) === true;
  }

  #setProtocol(value: string): boolean {
    const name = PROTOCOLS.get(value) ?? readNumber(value, 255)?.toString();
    if (name === undefined || this.#packet.proto !== undefined) return false;
    this.#packet.proto = name;
    this.#seen.clear(); // what comes behind it may have the same keys
    return true;
  }

  #setOwn(key: string, value: string): boolean {
    const owner = OWNERS.get(key);
    if (owner === undefined) {
      if (!/^0x[0-9a-f]{1,8}$/.test(value)) return false;
      this.#line.mark = Number(value);
      return true;
    }
    const read = readNumber(value, 0xffff_ffff);
    if (read === undefined) return false;
    this.#line[owner] = read;
    return true;
  }

  #mark(word: string): boolean {
    if (FLAGS.has(word) && this.#packet.proto === 'TCP') {
      const flags = this.#packet.tcpFlags;
      if (flags?.split(' ').includes(word) === true) return false;
      this.#packet.tcpFlags = flags === undefined ? word : `${flags} ${word}`;
      return true;
    }
    if (word === 'ARP' && this.#packet.proto === undefined) {
      this.#packet.proto = word;
      this.#seen.clear(); // the addresses in an ARP packet have the names that the header's have
      return true;
    }
    if (word === 'INCOMPLETE') {
      this.#skip('[', /^\d{1,10}$/, 'bytes', ']');
      return true;
    }
    if (word === 'Unknown') return this.#skip('Ext', 'Hdr', /^\d{1,3}$/);
    return MARKS.has(word) || /^FRAG:(\d{1,5}|TRUNCATED)$/.test(word) || /^ID:[0-9a-f]{8}$/.test(word);
  }

  /** Past these words, if they follow. */
  #skip(...expected: readonly (string | RegExp)[]): boolean {
    const follow = expected.every((each, index) => {
      const word = this.#words[this.#at + 1 + index] ?? '';
      return typeof each === 'string' ? word === each : each.test(word);
    });
    if (follow) this.#at += expected.length;
    return follow;
  }
}

function readNumber(text: string, most: number): number | undefined {
  if (!/^\d{1,10}$/.test(text)) return undefined;
  const value = Number(text);
  return value <= most ? value : undefined;
}
