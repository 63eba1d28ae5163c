// What the flow table counted of each flow since it was asked last, as rows of a Parquet file beside the tables. A flow has
// a part for each savefile that it is in, and more where the table was full; merge.ts puts them together.
import { PROTOCOL_ICMP, PROTOCOL_ICMPV6, PROTOCOL_TCP, PROTOCOL_UDP } from '../decode/packet.ts';
import { ChunkAppender } from './chunk-appender.ts';
import type { Database } from './duckdb.ts';
import type { FlowTable } from './flow-table.ts';
import { CHUNK_ROWS, PARQUET, type WriteRows } from './table-writer.ts';
import { quote } from './views.ts';

const NAMES: ReadonlyMap<number, string> = new Map([
  [PROTOCOL_ICMP, 'ICMP'],
  [PROTOCOL_TCP, 'TCP'],
  [PROTOCOL_UDP, 'UDP'],
  [PROTOCOL_ICMPV6, 'ICMPv6'],
]);

/** In place of NULL: -1 in ports, ttl and ip_id, '' in proto. */
const STAGED =
  'flow BIGINT, ifindex BIGINT, proto VARCHAR, low VARCHAR, high VARCHAR, low_port INTEGER, high_port INTEGER, ' +
  'low_opened BOOLEAN, syn BOOLEAN, first TIMESTAMPTZ, last TIMESTAMPTZ, packets_low BIGINT, packets_high BIGINT, ' +
  'bytes_low BIGINT, bytes_high BIGINT, flags_low UTINYINT, flags_high UTINYINT, ip_id INTEGER, ttl SMALLINT';

/** `TCP`, `47`; '' for -1. */
export function protocolName(protocol: number): string {
  return NAMES.get(protocol) ?? (protocol < 0 ? '' : String(protocol));
}

/**
 * Takes out the parts of the flows that had packets, and sets their counts to nothing. What it resolves to writes them;
 * without any it makes no file.
 */
export async function takeParts(database: Database, flows: FlowTable, file: number, part: number): Promise<WriteRows> {
  const numbers = (): Float64Array => new Float64Array(CHUNK_ROWS);
  const texts = (): string[] => new Array<string>(CHUNK_ROWS).fill('');
  const [flow, ifindex, first, last] = [numbers(), numbers(), numbers(), numbers()];
  const [packetsLow, packetsHigh, bytesLow, bytesHigh] = [numbers(), numbers(), numbers(), numbers()];
  const [proto, low, high] = [texts(), texts(), texts()];
  const [lowPort, highPort, ipId] = [
    new Int32Array(CHUNK_ROWS),
    new Int32Array(CHUNK_ROWS),
    new Int32Array(CHUNK_ROWS),
  ];
  const [lowOpened, syn] = [new Uint8Array(CHUNK_ROWS), new Uint8Array(CHUNK_ROWS)];
  const [flagsLow, flagsHigh] = [new Uint8Array(CHUNK_ROWS), new Uint8Array(CHUNK_ROWS)];
  const ttl = new Int16Array(CHUNK_ROWS);
  const ends = [proto, low, high, lowPort, highPort, lowOpened, syn];
  const counts = [packetsLow, packetsHigh, bytesLow, bytesHigh, flagsLow, flagsHigh];
  const columns = [flow, ifindex, ...ends, first, last, ...counts, ipId, ttl];
  const table = `parts_${file}_${part}`;
  const appender = await ChunkAppender.create(database, table, STAGED, columns);
  let row = 0;
  for (let entry = 0; entry < flows.size; entry++) {
    const [one, other] = [2 * entry, 2 * entry + 1];
    if (flows.packets[one] === 0 && flows.packets[other] === 0) continue;
    flow[row] = flows.ids[entry] ?? 0;
    ifindex[row] = flows.ifindexOf(entry);
    proto[row] = protocolName(flows.protocolOf(entry));
    low[row] = flows.addressOf(entry, true);
    high[row] = flows.addressOf(entry, false);
    lowPort[row] = flows.portOf(entry, true);
    highPort[row] = flows.portOf(entry, false);
    lowOpened[row] = flows.lowOpened[entry] ?? 0;
    syn[row] = flows.syn[entry] ?? 0;
    first[row] = flows.first[entry] ?? 0;
    last[row] = flows.last[entry] ?? 0;
    packetsLow[row] = flows.packets[one] ?? 0;
    packetsHigh[row] = flows.packets[other] ?? 0;
    bytesLow[row] = flows.bytes[one] ?? 0;
    bytesHigh[row] = flows.bytes[other] ?? 0;
    flagsLow[row] = flows.flags[one] ?? 0;
    flagsHigh[row] = flows.flags[other] ?? 0;
    ipId[row] = flows.ipIds[entry] ?? -1;
    ttl[row] = flows.ttls[entry] ?? -1;
    flows.forget(entry);
    if (++row < CHUNK_ROWS) continue;
    appender.append(row);
    row = 0;
  }
  appender.append(row);
  appender.close();
  const { writing } = database;
  return async (path) => {
    if (appender.rows > 0)
      await writing.run(
        `COPY (SELECT ${file}::INTEGER AS file, ${part}::INTEGER AS part, * FROM ${table}) TO ${quote(path)} ${PARQUET}`,
      );
    await writing.run(`DROP TABLE ${table}`);
  };
}
