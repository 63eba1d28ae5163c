// Addresses as the kernel's packet log prints them (%pI4, and %pI6 with all its zeros), in the form that inet_ntop(3) and
// RFC 5952 give them, so that they can be joined with those from savefiles.

const BYTE = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';
const V4 = new RegExp(`^${BYTE}(?:\\.${BYTE}){3}$`);
const V6 = /^[0-9a-f]{4}(?::[0-9a-f]{4}){7}$/i;

/** Undefined when it is no address as the kernel prints one. */
export function readAddress(text: string): string | undefined {
  if (V4.test(text)) return text;
  return V6.test(text) ? shorten(text.split(':').map((group) => Number.parseInt(group, 16))) : undefined;
}

function shorten(groups: readonly number[]): string {
  // inet_ntop(3) writes the end of these as an IPv4 address.
  const mapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  const compatible = groups.slice(0, 6).every((group) => group === 0) && groups[6] !== 0;
  if (mapped || compatible) {
    const [high = 0, low = 0] = groups.slice(6);
    return `::${mapped ? 'ffff:' : ''}${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
  }
  // The longest run of two zeros or more, the first of several.
  let [from, length] = [-1, 1];
  for (let at = 0; at < groups.length; at++) {
    let end = at;
    while (groups[end] === 0) end++;
    if (end - at > length) [from, length] = [at, end - at];
    at = Math.max(at, end);
  }
  const hex = (some: readonly number[]): string => some.map((group) => group.toString(16)).join(':');
  return from === -1 ? hex(groups) : `${hex(groups.slice(0, from))}::${hex(groups.slice(from + length))}`;
}
