/** What is selected in the variables of a board, and what each offers. */

import type { TimeRange } from '@grafana/data';

import { query } from './api';
import { ALL, type Board, type Values, type Variable } from './model';

export interface Option {
  label: string;
  value: string;
}

export type Offers = Record<string, Option[]>;

export const variablesOf = (board: Board) => (board.templating?.list ?? []).filter((one) => one.type !== 'datasource');

/**
 * Values of all variables. A query is asked as soon as what it names is known; what is chosen in the address, or All, is known
 * at once, so its offers need not be awaited: `offered` hears of them when they come.
 */
export async function select(
  board: Board,
  chosen: Values,
  range: TimeRange,
  offered: (name: string, options: Option[]) => void
): Promise<Values> {
  const variables = new Map(variablesOf(board).map((one) => [one.name, one]));
  const values = new Map<string, Promise<string | string[]>>();
  const offers = new Map<string, Promise<Option[]>>();

  const valueOf = (name: string): Promise<string | string[]> => {
    const variable = variables.get(name)!;
    const known = values.get(name) ?? valueIn(variable, chosen[name], () => offersOf(name));
    values.set(name, known);
    return known;
  };

  const offersOf = (name: string): Promise<Option[]> => {
    const known = offers.get(name) ?? ask(variables.get(name)!);
    offers.set(name, known);
    return known;
  };

  const ask = async (variable: Variable): Promise<Option[]> => {
    if (variable.type !== 'query') {
      return listed(variable);
    }
    const named = new Set(Array.from(sqlOf(variable).matchAll(/\$\{?(\w+)/g), (found) => found[1]));
    const before = [...named].filter((name) => variables.has(name) && name !== variable.name);
    const known = await Promise.all(before.map(async (name) => [name, await valueOf(name)] as const));
    const columns = await query({
      board: board.uid,
      variable: variable.name,
      variables: Object.fromEntries(known),
      from: range.from.valueOf(),
      to: range.to.valueOf(),
      interval: 60,
    });
    const texts = columns[1]?.values ?? columns[0]?.values ?? [];
    return (columns[0]?.values ?? []).map((value, row) => ({ value: String(value), label: String(texts[row]) }));
  };

  for (const [name, variable] of variables) {
    if (variable.type !== 'textbox' && variable.type !== 'constant') {
      void offersOf(name).then(
        (options) => offered(name, options),
        () => undefined
      );
    }
  }
  const all = await Promise.all([...variables.keys()].map(async (name) => [name, await valueOf(name)] as const));
  return Object.fromEntries(all);
}

async function valueIn(variable: Variable, chosen: string | string[] | undefined, offers: () => Promise<Option[]>) {
  if (variable.type === 'constant' || variable.type === 'textbox') {
    return (variable.type === 'textbox' ? chosen : undefined) ?? variable.current?.value ?? variable.query ?? '';
  }
  if (chosen !== undefined && chosen !== '') {
    const several = Array.isArray(chosen) ? chosen : [chosen];
    if (several.includes(ALL) && variable.includeAll) {
      return ALL;
    }
    const offered = variable.allowCustomValue === false ? (await offers()).map((option) => option.value) : several;
    const left = several.filter((one) => offered.includes(one));
    if (left.length) {
      return variable.multi ? left : left[0];
    }
  }
  if (variable.includeAll) {
    return ALL;
  }
  const known = await offers();
  const current = variable.type === 'query' ? undefined : variable.current?.value;
  return current !== undefined && current !== '' ? current : (known[0]?.value ?? '');
}

const sqlOf = (variable: Variable): string => (typeof variable.query === 'string' ? variable.query : (variable.query?.rawSql ?? ''));

/** Of a custom variable or an interval: `one, label : two`. */
function listed(variable: Variable): Option[] {
  const parts = String(variable.query ?? '').match(/(?:\\,|[^,])+/g) ?? [];
  return parts.map((part) => {
    const [label, value] = part.trim().replace(/\\,/g, ',').split(' : ');
    return { label, value: value ?? label };
  });
}
