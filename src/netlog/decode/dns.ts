// A DNS message (RFC 1035; mDNS and LLMNR have the same form) from as many of its bytes as were kept. Called for each packet
// of the index whose port says so. The bytes are anyone's: nothing here throws, and the work is bounded for each message.
import { DnsCursor } from './dns-cursor.ts';
import { dataText } from './dns-data.ts';
import { opcodeName, rcodeName, typeName } from './dns-names.ts';
import { MISSING } from './escape.ts';

/** Resolvers refuse more than one question, mDNS asks dozens at once; other bytes on these ports mostly count thousands. */
const MOST_QUESTIONS = 256;
/** A message may count 65,535 records of a few bytes each, all with a name of 255: what lies behind these is left out. */
const MOST_ANSWERS = 512;

const HEADER_LENGTH = 12;
const CLASSES_AND_TTL = 6;
const DNS = 53;
const MDNS = 5353;
const LLMNR = 5355;

export interface DnsQuestion {
  /** As DnsCursor.name says: escaped, no last dot; it ends in `…` where it was cut. */
  readonly name: string;
  /** `AAAA`, `HTTPS`, `TYPE65280`; undefined where it was cut. */
  readonly type: string | undefined;
}

export interface DnsAnswer {
  readonly name: string;
  readonly type: string;
  /** As dataText says: an address, a name ...; it ends in `…` where it was cut, and is empty for types shown by name only. */
  readonly data: string;
}

export interface DnsMessage {
  readonly id: number;
  readonly response: boolean;
  /** `QUERY`, `NOTIFY`, `UPDATE` ... */
  readonly opcode: string;
  /** `NOERROR`, `NXDOMAIN` ...: the header's four bits, without those of EDNS. */
  readonly rcode: string;
  readonly questions: readonly DnsQuestion[];
  /** The answer section. */
  readonly answers: readonly DnsAnswer[];
  /** Questions or answers are missing, as the bytes end before them, are not DNS from there on, or are too many. */
  readonly cut: boolean;
}

/** Whether a packet with these ports may be DNS, mDNS or LLMNR. */
export function looksLikeDns(sourcePort: number, destinationPort: number): boolean {
  return isDnsPort(destinationPort) || isDnsPort(sourcePort);
}

function isDnsPort(port: number): boolean {
  return port === DNS || port === MDNS || port === LLMNR;
}

/**
 * The message that begins at `from`, of which the bytes up to `to` were kept. Undefined: not DNS, or less than its header.
 */
export function readDns(bytes: Uint8Array, from: number, to: number): DnsMessage | undefined {
  if (to - from < HEADER_LENGTH) return undefined;
  const cursor = new DnsCursor(bytes, from, to);
  const id = cursor.u16();
  const flags = cursor.u16();
  const questionCount = cursor.u16();
  const answerCount = cursor.u16();
  if (questionCount > MOST_QUESTIONS) return undefined;
  cursor.at = from + HEADER_LENGTH;

  const questions: DnsQuestion[] = [];
  while (questions.length < questionCount && cursor.stopped === undefined) {
    questions.push(question(cursor));
  }
  if (questions.length === 1 && cursor.stopped === 'malformed') return undefined;
  const answers: DnsAnswer[] = [];
  if (questions.length === questionCount) {
    while (answers.length < Math.min(answerCount, MOST_ANSWERS) && cursor.stopped === undefined) {
      const answer = readAnswer(cursor);
      if (answer !== undefined) answers.push(answer);
    }
  }
  if (questions.length + answers.length === 0 && cursor.stopped === 'malformed') return undefined;
  return {
    id,
    response: (flags & 0x8000) !== 0,
    opcode: opcodeName((flags >> 11) & 15),
    rcode: rcodeName(flags & 15),
    questions,
    answers,
    cut: cursor.stopped !== undefined || questions.length < questionCount || answers.length < answerCount,
  };
}

function question(cursor: DnsCursor): DnsQuestion {
  const name = cursor.name();
  if (cursor.stopped !== undefined) return { name, type: undefined };
  const type = cursor.u16();
  if (cursor.stopped !== undefined) return { name, type: undefined };
  cursor.u16(); // the class, and mDNS's wish for a unicast response
  return { name, type: typeName(type) };
}

/** Undefined where not even the type is there. */
function readAnswer(cursor: DnsCursor): DnsAnswer | undefined {
  const name = cursor.name();
  if (cursor.stopped !== undefined) return undefined;
  const type = cursor.u16();
  if (cursor.stopped !== undefined) return undefined;
  cursor.at += CLASSES_AND_TTL;
  const length = cursor.u16();
  if (cursor.stopped !== undefined) return { name, type: typeName(type), data: MISSING };

  const { at, end } = cursor;
  const whole = at + length <= end;
  const inside = new DnsCursor(cursor.bytes, cursor.start, whole ? at + length : end, at);
  const data = length === 0 ? '' : dataText(inside, type, whole);
  cursor.at = at + length;
  if (!whole) cursor.stopped = 'cut';
  // The length of whole data may contradict what is in them. Then they say nothing, and the length is believed.
  return { name, type: typeName(type), data: whole && inside.stopped !== undefined ? '' : data };
}
