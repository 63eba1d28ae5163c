// Which engine a capture gets, and which options an engine refuses, as the capability table has it; and the manual's copy.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { CAPABILITIES, chooseEngine, ENGINES, type EngineOptions } from '../../src/capture/engine.ts';

const PLAIN: EngineOptions = {
  engine: undefined,
  snaplen: 96,
  promiscuous: true,
  precision: 'micro',
  linktype: undefined,
  monitor: false,
  timestampType: undefined,
  ringMemory: 2 ** 24,
};

test.each([
  ['nothing special', {}, true, 'ring'],
  ['-j host', { timestampType: 'host' }, true, 'ring'],
  ['-j adapter', { timestampType: 'adapter' }, true, 'libpcap'],
  ['-I', { monitor: true }, true, 'libpcap'],
  ['-i nflog', {}, false, 'libpcap'],
  ['--ring-memory 4GiB', { ringMemory: 2 ** 32 }, true, 'ring'],
])('%s, no --engine', (_, options, packetSocket, engine) => {
  expect(chooseEngine({ ...PLAIN, ...options }, 'nflog', packetSocket, false)).toBe(engine);
});

const REQUESTS = [
  ['promiscuousOff', { promiscuous: false }, '-p'],
  ['nanoseconds', { precision: 'nano' }, '--time-stamp-precision nano'],
  ['monitorMode', { monitor: true }, '-I'],
  ['linktypes', { linktype: 'LINUX_SLL2' }, '-y LINUX_SLL2'],
  ['snaplenInKernel', { headersOnly: true }, '--headers-only'],
  ['timestampTypes', { timestampType: 'adapter_unsynced' }, '-j adapter_unsynced'],
  ['largeBuffer', { ringMemory: 2 ** 31 }, '2048 MiB of ring memory'],
  ['otherDevices', {}, '-i usbmon1'],
  ['userSpaceFilter', {}, 'a filter that the kernel refuses'],
] as const;

test.each(ENGINES.flatMap((engine) => REQUESTS.map((request) => [engine, ...request] as const)))(
  '--engine %s and %s',
  (engine, capability, options, words) => {
    const choose = (): string =>
      chooseEngine(
        { ...PLAIN, ...options, engine },
        'usbmon1',
        capability !== 'otherDevices',
        capability === 'userSpaceFilter',
      );
    const { engines } = CAPABILITIES[capability];
    if (engines.includes(engine)) expect(choose()).toBe(engine);
    else expect(choose).toThrow(`--engine ${engine}: it does not take ${words}, as ${engines.join(' and ')} would`);
  },
);

test('what no engine can do together is an error', () => {
  expect(() => chooseEngine({ ...PLAIN, monitor: true, ringMemory: 2 ** 31 }, 'wlan0', true, false)).toThrow(
    '--engine ring: it does not take -I, as libpcap would',
  );
});

test('the manual has the table', () => {
  const manual = readFileSync(fileURLToPath(new URL('../../man/tsnetpcap.8', import.meta.url)), 'utf8');
  const [, table = ''] = /^\.Bl -column "goes on .*\n((?:\.It .*\n)+)\.El$/m.exec(manual) ?? [];
  const rows = Object.values(CAPABILITIES).map(
    ({ text, engines }) =>
      `.It ${text} Ta ${ENGINES.map((each) => (engines.includes(each) ? 'yes' : 'no')).join(' Ta ')}`,
  );
  expect(table.trimEnd().split('\n')).toEqual([`.It Ta ${ENGINES.map((each) => `Cm ${each}`).join(' Ta ')}`, ...rows]);
});
