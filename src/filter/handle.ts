// libpcap's handle on a device, on which filters are compiled, and the link types that the device offers. It captures
// nothing. Called by compile.ts, and by -L and -y.
import { OptionError, PcapError } from '../errors.ts';
import * as pcap from '../native/libpcap.ts';
import { outputLinktype } from '../savefile/linktype.ts';

export interface HandleOptions {
  /** Interface name, its number in `-D`, or `any`. */
  readonly device: string;
  readonly snaplen: number;
  /** Default false. */
  readonly monitor?: boolean;
}

export interface Handle {
  readonly p: pcap.pcap_t;
  readonly device: string;
  readonly warnings: string[];
}

/** To be closed by the caller. As for tcpdump, digits are an interface's name if there is such a one, else its number in -D. */
export function openHandle(options: HandleOptions): Handle {
  const { device } = options;
  try {
    return activate(device, options);
  } catch (cause) {
    const missing = cause instanceof PcapError && cause.code === 'PCAP_ERROR_NO_SUCH_DEVICE';
    if (!missing || !/^\d+$/.test(device)) throw cause;
    const devices = pcap.pcap_findalldevs();
    const found = devices[Number(device) - 1];
    if (found === undefined)
      throw new OptionError('-i', device, `expected a number from 1 to ${devices.length}, as in -D`);
    return activate(found.name, options);
  }
}

/** The handle captures nothing, so it takes the least memory; a timeout other than 0 gives it the ring that all libpcaps have. */
function activate(device: string, { snaplen, monitor = false }: HandleOptions): Handle {
  const p = pcap.pcap_create(device);
  try {
    pcap.pcap_set_snaplen(p, snaplen);
    pcap.pcap_set_promisc(p, 0);
    if (monitor) pcap.pcap_set_rfmon(p, 1);
    pcap.pcap_set_timeout(p, 1000);
    pcap.pcap_set_buffer_size(p, 1);
    const warning = pcap.pcap_activate(p, device);
    return { p, device, warnings: warning === undefined ? [] : [`WARNING: ${warning}`] };
  } catch (cause) {
    pcap.pcap_close(p);
    throw cause;
  }
}

export interface OfferedLinktypes {
  /** The interface's name, also when its number was given. */
  readonly device: string;
  readonly linktypes: readonly { readonly name: string; readonly description: string | undefined }[];
}

/** What `-y` takes for the interface. @throws OptionError, PcapError */
export function offeredLinktypes(options: HandleOptions): OfferedLinktypes {
  const { p, device } = openHandle(options);
  try {
    const linktypes = pcap.pcap_list_datalinks(p).map((dlt) => ({
      name: pcap.pcap_datalink_val_to_name(dlt) ?? `DLT ${dlt}`,
      description: pcap.pcap_datalink_val_to_description(dlt),
    }));
    return { device, linktypes };
  } finally {
    pcap.pcap_close(p);
  }
}

/** LINKTYPE_ value of a name as `-y` takes it. @throws OptionError */
export function linktypeNamed(name: string): number {
  const dlt = pcap.pcap_datalink_name_to_val(name);
  if (dlt === undefined) throw new OptionError('-y', name, 'libpcap knows no such link type');
  return outputLinktype(dlt);
}

/** Returns the name of the link type where there was something to choose. */
export function chooseLinktype(p: pcap.pcap_t, device: string, asked: string | undefined): string | undefined {
  const name = asked ?? (device === 'any' ? 'LINUX_SLL2' : undefined);
  if (name === undefined) return undefined;
  const offered = pcap.pcap_list_datalinks(p);
  const dlt = pcap.pcap_datalink_name_to_val(name);
  if (dlt === undefined || !offered.includes(dlt)) {
    const names = offered.map((offer) => pcap.pcap_datalink_val_to_name(offer) ?? `${offer}`);
    throw new OptionError('-y', name, `${device} offers ${names.join(', ')}`);
  }
  if (dlt !== pcap.pcap_datalink(p)) pcap.pcap_set_datalink(p, dlt);
  return pcap.pcap_datalink_val_to_name(dlt);
}
