// The words that stand in for an errno are libc's own.
import { execFileSync } from 'node:child_process';
import { constants } from 'node:os';
import { expect, test } from 'vitest';
import { OptionError, SyscallError } from '../src/errors.ts';

test('a file that can not be opened or read: in the words of libc, which perl asks for', () => {
  const codes = Object.entries(constants.errno);
  const numbers = codes.map(([, errno]) => String(errno));
  const words = execFileSync('perl', ['-e', 'for (@ARGV) { $! = $_; print "$!\\n" }', ...numbers], {
    encoding: 'utf8',
  });
  const worded = codes.flatMap(([code, errno], n) => {
    const { message } = new SyscallError(code, errno, 'open', '/x');
    if (message.startsWith('open /x: ')) return [];
    expect(message).toBe(`/x: ${words.split('\n')[n]}`);
    expect(new SyscallError(code, errno, 'read', '/x').message).toBe(`read ${message}`);
    return [code];
  });
  expect(worded).toEqual(
    expect.arrayContaining(['EACCES', 'EISDIR', 'ELOOP', 'ENAMETOOLONG', 'ENOENT', 'ENOTDIR', 'EROFS']),
  );
});

test('anything else: the call, the code, and what to do about it', () => {
  expect(new SyscallError('EIO', 5, 'rename', '/x').message).toBe('rename /x: EIO');
  expect(new SyscallError('EPERM', 1, 'socket').message).toMatch(/^socket: EPERM \(.*CAP_NET_RAW\)$/);
  expect(new SyscallError('ENODEV', 19, 'bind').message).toMatch(/^bind: ENODEV \(no such network interface/);
  expect(new OptionError('-c', '', 'expected a number').message).toBe("-c '': expected a number");
});
