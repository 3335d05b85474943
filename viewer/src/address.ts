/** What the address says: the board, the time range, the variables, how often to refresh, and how it looks. */

import { dateTime, rangeUtil, type RawTimeRange, type TimeRange, type TimeZone } from '@grafana/data';

import type { Board, Values } from './model';

export interface Address {
  uid: string | null;
  from?: string;
  to?: string;
  refresh?: string;
  theme: 'dark' | 'light';
  kiosk: boolean;
  variables: Values;
}

export function readAddress(): Address {
  const asked = new URLSearchParams(window.location.search);
  const variables: Values = {};
  for (const key of new Set(asked.keys())) {
    if (key.startsWith('var-')) {
      const values = asked.getAll(key);
      variables[key.slice(4)] = values.length === 1 ? values[0] : values;
    }
  }
  const kiosk = asked.get('kiosk');
  return {
    uid: /^\/d\/([^/]+)/.exec(window.location.pathname)?.[1] ?? null,
    from: asked.get('from') ?? undefined,
    to: asked.get('to') ?? undefined,
    refresh: asked.get('refresh') ?? undefined,
    theme: asked.get('theme') === 'light' ? 'light' : 'dark',
    kiosk: kiosk !== null && kiosk !== 'false' && kiosk !== '0',
    variables,
  };
}

export function writeAddress(address: Address): string {
  const said = new URLSearchParams();
  for (const key of ['from', 'to', 'refresh'] as const) {
    if (address[key] !== undefined) {
      said.set(key, address[key]);
    }
  }
  for (const [name, value] of Object.entries(address.variables)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      said.append(`var-${name}`, one);
    }
  }
  if (address.theme === 'light') {
    said.set('theme', 'light');
  }
  const text = said.toString() + (address.kiosk ? (said.size ? '&kiosk' : 'kiosk') : '');
  return (address.uid === null ? '/' : `/d/${address.uid}`) + (text ? `?${text}` : '');
}

/** The time range of the address, else of the board; both ends may be relative, such as `now-6h`. */
export function rangeOf(address: Address, board: Board, timeZone: TimeZone): TimeRange {
  const raw: RawTimeRange = {
    from: moment(address.from ?? board.time?.from ?? 'now-6h'),
    to: moment(address.to ?? board.time?.to ?? 'now'),
  };
  return rangeUtil.convertRawToRange(raw, timeZone);
}

function moment(said: string) {
  if (/^\d+$/.test(said)) {
    return dateTime(Number(said));
  }
  return said.startsWith('now') ? said : dateTime(said);
}

/** An end of a range as the address has it: relative as it is, else milliseconds since 1970. */
export function said(end: RawTimeRange['from']): string {
  return typeof end === 'string' ? end : String(end.valueOf());
}
