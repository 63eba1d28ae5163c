// The commands of netlogs: what --help says of them, and where each is. Loaded when it is asked for.
import type { Command } from 'commander';
import type { Flag } from '../flag.ts';

/** `Flag` of whatever values the command has. */
type AnyFlag = Flag<Record<string, unknown>>;

export interface NetlogsCommand {
  readonly name: string;
  readonly usage: string;
  readonly help: string;
  readonly load: () => Promise<{ readonly command: Command; readonly flags: readonly AnyFlag[] }>;
}

export const NETLOGS_COMMANDS: readonly NetlogsCommand[] = [
  {
    name: 'list',
    usage: 'list [DAY]',
    help: 'what there is of each qube and day, and what is missing',
    load: async () => {
      const { LIST_FLAGS, listCommand } = await import('./list.ts');
      return { command: listCommand(), flags: LIST_FLAGS };
    },
  },
  {
    name: 'show',
    usage: 'show [DAY]',
    help: 'packets and nft lines as one timeline',
    load: async () => {
      const { SHOW_FLAGS, showCommand } = await import('./show.ts');
      return { command: showCommand(), flags: SHOW_FLAGS };
    },
  },
  {
    name: 'flows',
    usage: 'flows [DAY]',
    help: 'who talked to whom, how much, by which name',
    load: async () => {
      const { FLOWS_FLAGS, flowsCommand } = await import('./flows.ts');
      return { command: flowsCommand(), flags: FLOWS_FLAGS };
    },
  },
  {
    name: 'packets',
    usage: 'packets ROW|FILTER...',
    help: 'cut packets out into a savefile, for Wireshark',
    load: async () => {
      const { PACKETS_FLAGS, packetsCommand } = await import('./packets.ts');
      return { command: packetsCommand(), flags: PACKETS_FLAGS };
    },
  },
  {
    name: 'dns',
    usage: 'dns [DAY]',
    help: 'which names were asked for, and what was answered',
    load: async () => {
      const { DNS_FLAGS, dnsCommand } = await import('./dns.ts');
      return { command: dnsCommand(), flags: DNS_FLAGS };
    },
  },
  {
    name: 'diff',
    usage: 'diff DAY DAY',
    help: 'names, addresses and ports that are new on the second',
    load: async () => {
      const { DIFF_FLAGS, diffCommand } = await import('./diff.ts');
      return { command: diffCommand(), flags: DIFF_FLAGS };
    },
  },
  {
    name: 'check',
    usage: 'check [DAY]',
    help: 'hold a day against a policy: leaks, gaps, losses',
    load: async () => {
      const { CHECK_FLAGS, checkCommand } = await import('./check.ts');
      return { command: checkCommand(), flags: CHECK_FLAGS };
    },
  },
  {
    name: 'report',
    usage: 'report [DAY]',
    help: 'a page to look at, one HTML file',
    load: async () => {
      const { REPORT_FLAGS, reportCommand } = await import('./report.ts');
      return { command: reportCommand(), flags: REPORT_FLAGS };
    },
  },
  {
    name: 'forget',
    usage: 'forget DAY',
    help: 'delete bundles and index of a day',
    load: async () => {
      const { FORGET_FLAGS, forgetCommand } = await import('./forget.ts');
      return { command: forgetCommand(), flags: FORGET_FLAGS };
    },
  },
  {
    name: 'sql',
    usage: 'sql STATEMENT',
    help: 'a question of your own',
    load: async () => {
      const { SQL_FLAGS, sqlCommand } = await import('./sql.ts');
      return { command: sqlCommand(), flags: SQL_FLAGS };
    },
  },
];
