// One savefile after the other into Parquet files of packets, parts of flows, DNS messages and ClientHellos. build.ts gives
// it a partition's savefiles in order; merge.ts makes flows of the parts. Packets go to DuckDB in batches: while it writes
// one, the next is decoded.
import { join } from 'node:path';
import { CaptureError } from '../../errors.ts';
import { RECORD_HEADER_LENGTH, record } from '../../savefile/header.ts';
import type { RecordReader, RecordRun } from '../../savefile/reading/record-run.ts';
import type { ClientHello } from '../decode/client-hello.ts';
import { type DnsMessage, looksLikeDns, readDns } from '../decode/dns.ts';
import { DnsStreams } from '../decode/dns-streams.ts';
import { HelloAssembler } from '../decode/hello-assembler.ts';
import { PacketDecoder, PROTOCOL_TCP, PROTOCOL_UDP } from '../decode/packet.ts';
import { ChunkAppender, type Column } from './chunk-appender.ts';
import type { Database } from './duckdb.ts';
import { FlowTable } from './flow-table.ts';
import { protocolName, takeParts } from './parts.ts';
import { CHUNK_ROWS, PARQUET, TableWriter } from './table-writer.ts';
import { quote } from './views.ts';

/** Rows of a Parquet file at most: some 15 MB there, and 35 in memory. */
const BATCH_ROWS = 4 * 122_880;
/** What an INTEGER has at most: a forged record may say more. */
const INT_MAX = 0x7fffffff;
const STAGED =
  'flow BIGINT, time TIMESTAMPTZ, forward BOOLEAN, len INTEGER, caplen INTEGER, tcp_flags SMALLINT, ip_id INTEGER, ttl SMALLINT';

/** What became of a savefile. */
export interface IndexedSavefile {
  readonly packets: number;
  /** In microseconds; undefined without a packet. */
  readonly firstUs: number | undefined;
  readonly lastUs: number | undefined;
  readonly linktype: number | undefined;
  readonly snaplen: number | undefined;
  readonly damage: string | undefined;
}

export class SavefileIndexer {
  readonly #database: Database;
  readonly #folder: string;
  readonly #decoder = new PacketDecoder();
  readonly #flows: FlowTable;
  #hellos: HelloAssembler;
  #streams: DnsStreams;
  readonly #dns: TableWriter<'dns'>;
  readonly #tls: TableWriter<'tls'>;
  #file = 0;
  /** Numbers in the names of its Parquet files. A batch of packets is of one part, which says who opened their flows. */
  #batch = 0;
  #part = 0;
  #appender: ChunkAppender | undefined;
  #row = 0;
  #writing: Promise<void> = Promise.resolve();
  readonly #flow: Float64Array = new Float64Array(CHUNK_ROWS);
  readonly #time: Float64Array = new Float64Array(CHUNK_ROWS);
  readonly #forward: Uint8Array = new Uint8Array(CHUNK_ROWS);
  readonly #len: Int32Array = new Int32Array(CHUNK_ROWS);
  readonly #caplen: Int32Array = new Int32Array(CHUNK_ROWS);
  readonly #tcpFlags: Int16Array = new Int16Array(CHUNK_ROWS);
  readonly #ipId: Int32Array = new Int32Array(CHUNK_ROWS);
  readonly #ttl: Int16Array = new Int16Array(CHUNK_ROWS);

  private constructor(
    database: Database,
    folder: string,
    flows: FlowTable,
    dns: TableWriter<'dns'>,
    tls: TableWriter<'tls'>,
  ) {
    this.#flows = flows;
    this.#database = database;
    this.#folder = folder;
    this.#dns = dns;
    this.#tls = tls;
    this.#hellos = this.#newHellos();
    this.#streams = this.#newStreams();
  }

  /** `folder`: where the files are written to. */
  static async create(
    database: Database,
    folder: string,
    flows: FlowTable = new FlowTable(),
  ): Promise<SavefileIndexer> {
    const dns = await TableWriter.create(database, 'dns');
    const tls = await TableWriter.create(database, 'tls');
    return new SavefileIndexer(database, folder, flows, dns, tls);
  }

