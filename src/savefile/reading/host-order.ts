// Some link types begin with a header in the byte order of the machine that captured. libpcap turns it when it reads a file
// of the other byte order (pcap-util.c, swap_pseudo_headers), and so do we: what is written says that it is of this machine.
// It also mends the length of USB packets that older versions of it got wrong (fix_linux_usb_mmapped_length).
import { RECORD_HEADER_LENGTH, record } from '../header.ts';

/** Changes the record whose header is at `at`, in this machine's byte order, and of whose packet `caplen` bytes are there. */
export type InHostOrder = (view: DataView, at: number, caplen: number) => void;

const LINKTYPE_LINUX_SLL = 113;
const LINKTYPE_PFLOG = 117;
const LINKTYPE_USB_LINUX = 189;
const LINKTYPE_USB_LINUX_MMAPPED = 220;
const LINKTYPE_NFLOG = 239;
const LINKTYPE_LINUX_SLL2 = 276;

/** What is to be done with each record, undefined for nothing. `swapped`: the file is of the other byte order. */
export function hostOrder(linktype: number, swapped: boolean): InHostOrder | undefined {
  if (linktype === LINKTYPE_USB_LINUX_MMAPPED) return swapped ? swapAndMendUsb : mendUsbLength;
  if (!swapped) return undefined;
  switch (linktype) {
    case LINKTYPE_LINUX_SLL:
      return (view, at, caplen) => swapCanId(view, at, caplen, SLL);
    case LINKTYPE_LINUX_SLL2:
      return (view, at, caplen) => swapCanId(view, at, caplen, SLL2);
    case LINKTYPE_PFLOG:
      return swapPflog;
    case LINKTYPE_USB_LINUX:
      return (view, at, caplen) => void swapUsb(view, at + RECORD_HEADER_LENGTH, caplen);
    case LINKTYPE_NFLOG:
      return swapNflog;
    default:
      return undefined;
  }
}

function swap16(view: DataView, at: number): void {
  view.setUint16(at, view.getUint16(at, false), true);
}

function swap32(view: DataView, at: number): void {
  view.setUint32(at, view.getUint32(at, false), true);
}

function swap64(view: DataView, at: number): void {
  const high = view.getUint32(at, false);
  view.setUint32(at, view.getUint32(at + 4, false), true);
  view.setUint32(at + 4, high, true);
}

function lengthOf(view: DataView, at: number): number {
  return view.getUint32(at + record.len, true);
}

const SLL = { length: 16, protocol: 14 } as const;
const SLL2 = { length: 20, protocol: 0 } as const;
const LINUX_SLL_P_CAN = 0x000c;
const LINUX_SLL_P_CANFD = 0x000d;

function swapCanId(view: DataView, at: number, caplen: number, header: typeof SLL | typeof SLL2): void {
  const data = at + RECORD_HEADER_LENGTH;
  if (Math.min(caplen, lengthOf(view, at)) < header.length + 4) return;
  const protocol = view.getUint16(data + header.protocol, false);
  if (protocol === LINUX_SLL_P_CAN || protocol === LINUX_SLL_P_CANFD) swap32(view, data + header.length);
}

/** struct pfloghdr: uid, pid, rule_uid, rule_pid; which of them there are is for its first byte to say. */
const PFLOG_FIELDS = [44, 48, 52, 56] as const;

function swapPflog(view: DataView, at: number, caplen: number): void {
  const data = at + RECORD_HEADER_LENGTH;
  const length = Math.min(caplen, lengthOf(view, at));
  for (const field of PFLOG_FIELDS) {
    if (length < field + 4 || view.getUint8(data) < field + 4) return;
    swap32(view, data + field);
  }
}

/** <pcap/nflog.h>: family u8, version u8, resource id be16, then TLVs with length and type in host order. */
function swapNflog(view: DataView, at: number, caplen: number): void {
  let data = at + RECORD_HEADER_LENGTH;
  let left = Math.min(caplen, lengthOf(view, at)) - 4;
  if (left < 0 || view.getUint8(data + 1) !== 0) return;
  // libpcap goes by caplen alone for whether there is another TLV.
  let captured = caplen - 4;
  data += 4;
  while (captured >= 4) {
    swap16(view, data);
    swap16(view, data + 2);
    const size = (view.getUint16(data, true) + 3) & ~3 & 0xffff;
    if (size < 4 || captured < size || left < size) return;
    captured -= size;
    left -= size;
    data += size;
  }
}

