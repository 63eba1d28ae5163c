// The layout of an address, against C's.
import koffi from 'koffi';
import { expect, test } from 'vitest';
import { sockaddr_un } from '../../src/native/unix-datagram.ts';

test('struct sockaddr_un', () => {
  const type = koffi.struct({ sun_family: 'unsigned short', sun_path: koffi.array('char', 108) });
  const { sizeof, ...offsets } = sockaddr_un;
  expect(sizeof).toBe(koffi.sizeof(type));
  for (const [name, offset] of Object.entries(offsets)) expect(offset).toBe(koffi.offsetof(type, name));
});
