// Savefiles in memory, of any format, for tests that put them into directories.

export interface SavefileForm {
  readonly nano?: boolean;
  readonly bigEndian?: boolean;
  /** Of a second, in units of the format. */
  readonly fraction?: number;
}

export const FILE_HEADER_LENGTH = 24;
/** Of the records below. */
export const RECORD_LENGTH = 17;

/** A savefile with one record of one byte for each of `secs`, all with the same fraction. */
export function savefileBytes(secs: readonly number[] = [], form: SavefileForm = {}): Buffer {
  const bytes = Buffer.alloc(FILE_HEADER_LENGTH + RECORD_LENGTH * secs.length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const little = form.bigEndian !== true;
  view.setUint32(0, form.nano === true ? 0xa1b23c4d : 0xa1b2c3d4, little);
  view.setUint16(4, 2, little);
  view.setUint16(6, 4, little);
  view.setUint32(16, 96, little);
  view.setUint32(20, 1, little);
  for (const [index, sec] of secs.entries()) {
    const at = FILE_HEADER_LENGTH + index * RECORD_LENGTH;
    view.setUint32(at, sec, little);
    view.setUint32(at + 4, form.fraction ?? 0, little);
    view.setUint32(at + 8, 1, little);
    view.setUint32(at + 12, 1, little);
  }
  return bytes;
}
