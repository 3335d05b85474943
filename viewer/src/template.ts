/** Grafana's words in texts and links: `${name:format}`, `$name`, `[[name]]`, and what begins with two underscores. */

import {
  formattedValueToString,
  getDisplayProcessor,
  getFieldDisplayName,
  type DataFrame,
  type Field,
  type InterpolateFunction,
  type ScopedVars,
  type TimeRange,
} from '@grafana/data';

import { said } from './address';
import { ALL, type Values } from './model';

const WORD = /\$\{([^}:]+)(?::([^}]+))?\}|\$(\w+)|\[\[(\w+)(?::(\w+))?\]\]/g;

/** Replaces what is known; the rest stays as it is, as in Grafana. */
export function interpolator(values: Values, range: TimeRange): InterpolateFunction {
  return (text, scoped, format) =>
    (text ?? '').replace(WORD, (whole, braced, bracedFormat, plain, squared, squaredFormat) => {
      const name: string = braced ?? plain ?? squared;
      const asked = bracedFormat ?? squaredFormat ?? (typeof format === 'string' ? format : undefined);
      const value = valueOf(name, values, range, scoped);
      if (value === undefined) {
        return name === 'datasource' ? '' : whole;
      }
      return name.startsWith('__url') || name === '__all_variables' ? String(value) : formatted(name, value, asked);
    });
}

/** The variables and the time range as the address has them. */
export const inAddress = (values: Values) =>
  Object.entries(values)
    .flatMap(([name, value]) => (Array.isArray(value) ? value : [value]).map((one) => parameter(name, one)))
    .join('&');

const parameter = (name: string, value: string) => `var-${encodeURIComponent(name)}=${encodeURIComponent(value)}`;

function valueOf(name: string, values: Values, range: TimeRange, scoped?: ScopedVars): string | string[] | undefined {
  switch (name) {
    case '__url_time_range':
      return `from=${said(range.raw.from)}&to=${said(range.raw.to)}`;
    case '__all_variables':
      return inAddress(values);
    case '__from':
      return String(range.from.valueOf());
    case '__to':
      return String(range.to.valueOf());
  }
  const context = scoped?.__dataContext?.value;
  if (context && name.startsWith('__')) {
    return ofData(name, context);
  }
  const own = scoped?.[name]?.value ?? values[name];
  return own === undefined ? undefined : Array.isArray(own) ? own.map(String) : String(own);
}

interface DataContext {
  data: DataFrame[];
  frame: DataFrame;
  field: Field;
  rowIndex?: number;
  calculatedValue?: { text: string; numeric: number };
}

function ofData(name: string, { data, frame, field, rowIndex, calculatedValue }: DataContext): string | undefined {
  const label = /^__field\.labels(?:\.(\w+)|\["([^"]+)"\])$/.exec(name);
  if (label) {
    return field.labels?.[label[1] ?? label[2]] ?? '';
  }
  const other = /^__data\.fields(?:\.(\w+)|\["([^"]+)"\]|\[(\d+)\])(?:\.(\w+))?$/.exec(name);
  if (other) {
    const column = other[3] ? frame.fields[Number(other[3])] : named(frame, other[1] ?? other[2]);
    return column && rowIndex !== undefined ? cell(column, column.values[rowIndex], other[4]) : '';
  }
  switch (name) {
    case '__field.name':
    case '__field.displayName':
    case '__series.name':
      return getFieldDisplayName(field, frame, data);
    case '__value.raw':
    case '__value.numeric':
    case '__value.text':
    case '__value':
      if (rowIndex === undefined) {
        return name === '__value.text' ? calculatedValue?.text : String(calculatedValue?.numeric ?? '');
      }
      return cell(field, field.values[rowIndex], name.split('.')[1]);
    case '__value.time': {
      const time = frame.fields.find((one) => one.type === 'time');
      return time && rowIndex !== undefined ? String(time.values[rowIndex]) : '';
    }
  }
  return undefined;
}

const named = (frame: DataFrame, name: string) =>
  frame.fields.find((one) => one.name === name || getFieldDisplayName(one, frame) === name);

function cell(field: Field, value: unknown, part = 'text'): string {
  if (part !== 'text' || value === null) {
    return String(value ?? '');
  }
  return formattedValueToString((field.display ?? getDisplayProcessor({ field, theme: undefined as never }))(value));
}

function formatted(name: string, value: string | string[], format?: string): string {
  const several = Array.isArray(value) ? value : [value];
  switch (format) {
    case 'percentencode':
    case 'uriencode':
      return strict(Array.isArray(value) ? `{${value.join(',')}}` : value);
    case 'queryparam':
      return several.map((one) => parameter(name, one)).join('&');
    case 'pipe':
      return several.join('|');
    case 'csv':
    case 'raw':
      return several.join(',');
    case 'json':
      return JSON.stringify(value);
  }
  return several.map((one) => (one === ALL ? 'All' : one)).join(format === 'text' ? ' + ' : ', ');
}

const strict = (text: string) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`);
