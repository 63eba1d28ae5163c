// Builds pcapng files block by block (draft-ietf-opsawg-pcapng), for tests of its reader.

/** Builds blocks, all of one byte order. */
export class Blocks {
  readonly #parts: Buffer[] = [];
  readonly #little: boolean;

  constructor(littleEndian: boolean) {
    this.#little = littleEndian;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }

  add(type: number, ...body: readonly (number | readonly number[] | Buffer)[]): this {
    const bytes = Buffer.concat(body.map((part) => this.#encode(part)));
    const padded = Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]);
    const length = this.#encode(padded.length + 12);
    this.#parts.push(Buffer.concat([this.#encode(type), length, padded, length]));
    return this;
  }

  section(): this {
    return this.add(0x0a0d0d0a, 0x1a2b3c4d, [1, 0], 0xffffffff, 0xffffffff);
  }

  interface(linktype: number, snaplen: number, options: Buffer = Buffer.alloc(0)): this {
    return this.add(1, [linktype, 0], snaplen, options);
  }

  option(code: number, value: Buffer): Buffer {
    return Buffer.concat([this.#encode([code, value.length]), value, Buffer.alloc(-value.length & 3)]);
  }

  offset(sec: bigint): Buffer {
    const value = Buffer.alloc(8);
    if (this.#little) value.writeBigInt64LE(sec);
    else value.writeBigInt64BE(sec);
    return this.option(14, value);
  }

  packet(number: number, time: bigint, packet: Buffer, len: number = packet.length): this {
    const words = [Number(time >> 32n), Number(time & 0xffffffffn)];
    return this.add(6, number, ...words, packet.length, len, pad(packet), this.option(1, Buffer.from('a comment')));
  }

  obsolete(number: number, time: bigint, packet: Buffer): this {
    const words = [Number(time >> 32n), Number(time & 0xffffffffn)];
    return this.add(2, [number, 7], ...words, packet.length, packet.length, pad(packet));
  }

  simple(packet: Buffer, len: number = packet.length): this {
    return this.add(3, len, packet);
  }

  #encode(part: number | readonly number[] | Buffer): Buffer {
    if (Buffer.isBuffer(part)) return part;
    const words = typeof part === 'number' ? 1 : 0;
    const values = typeof part === 'number' ? [part] : part;
    const bytes = Buffer.alloc(values.length * (words ? 4 : 2));
    for (const [n, value] of values.entries()) {
      if (words && this.#little) bytes.writeUInt32LE(value >>> 0, 4 * n);
      else if (words) bytes.writeUInt32BE(value >>> 0, 4 * n);
      else if (this.#little) bytes.writeUInt16LE(value, 2 * n);
      else bytes.writeUInt16BE(value, 2 * n);
    }
    return bytes;
  }
}

function pad(packet: Buffer): Buffer {
  return Buffer.concat([packet, Buffer.alloc(-packet.length & 3)]);
}
