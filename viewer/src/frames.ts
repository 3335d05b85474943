/** Answers of the store as Grafana's data frames; series over time made wide as Grafana's back end makes them. */

import { FieldType, type DataFrame, type Field, type Labels } from '@grafana/data';

import type { Column } from './api';

/** Rows as they are. */
export function asTable(columns: Column[], refId: string): DataFrame {
  return frame(columns.map((column) => field(column.name, typeOf(column.type), column.values.map(shown))), refId);
}

/** One field for each number and combination of texts, which become its labels; a point that is missing is null. */
export function asSeries(columns: Column[], refId: string): DataFrame {
  const time = columns.find((column) => typeOf(column.type) === FieldType.time);
  const labels = columns.filter((column) => typeOf(column.type) === FieldType.string);
  if (!time || !labels.length) {
    return asTable(columns, refId);
  }
  const numbers = columns.filter((column) => typeOf(column.type) === FieldType.number);
  const times = [...new Set(time.values as number[])].sort((a, b) => a - b);
  const at = new Map(times.map((moment, index) => [moment, index]));
  const series = new Map<string, Field[]>();
  time.values.forEach((moment, row) => {
    const names: Labels = Object.fromEntries(labels.map((label) => [label.name, String(label.values[row])]));
    const key = JSON.stringify(Object.values(names));
    let fields = series.get(key);
    if (!fields) {
      fields = numbers.map((one) => ({ ...field(one.name, FieldType.number, Array(times.length).fill(null)), labels: names }));
      series.set(key, fields);
    }
    numbers.forEach((one, index) => (fields[index].values[at.get(moment as number)!] = one.values[row]));
  });
  return frame([field(time.name, FieldType.time, times), ...[...series.values()].flat()], refId);
}

function frame(fields: Field[], refId: string): DataFrame {
  fields.forEach((one, fieldIndex) => (one.state = { origin: { frameIndex: 0, fieldIndex } }));
  return { refId, fields, length: fields[0]?.values.length ?? 0 };
}

const field = (name: string, type: FieldType, values: unknown[]): Field => ({ name, type, config: {}, values });

const shown = (value: unknown) => (value !== null && typeof value === 'object' ? JSON.stringify(value) : value);

/** What ClickHouse's type is to Grafana. */
function typeOf(type: string): FieldType {
  const bare = type.replace(/^LowCardinality\(/, '').replace(/^Nullable\(/, '');
  if (/^Date/.test(bare)) {
    return FieldType.time;
  }
  if (/^(U?Int|Float|Decimal|BFloat)/.test(bare)) {
    return FieldType.number;
  }
  return /^Bool/.test(bare) ? FieldType.boolean : FieldType.string;
}
