// Before a capture can begin: its interface may not be there yet, as when a virtual machine or a tunnel starts later than
// the service does. Called for --wait-for-interface; one that goes away later is the source's business.
import { setTimeout } from 'node:timers/promises';
import { OptionError } from '../errors.ts';
import { IFNAMSIZ, readNetDevice } from '../native/netdevice.ts';

const LOOK_EVERY_MS = 100;

/**
 * Throws `OptionError` for what no interface can be called, and for a number of -D, which may mean another one each time.
 */
export function checkAwaited(device: string): void {
  if (/^\d+$/.test(device))
    throw new OptionError('-i', device, '--wait-for-interface needs the name of an interface, not its number in -D');
  if (device === '' || Buffer.byteLength(device) >= IFNAMSIZ)
    throw new OptionError('-i', device, `the name of an interface has 1 to ${IFNAMSIZ - 1} bytes`);
  // What systemd makes of the dash in netpcap@br-lan: better told than waited for.
  if (device.includes('/'))
    throw new OptionError(
      '-i',
      device,
      'the name of an interface has no slash; dashes in netpcap@NAME are for systemd-escape(1)',
    );
}

/**
 * Resolves when the interface is there and up, at once for `any`, or soon after `stopped` says so, which is asked again and
 * again. `begun` is called if it has to wait. @throws SyscallError
 */
export async function waitForInterface(device: string, stopped: () => boolean, begun: () => void): Promise<void> {
  const ready = (): boolean => device === 'any' || readNetDevice(device)?.up === true;
  if (ready()) return;
  begun();
  while (!ready() && !stopped()) await setTimeout(LOOK_EVERY_MS);
}
