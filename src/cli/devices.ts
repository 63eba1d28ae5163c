// `-D`: the interfaces that can be captured on, as tcpdump prints them; their numbers are good for `-i`.
import * as pcap from '../native/libpcap.ts';

/** Prints to stdout. @throws PcapError, CaptureError ERR_LIBPCAP */
export function listDevices(): void {
  const lines = pcap.pcap_findalldevs().map((device, index) => `${index + 1}.${describe(device)}\n`);
  process.stdout.write(lines.join(''));
}

function describe({ name, description, flags }: pcap.pcap_if): string {
  const text = description === undefined ? name : `${name} (${description})`;
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
