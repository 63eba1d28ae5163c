// What a DNS record says, as text as `dig` prints it, for the types that tell where a name leads. Used by dns.ts.
import { addressText4, addressText6 } from './address.ts';
import type { DnsCursor } from './dns-cursor.ts';
import { escapeBytes, MISSING } from './escape.ts';

/** Of a TXT record this many bytes are shown: enough to see whose it is. */
const LONGEST_TEXT = 128;

const A = 1;
const NS = 2;
const CNAME = 5;
const SOA = 6;
const PTR = 12;
const MX = 15;
const TXT = 16;
const AAAA = 28;
const SRV = 33;
const DNAME = 39;
const SVCB = 64;
const HTTPS = 65;

/**
 * The data of a record of `type`, which lie between the cursor's `at` and its `end`: an address; a name; `10 mx.example`;
 * `ns.example admin.example 2026010100` of a SOA; `priority weight port target` of SRV; `priority target` of SVCB and
 * HTTPS; a TXT's strings in quotes, the first 128 bytes. Empty for every other type. The cursor is stopped where the
 * bytes don't suffice; the text then ends in `…`. `whole`: the record's length says that its data end there, too.
 */
export function dataText(cursor: DnsCursor, type: number, whole: boolean): string {
  switch (type) {
    case A:
      return address(cursor, 4, addressText4);
    case AAAA:
      return address(cursor, 16, addressText6);
    case NS:
    case CNAME:
    case PTR:
    case DNAME:
      return cursor.name();
    case MX:
    case SVCB:
    case HTTPS:
      return numbersAndName(cursor, 1);
    case SRV:
      return numbersAndName(cursor, 3);
    case SOA:
      return authority(cursor);
    case TXT:
      return strings(cursor) + (whole || cursor.stopped !== undefined ? '' : MISSING);
    default:
      return '';
  }
}

function address(cursor: DnsCursor, length: number, text: (bytes: Uint8Array, at: number) => string): string {
  if (cursor.at + length > cursor.end) {
    cursor.stopped = 'cut';
    return MISSING;
  }
  return text(cursor.bytes, cursor.at);
}

function numbersAndName(cursor: DnsCursor, numbers: number): string {
  let text = '';
  for (let index = 0; index < numbers; index++) {
    const number = cursor.u16();
    if (cursor.stopped !== undefined) return text + MISSING;
    text += `${number} `;
  }
  return text + cursor.name();
}

function authority(cursor: DnsCursor): string {
  const server = cursor.name();
  if (cursor.stopped !== undefined) return server;
  const mailbox = cursor.name();
  if (cursor.stopped !== undefined) return `${server} ${mailbox}`;
  const serial = cursor.u32();
  return `${server} ${mailbox} ${cursor.stopped === undefined ? serial : MISSING}`;
}

function strings(cursor: DnsCursor): string {
  const { bytes } = cursor;
  let text = '';
  let room = LONGEST_TEXT;
  while (cursor.at < cursor.end) {
    const length = bytes[cursor.at] ?? 0;
    const from = cursor.at + 1;
    const to = Math.min(from + length, cursor.end);
    const shown = Math.min(to, from + room);
    const quoted = escapeBytes(bytes, from, shown, false).replaceAll('"', '\\"').replaceAll('\\032', ' ');
    text += `${text === '' ? '' : ' '}"${quoted}"`;
    cursor.at = to;
    if (to < from + length) cursor.stopped = 'cut';
    if (cursor.stopped !== undefined || shown < to) return text + MISSING;
    room -= shown - from;
  }
  return text;
}
