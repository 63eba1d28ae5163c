// What vi.mock puts in the place of node:fs and node:fs/promises: the real functions, each with a look at the directory
// behind it, or with a failure instead of it. Test files load this in vi.hoisted, so it imports nothing.
//
//   const { watch, watched } = await vi.hoisted(() => import('./watched-fs.ts'));
//   vi.mock('node:fs', async (load) => watched(await load(), ['openSync', 'close']));

type Call = (...args: unknown[]) => unknown;

export const watch: {
  calls: number;
  /** Called when a watched call has been made. What it asks the file system itself is not watched. */
  afterCall: () => void;
  /** The call that fails, and with what. */
  fail: { readonly call: string; readonly code: string } | undefined;
} = { calls: 0, afterCall: () => {}, fail: undefined };

let looking = false;

/** The module with these of its functions watched: those that end in `Sync`, those that take a callback or give a promise. */
export function watched(module: Record<string, unknown>, names: readonly string[]): Record<string, unknown> {
  const wrapped = names.map((name) => {
    const call = module[name] as Call;
    return [name, (...args: unknown[]): unknown => run(name, call, args)];
  });
  return { ...module, ...Object.fromEntries(wrapped) };
}

function run(name: string, call: Call, args: unknown[]): unknown {
  const failure = looking || watch.fail?.call !== name ? undefined : failureOf(name, watch.fail.code, args[0]);
  const callback = args.at(-1);
  if (typeof callback === 'function') {
    if (failure !== undefined) return callback(failure);
    return call(...args.slice(0, -1), (...results: unknown[]) => {
      look();
      callback(...results);
    });
  }
  if (failure !== undefined) {
    if (name.endsWith('Sync')) throw failure;
    return Promise.reject(failure);
  }
  const result = call(...args);
  if (!(result instanceof Promise)) {
    look();
    return result;
  }
  return result.then((value) => {
    look();
    return value;
  });
}

function look(): void {
  if (looking) return;
  looking = true;
  watch.calls++;
  try {
    watch.afterCall();
  } finally {
    looking = false;
  }
}

/** As Node makes it: the path, where one was given. */
function failureOf(syscall: string, code: string, path: unknown): Error {
  const where = typeof path === 'string' ? { path } : {};
  return Object.assign(new Error('no'), { code, errno: -5, syscall, ...where });
}
