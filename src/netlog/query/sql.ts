// SQL put together from text of ours and values of anybody's: values become literals here, and nowhere else. Literals and no
// parameters, so that DuckDB sees dates and hosts when it chooses which partitions to read.

type Part = Sql | string | number | readonly string[];

/** A piece of SQL. Only `sql` makes one. */
export class Sql {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** sql`host = ${'x'}`: strings become quoted literals, lists of them `('a', 'b')`, pieces stay what they are. */
export function sql(strings: TemplateStringsArray, ...values: readonly Part[]): Sql {
  return new Sql(strings.map((text, index) => text + literal(values[index])).join(''));
}

/** Pieces joined by AND, each in parentheses; TRUE for none. */
export function all(pieces: readonly Sql[]): Sql {
  return joined(pieces, ' AND ', 'TRUE');
}

/** Pieces joined by OR, each in parentheses; FALSE for none. */
export function any(pieces: readonly Sql[]): Sql {
  return joined(pieces, ' OR ', 'FALSE');
}

function joined(pieces: readonly Sql[], by: string, none: string): Sql {
  return new Sql(pieces.length === 0 ? none : `(${pieces.map(({ text }) => `(${text})`).join(by)})`);
}

function literal(value: Part | undefined): string {
  if (value === undefined) return '';
  if (value instanceof Sql) return value.text;
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new Error(`unreachable: ${value} in SQL`);
    return String(value);
  }
  if (typeof value === 'string') return quoted(value);
  // Not `(NULL)`, which a NOT IN is neither true nor false of.
  return value.length === 0 ? "(SELECT '' WHERE FALSE)" : `(${value.map(quoted).join(', ')})`;
}

/** DuckDB's literals know no backslash: the quote itself is the only character that must be doubled. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
