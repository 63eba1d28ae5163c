// Whether a packet's source or destination lies in one of many networks, as instructions: what libpcap's `net` asks (IPv4
// and IPv6 addresses, ARP and RARP ones), in a program whose length and building time grow with the list and not faster.
// libpcap's optimizer takes a minute for a thousand. Called by exclude.ts.
//
// Both addresses are put into scratch memory, so that one search serves packets with tags, and ARP. A search is there
// twice, for jumps only go forward. It goes word by word: for each prefix length that ends in the word
//
//   word & mask          JGE splits the sorted values until eight are left, JEQ asks for each of these
//
// and a whole word that more words follow leads to a search of its own for the next one.
import { type Network, reduceNetworks } from './network.ts';
import {
  BPF_ALU,
  BPF_AND,
  BPF_IND,
  BPF_JEQ,
  BPF_JGE,
  BPF_LD,
  BPF_MEM,
  BPF_ST,
  BPF_W,
  Label,
  type ProgramBuilder,
} from './program.ts';
import {
  appendNetworkHeader,
  ETHERTYPE_ARP,
  ETHERTYPE_IPV4,
  ETHERTYPE_IPV6,
  ETHERTYPE_RARP,
  M_ETHERTYPE,
} from './tags.ts';

const WORD_BITS = 32;
/** So many values are compared in a row; fewer make a longer program, more a slower one. */
const ROW = 8;

/** Where addresses lie behind the start of the network header. */
interface Addresses {
  readonly source: number;
  readonly destination: number;
}

const IPV4: Addresses = { source: 12, destination: 16 };
const IPV6: Addresses = { source: 8, destination: 24 };
/** With hardware addresses of six bytes, which libpcap takes for granted, too. */
const ARP: Addresses = { source: 14, destination: 24 };

/**
 * What lies in one of `networks` goes to `match`, all else to what is appended next. An address that the packet does not
 * hold to its end is not in any network. Only for link types that `hasNetworkHeader`.
 */
export function appendNetworkSearch(
  builder: ProgramBuilder,
  networks: readonly Network[],
  linktype: number,
  match: Label,
): void {
  const done = new Label();
  const start = appendNetworkHeader(builder, linktype, done);
  const [arp, ipv4, searchIpv4, ipv6, searchIpv6] = [new Label(), new Label(), new Label(), new Label(), new Label()];
  const ipv4Networks = reduceNetworks(networks.filter(({ bits }) => bits === 32));
  const ipv6Networks = reduceNetworks(networks.filter(({ bits }) => bits === 128));
  builder.add(BPF_LD | BPF_MEM, M_ETHERTYPE);
  builder.jumpIf(BPF_JEQ, ETHERTYPE_IPV4, ipv4);
  builder.jumpIf(BPF_JEQ, ETHERTYPE_ARP, arp);
  builder.jumpIf(BPF_JEQ, ETHERTYPE_RARP, arp);
  builder.jump(BPF_JEQ, ETHERTYPE_IPV6, ipv6, done);

  builder.place(arp);
  storeAddresses(builder, start, ARP, 1, searchIpv4, done);
  builder.goto(searchIpv4);
  builder.place(ipv4);
  storeAddresses(builder, start, IPV4, 1, searchIpv4, done);
  builder.place(searchIpv4);
  searchBoth(builder, ipv4Networks, 1, match, done);

  builder.place(ipv6);
  storeAddresses(builder, start, IPV6, 4, searchIpv6, done);
  builder.place(searchIpv6);
  searchBoth(builder, ipv6Networks, 4, match, done);
  builder.place(done);
}

/**
 * The source goes into scratch memory from 0, the destination behind it, the source there, too, while the packet may end
 * before the destination does. X is the bytes that tags take up.
 */
function storeAddresses(
  builder: ProgramBuilder,
  start: number,
  { source, destination }: Addresses,
  words: number,
  search: Label,
  unreadable: Label,
): void {
  const end = (address: number): number => start + address + 4 * words;
  const load = (address: number, word: number): void =>
    builder.add(BPF_LD | BPF_W | BPF_IND, start + address + 4 * word);
  builder.requireAtX(end(source), unreadable);
  for (let word = 0; word < words; word++) {
    load(source, word);
    builder.add(BPF_ST, word);
    builder.add(BPF_ST, words + word);
  }
  builder.requireAtX(end(destination), search);
  for (let word = 0; word < words; word++) {
    load(destination, word);
    builder.add(BPF_ST, words + word);
  }
}

function searchBoth(
  builder: ProgramBuilder,
  networks: readonly Network[],
  words: number,
  match: Label,
  done: Label,
): void {
  const destination = new Label();
  search({ builder, address: 0, match, miss: destination }, networks, 0);
  builder.place(destination);
  search({ builder, address: words, match, miss: done }, networks, 0);
}

interface Search {
  readonly builder: ProgramBuilder;
  /** Where the address is in scratch memory. */
  readonly address: number;
  readonly match: Label;
  readonly miss: Label;
}

/** Asks for networks, sorted, that agree in all words before `word`. */
function search(to: Search, networks: readonly Network[], word: number): void {
  const { builder, address, match, miss } = to;
  if (networks.length === 0) builder.goto(miss);
  if (networks.some(({ prefix }) => prefix === 0)) {
    builder.goto(match);
    return;
  }
  const start = WORD_BITS * word;
  const prefixes = [...groups(networks, ({ prefix }) => Math.min(prefix - start, WORD_BITS))].sort(([a], [b]) => a - b);
  for (const [index, [bits, ofPrefix]] of prefixes.entries()) {
    const next = new Label();
    builder.add(BPF_LD | BPF_MEM, address + word);
    if (bits < WORD_BITS) builder.add(BPF_ALU | BPF_AND, (0xffffffff << (WORD_BITS - bits)) >>> 0);
    const values = [...groups(ofPrefix, ({ first, bits }) => wordOf(first, bits - start))];
    choose(to, values, word, index < prefixes.length - 1 ? next : miss);
    builder.place(next);
  }
}

/** A is to be one of `values`, sorted; each stands for the networks behind it. */
function choose(
  to: Search,
  values: readonly (readonly [number, readonly Network[]])[],
  word: number,
  miss: Label,
): void {
  const { builder, match } = to;
  if (values.length > ROW) {
    const middle = Math.ceil(values.length / 2);
    const upper = new Label();
    builder.jumpIf(BPF_JGE, values[middle]?.[0] ?? 0, upper);
    choose(to, values.slice(0, middle), word, miss);
    builder.place(upper);
    choose(to, values.slice(middle), word, miss);
    return;
  }
  const longer: { readonly label: Label; readonly networks: readonly Network[] }[] = [];
  for (const [index, [value, networks]] of values.entries()) {
    const label = networks.some(({ prefix }) => prefix > WORD_BITS * (word + 1)) ? new Label() : match;
    if (label !== match) longer.push({ label, networks });
    if (index < values.length - 1) builder.jumpIf(BPF_JEQ, value, label);
    else builder.jump(BPF_JEQ, value, label, miss);
  }
  for (const { label, networks } of longer) {
    builder.place(label);
    search(to, networks, word + 1);
  }
}

/** The 32 bits behind which `bits - 32` more follow. */
function wordOf(address: bigint, bits: number): number {
  return Number((address >> BigInt(bits - WORD_BITS)) & 0xffffffffn);
}

function groups<T>(items: readonly T[], key: (item: T) => number): Map<number, T[]> {
  const found = new Map<number, T[]>();
  for (const item of items) {
    const group = found.get(key(item));
    if (group === undefined) found.set(key(item), [item]);
    else group.push(item);
  }
  return found;
}
