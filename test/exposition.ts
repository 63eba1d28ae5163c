// Reads Prometheus' text format for tests, and throws on whatever its grammar does not allow:
// https://prometheus.io/docs/instrumenting/exposition_formats/, text version 0.0.4. Without histograms and
// summaries, which have samples of other names.

export interface Sample {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const LABEL = '([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\\\\n]|\\\\\\\\|\\\\"|\\\\n)*)"';
const HELP = new RegExp(`^# HELP (${NAME}) ((?:[^\\\\]|\\\\\\\\|\\\\n)*)$`);
const TYPE = new RegExp(`^# TYPE (${NAME}) (counter|gauge|untyped)$`);
const SAMPLE = new RegExp(`^(${NAME})(?:\\{(${LABEL}(?:,${LABEL})*)\\})? (\\S+)$`);
const VALUE = /^(?:[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?Inf|NaN)$/;

/** Each metric with HELP, TYPE and then all its samples, none of them twice. */
export function readExposition(text: string): Sample[] {
  if (!text.endsWith('\n')) throw new Error('the last line has no line feed');
  const samples: Sample[] = [];
  const metrics = new Set<string>();
  const series = new Set<string>();
  let [help, helpOf, type, typeOf] = ['', '', '', ''];
  for (const line of text.slice(0, -1).split('\n')) {
    const [, helped, helpText] = HELP.exec(line) ?? [];
    const [, typed, typeText] = TYPE.exec(line) ?? [];
    if (helped !== undefined) {
      if (metrics.has(helped)) throw new Error(`a second time: ${line}`);
      metrics.add(helped);
      [help, helpOf] = [helpText ?? '', helped];
    } else if (typed !== undefined) {
      if (typed !== helpOf || typed === typeOf) throw new Error(`not behind its HELP: ${line}`);
      [type, typeOf] = [typeText ?? '', typed];
    } else {
      const [, name = '', labels = ''] = SAMPLE.exec(line) ?? [];
      const value = line.slice(line.lastIndexOf(' ') + 1);
      if (name === '' || !VALUE.test(value)) throw new Error(`no sample: ${line}`);
      if (name !== typeOf || (type === 'counter' && !(Number(value) >= 0)))
        throw new Error(`no such sample here: ${line}`);
      if (series.has(name + labels)) throw new Error(`a second time: ${line}`);
      series.add(name + labels);
      samples.push({ name, type, help, labels: readLabels(labels), value: Number(value) });
    }
  }
  return samples;
}

function readLabels(text: string): Record<string, string> {
  const pairs = [...text.matchAll(new RegExp(LABEL, 'g'))].map(([, name = '', value = '']) => [
    name,
    value.replace(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped)),
  ]);
  return Object.fromEntries(pairs) as Record<string, string>;
}