  /**
   * Indexes what `open` gives as file number `file`. A damaged one is taken up to the damage. `progress` is told of each run
   * of packets. Rejects with what no savefile is to blame for.
   */
  async index(
    file: number,
    open: () => Promise<RecordReader>,
    progress: (packets: number) => void,
  ): Promise<IndexedSavefile> {
    this.#file = file;
    this.#batch = 0;
    this.#part = 0;
    let reader: RecordReader | undefined;
    let packets = 0;
    let firstUs = Number.POSITIVE_INFINITY;
    let lastUs = Number.NEGATIVE_INFINITY;
    let damage: string | undefined;
    try {
      reader = await open();
      reader.readAs = 'micro';
      for (let run = await reader.next(); run !== undefined; run = await reader.next()) {
        for (let at = run.start; at < run.end; ) {
          if (this.#appender === undefined) this.#appender = await this.#begin();
          at = this.#take(run, at);
          const { full } = this.#flows;
          if (full || this.#appender.rows >= BATCH_ROWS) await this.#endBatch();
          if (full) await this.#emptyFlows();
        }
        packets += run.records;
        firstUs = Math.min(firstUs, timeAt(run.view, run.start));
        lastUs = Math.max(lastUs, timeAt(run.view, run.last));
        progress(run.records);
      }
    } catch (cause) {
      if (!(cause instanceof CaptureError)) throw cause;
      damage = cause.message;
    } finally {
      await reader?.close();
    }
    await this.#endBatch();
    await this.#endPart();
    await this.#endNames('');
    return {
      packets,
      firstUs: packets === 0 ? undefined : firstUs,
      lastUs: packets === 0 ? undefined : lastUs,
      linktype: reader?.linktype,
      snaplen: reader?.snaplen,
      damage,
    };
  }

  /** Resolves when all is written. Names that still waited for more come as rows of file number `file`. */
  async finish(file: number): Promise<void> {
    this.#file = file;
    this.#hellos.finish();
    this.#streams.finish();
    await this.#endNames('-0');
    await this.#writing;
  }

  /** Resolves when nothing is being written any more, also where that failed. */
  async settled(): Promise<void> {
    await this.#writing.catch(() => {});
  }

  /** Takes records from `at` on until a batch or the table of flows is full, and returns where it stopped. */
  #take(run: RecordRun, start: number): number {
    const { bytes, view, end, linktype } = run;
    const decoder = this.#decoder;
    const flows = this.#flows;
    let at = start;
    while (at < end && !flows.full) {
      const caplen = view.getUint32(at + record.caplen, true);
      const len = view.getUint32(at + record.len, true);
      const time = view.getUint32(at + record.sec, true) * 1e6 + view.getUint32(at + record.fraction, true);
      const from = at + RECORD_HEADER_LENGTH;
      at = from + caplen;
      const row = this.#row;
      if (decoder.decode(linktype, bytes, from, at, len)) {
        flows.count(decoder, bytes, time);
        this.#flow[row] = flows.ids[flows.entry] ?? 0;
        this.#forward[row] = flows.fromLow === (flows.lowOpened[flows.entry] === 1) ? 1 : 0;
        if (decoder.payloadLength > 0) this.#names(bytes, time);
      } else {
        this.#flow[row] = 0;
        this.#forward[row] = 0;
      }
      this.#time[row] = time;
      this.#len[row] = len > INT_MAX ? INT_MAX : len;
      this.#caplen[row] = caplen;
      this.#tcpFlags[row] = decoder.tcpFlags;
      this.#ipId[row] = decoder.ipId;
      this.#ttl[row] = decoder.ttl;
      this.#row++;
      if (this.#row === CHUNK_ROWS) {
        this.#appender?.append(CHUNK_ROWS);
        this.#row = 0;
        if ((this.#appender?.rows ?? 0) >= BATCH_ROWS) break;
      }
    }
    return at;
  }

  /** Names that the packet says: DNS, a ClientHello. */
  #names(bytes: Uint8Array, time: number): void {
    const { protocol, payloadAt, payloadLength, sourcePort, destinationPort, tcpSequence, payloadOnWire } =
      this.#decoder;
    const end = payloadAt + payloadLength;
    const dns = looksLikeDns(sourcePort, destinationPort);
    // Each direction for itself, since who opened a flow may not be known.
    const stream = 2 * this.#flows.entry + (this.#flows.fromLow ? 0 : 1);
    if (protocol === PROTOCOL_UDP && dns) {
      const message = readDns(bytes, payloadAt, end);
      if (message !== undefined) this.#addDns(stream, time, message);
    } else if (protocol === PROTOCOL_UDP) this.#hellos.feedQuic(stream, time, bytes, payloadAt, end);
    else if (protocol === PROTOCOL_TCP) {
      if (dns) this.#streams.feed(stream, time, tcpSequence, bytes, payloadAt, end, payloadOnWire);
      else this.#hellos.feedTcp(stream, time, tcpSequence, bytes, payloadAt, end, payloadOnWire);
    }
  }

  #addDns(stream: number, time: number, message: DnsMessage): void {
    const { id, response, opcode, rcode, questions, answers, cut } = message;
    // What mDNS announces has no question.
    const asked = questions.length > 0 ? questions : [{ name: answers[0]?.name, type: answers[0]?.type }];
    const proto = protocolName(this.#flows.protocolOf(stream >> 1));
    const common = { ...this.#ends(stream), time, proto, id, response, opcode, rcode, cut };
    for (const [index, { name, type }] of asked.entries()) {
      const texts = index === 0 ? answers.map((answer) => `${answer.type} ${answer.data}`.trimEnd()) : [];
      this.#dns.add({ ...common, name, type, answers: texts });
    }
  }

  #newStreams(): DnsStreams {
    return new DnsStreams((stream, time, message) => this.#addDns(stream, time, message));
  }

  #newHellos(): HelloAssembler {
    return new HelloAssembler((stream: number, time: number, { name, alpn, version, cut }: ClientHello) => {
      const transport = this.#flows.protocolOf(stream >> 1) === PROTOCOL_TCP ? 'tcp' : 'quic';
      this.#tls.add({ ...this.#ends(stream), time, transport, name, alpn, version, cut });
    });
  }

  /** `stream`: the number of an entry, twice, and one more for what goes from its high end to its low one. */
  #ends(stream: number): { flow: number; file: number; src: string; sport: number; dst: string; dport: number } {
    const entry = stream >> 1;
    const fromLow = stream % 2 === 0;
    const flows = this.#flows;
    return {
      flow: flows.ids[entry] ?? 0,
      file: this.#file,
      src: flows.addressOf(entry, fromLow),
      sport: flows.portOf(entry, fromLow),
      dst: flows.addressOf(entry, !fromLow),
      dport: flows.portOf(entry, !fromLow),
    };
  }

  async #begin(): Promise<ChunkAppender> {
    const columns: Column[] = [
      this.#flow,
      this.#time,
      this.#forward,
      this.#len,
      this.#caplen,
      this.#tcpFlags,
      this.#ipId,
      this.#ttl,
    ];
    return ChunkAppender.create(this.#database, `packets_${this.#batch % 2}_${this.#file}`, STAGED, columns);
  }

  /** Has what was appended written while the next is. */
  async #endBatch(): Promise<void> {
    const appender = this.#appender;
    if (appender === undefined) return;
    this.#appender = undefined;
    appender.append(this.#row);
    this.#row = 0;
    appender.close();
    const table = `packets_${this.#batch % 2}_${this.#file}`;
    const path = join(this.#folder, `packets-${this.#file}-${this.#part}-${this.#batch}.parquet`);
    this.#batch++;
    const file = this.#file;
    // No more than two batches are in memory.
    await this.#writing;
    this.#writeMeanwhile(() => this.#write(table, path, file));
  }

  #writeMeanwhile(write: () => Promise<void>): void {
    this.#writing = this.#writing.then(write);
    this.#writing.catch(() => {}); // seen by whoever waits for it next
  }

  async #write(table: string, path: string, file: number): Promise<void> {
    const { writing } = this.#database;
    await writing.run(
      `COPY (SELECT ${file}::INTEGER AS file, nullif(flow, 0) AS flow, time, CASE WHEN flow <> 0 THEN forward END AS forward,
        len, caplen, nullif(tcp_flags, -1)::UTINYINT AS tcp_flags, nullif(ip_id, -1) AS ip_id, nullif(ttl, -1)::UTINYINT AS ttl
        FROM ${table}) TO ${quote(path)} ${PARQUET}`,
    );
    await writing.run(`DROP TABLE ${table}`);
  }

  /** What comes behind is of the next part: the counts of flows so far are taken out. */
  async #endPart(): Promise<void> {
    const part = this.#part++;
    const path = join(this.#folder, `parts-${this.#file}-${part}.parquet`);
    const write = await takeParts(this.#database, this.#flows, this.#file, part);
    this.#writeMeanwhile(() => write(path));
  }

  async #endNames(suffix: string): Promise<void> {
    for (const [name, writer] of [
      ['dns', this.#dns],
      ['tls', this.#tls],
    ] as const) {
      const write = await writer.cut();
      const path = join(this.#folder, `${name}-${this.#file}${suffix}.parquet`);
      this.#writeMeanwhile(() => write(path));
    }
  }

  async #emptyFlows(): Promise<void> {
    this.#hellos.finish();
    this.#streams.finish();
    this.#hellos = this.#newHellos();
    this.#streams = this.#newStreams();
    await this.#endPart();
    this.#flows.clear();
  }
}

function timeAt(view: DataView, at: number): number {
  return view.getUint32(at + record.sec, true) * 1e6 + view.getUint32(at + record.fraction, true);
}
