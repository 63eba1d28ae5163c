// `-D`, `-L` and `-J`: the interfaces that can be captured on and what they offer, as tcpdump prints it, where tcpdump prints
// it. The numbers of -D are good for `-i`.
import { OptionError } from '../errors.ts';
import { type HandleOptions, offeredLinktypes } from '../filter/handle.ts';
import * as pcap from '../native/libpcap.ts';

/** Prints to stdout. @throws PcapError, CaptureError ERR_LIBPCAP */
export function listDevices(): void {
  const lines = pcap.pcap_findalldevs().map((device, index) => `${index + 1}.${describe(device)}\n`);
  process.stdout.write(lines.join(''));
}

/** Prints to stdout, as tcpdump does from 4.99.5 on. @throws OptionError, PcapError */
export function listLinktypes(options: HandleOptions): void {
  const { device, linktypes } = offeredLinktypes(options);
  const lines = linktypes.map(({ name, description }) => `  ${name}${bracketed(description)}\n`);
  process.stdout.write(`Data link types for ${device} (use option -y to set):\n${lines.join('')}`);
}

/** Prints to stdout, as later tcpdumps do. @throws PcapError */
export function listTimestampTypes(device: string): void {
  const lines = pcap.timestampTypes(device).map(({ name, description }) => `  ${name}${bracketed(description)}\n`);
  process.stdout.write(
    lines.length === 0
      ? `Time stamp type cannot be set for ${device}\n`
      : `Time stamp types for ${device} (use option -j to set):\n${lines.join('')}`,
  );
}

/**
 * `-j`: the type, or undefined when the device does not have it, which tcpdump warns of and goes on. @throws OptionError when
 * there is no such type
 */
export function offeredTimestampType(device: string, type: string): string | undefined {
  if (!pcap.isTimestampType(type)) throw new OptionError('-j', type, 'libpcap knows no such time stamp type, see -J');
  if (pcap.timestampTypes(device).some(({ name }) => name === type)) return type;
  const warning = 'That type of time stamp is not supported by that device';
  process.stderr.write(`tsnetpcap: WARNING: When trying to set timestamp type '${type}' on ${device}: ${warning}\n`);
  return undefined;
}

function bracketed(text: string | undefined): string {
  return text === undefined ? '' : ` (${text})`;
}

function describe({ name, description, flags }: pcap.pcap_if): string {
  const text = `${name}${bracketed(description)}`;
  return flags === 0 ? text : `${text} [${flagWords(flags)}]`;
}

function flagWords(flags: number): string {
  const words: string[] = [];
  if (flags & pcap.PCAP_IF_UP) words.push('Up');
  if (flags & pcap.PCAP_IF_RUNNING) words.push('Running');
  if (flags & pcap.PCAP_IF_LOOPBACK) words.push('Loopback');
  if (flags & pcap.PCAP_IF_WIRELESS) words.push('Wireless');
  if (words.length === 0) words.push('none');
  const wireless = (flags & pcap.PCAP_IF_WIRELESS) !== 0;
  switch (flags & pcap.PCAP_IF_CONNECTION_STATUS) {
    case pcap.PCAP_IF_CONNECTION_STATUS_UNKNOWN:
      words.push(wireless ? 'Association status unknown' : 'Connection status unknown');
      break;
    case pcap.PCAP_IF_CONNECTION_STATUS_CONNECTED:
      words.push(wireless ? 'Associated' : 'Connected');
      break;
    case pcap.PCAP_IF_CONNECTION_STATUS_DISCONNECTED:
      words.push(wireless ? 'Not associated' : 'Disconnected');
      break;
    default: // not applicable: loopback, any
  }
  return words.join(', ');
}