/** Offsets in struct pcap_usb_header_mmapped of <pcap/usb.h>. */
const usb = {
  id: 0,
  event_type: 8,
  transfer_type: 9,
  endpoint_number: 10,
  bus_id: 12,
  data_flag: 15,
  ts_sec: 16,
  ts_usec: 24,
  status: 28,
  urb_len: 32,
  data_len: 36,
  error_count: 40,
  numdesc: 44,
  interval: 48,
  start_frame: 52,
  xfer_flags: 56,
  ndesc: 60,
} as const;
const USB_HEADER_LENGTH = 48;
const USB_MMAPPED_LENGTH = 64;
/** struct usb_isodesc: status, offset, len, pad, 4 bytes each. */
const ISODESC_LENGTH = 16;
const URB_ISOCHRONOUS = 0;
const URB_COMPLETE = 0x43;
const URB_TRANSFER_IN = 0x80;

/** Field by field, as far as there are bytes; false where they have ended. */
function swapUsb(view: DataView, data: number, caplen: number): boolean {
  const field = (swap: (view: DataView, at: number) => void, offset: number, length: number): boolean => {
    if (caplen < offset + length) return false;
    swap(view, data + offset);
    return true;
  };
  if (!field(swap64, usb.id, 8) || !field(swap16, usb.bus_id, 2) || !field(swap64, usb.ts_sec, 8)) return false;
  for (const offset of [usb.ts_usec, usb.status, usb.urb_len, usb.data_len])
    if (!field(swap32, offset, 4)) return false;
  if (view.getUint8(data + usb.transfer_type) !== URB_ISOCHRONOUS) return caplen >= USB_HEADER_LENGTH;
  return field(swap32, usb.error_count, 4) && field(swap32, usb.numdesc, 4);
}

function swapAndMendUsb(view: DataView, at: number, caplen: number): void {
  const data = at + RECORD_HEADER_LENGTH;
  if (swapUsb(view, data, caplen)) swapUsbMmapped(view, data, caplen);
  mendUsbLength(view, at, caplen);
}

function swapUsbMmapped(view: DataView, data: number, caplen: number): void {
  for (const offset of [usb.interval, usb.start_frame, usb.xfer_flags, usb.ndesc]) {
    if (caplen < offset + 4) return;
    swap32(view, data + offset);
  }
  if (view.getUint8(data + usb.transfer_type) !== URB_ISOCHRONOUS) return;
  const ndesc = view.getUint32(data + usb.ndesc, true);
  for (let n = 0, offset = USB_MMAPPED_LENGTH; n < ndesc; n++, offset += ISODESC_LENGTH) {
    for (const field of [offset, offset + 4, offset + 8]) {
      if (caplen < field + 4) return;
      swap32(view, data + field);
    }
  }
}

/** Completed incoming isochronous transfers, whose length was taken from the URB and not from its descriptors. */
function mendUsbLength(view: DataView, at: number, caplen: number): void {
  if (caplen < USB_MMAPPED_LENGTH) return;
  const data = at + RECORD_HEADER_LENGTH;
  const u32 = (offset: number): number => view.getUint32(data + offset, true);
  const ndesc = u32(usb.ndesc);
  const headers = USB_MMAPPED_LENGTH + ndesc * ISODESC_LENGTH;
  const incoming =
    view.getUint8(data + usb.data_flag) === 0 &&
    view.getUint8(data + usb.transfer_type) === URB_ISOCHRONOUS &&
    view.getUint8(data + usb.event_type) === URB_COMPLETE &&
    (view.getUint8(data + usb.endpoint_number) & URB_TRANSFER_IN) !== 0;
  if (!incoming || lengthOf(view, at) !== headers + u32(usb.urb_len)) return;
  let dataLength = 0;
  const here = Math.min(ndesc, Math.floor((caplen - USB_MMAPPED_LENGTH) / ISODESC_LENGTH));
  for (let n = 0; n < here; n++) {
    const length = u32(USB_MMAPPED_LENGTH + n * ISODESC_LENGTH + 8);
    if (length === 0) continue;
    dataLength = Math.max(dataLength, (u32(USB_MMAPPED_LENGTH + n * ISODESC_LENGTH + 4) + length) >>> 0);
  }
  const length = (headers + dataLength) >>> 0;
  if (length >= caplen) view.setUint32(at + record.len, length, true);
  if (caplen > lengthOf(view, at)) view.setUint32(at + record.len, caplen, true);
}
