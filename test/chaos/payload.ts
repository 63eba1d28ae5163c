// What the guest sends: UDP payloads that carry a number and are made of it to the last byte, so that a record that was
// torn, mixed up or filled with zeros is seen. Compiled into the guest, too.

/** A payload's lengths repeat after so many, so records are of all lengths and blocks never line up. */
const LENGTHS = 151;
const LEAST = 8;

export function buildPayload(number: number): Buffer {
  const payload = Buffer.alloc(LEAST + (number % LENGTHS));
  payload.writeUInt32BE(number);
  for (let at = 4; at < payload.length; at++) payload[at] = number + at;
  return payload;
}

/** The number in a payload that may be cut off behind it; throws when it is not what `buildPayload` made. */
export function readNumber(payload: Buffer): number {
  const number = payload.length < LEAST ? Number.NaN : payload.readUInt32BE();
  if (
    !buildPayload(number || 0)
      .subarray(0, payload.length)
      .equals(payload)
  ) {
    throw new Error(`a packet that nobody sent: ${payload.toString('hex')}`);
  }
  return number;
}
