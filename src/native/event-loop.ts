// The descriptor behind Node's event loop, for the capture's own poll(2): it becomes readable when the loop has something
// to do, be it a signal or an asynchronous file operation that has ended. So one wait sees packets and everything else.
// Node exports libuv's functions from its program file, for addons; they are the same in Node 20 to 24.
import koffi from 'koffi';
import { CaptureError } from '../errors.ts';

const program = koffi.load(null);
const uv_default_loopFn = program.func('void *uv_default_loop()');
const uv_backend_fdFn = program.func('int uv_backend_fd(void *loop)');

/**
 * The epoll descriptor of the main thread's loop. Poll it for POLLIN and then let the loop turn; never read from it.
 * What was first watched in the present turn is in it only from the next turn on.
 */
export function eventLoopFd(): number {
  const fd: number = uv_backend_fdFn(uv_default_loopFn());
  if (fd < 0) throw new CaptureError('ERR_EVENT_LOOP', 'libuv has no descriptor to poll for its event loop');
  return fd;
}
