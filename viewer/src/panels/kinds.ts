/** Which component draws which type of panel; what `@grafana/ui` has no component for is drawn by its nearest one. */

import type { DataFrame } from '@grafana/data';
import { lazy, type ComponentType } from 'react';

import type { Panel } from '../model';
import type { Drawn } from './types';

const chart = lazy(() => import('./timeseries'));
const table = lazy(() => import('./table'));
const stat = lazy(() => import('./stat'));
const bars = lazy(() => import('./bars'));
const text = lazy(() => import('./text'));

interface Kind {
  draws: ComponentType<Drawn>;
  /** Whose field configuration applies. */
  as: 'timeseries' | 'table' | 'stat' | 'bargauge' | 'text';
  /** What people are told where another component stands in. */
  instead?: string;
}

const KINDS: Record<string, Kind> = {
  timeseries: { draws: chart, as: 'timeseries' },
  table: { draws: table, as: 'table' },
  stat: { draws: stat, as: 'stat' },
  bargauge: { draws: bars, as: 'bargauge' },
  text: { draws: text, as: 'text' },
  gauge: { draws: bars, as: 'bargauge', instead: 'A gauge in Grafana; drawn as a bar here.' },
  barchart: { draws: bars, as: 'bargauge', instead: 'A bar chart in Grafana; drawn as a bar gauge here.' },
  histogram: { draws: bars, as: 'bargauge', instead: 'A histogram in Grafana; drawn as a bar gauge here.' },
  piechart: { draws: bars, as: 'bargauge', instead: 'A pie chart in Grafana; drawn as a bar gauge here.' },
  heatmap: { draws: chart, as: 'timeseries', instead: 'A heatmap in Grafana; drawn as stacked bars here.' },
  'state-timeline': { draws: chart, as: 'timeseries', instead: 'A state timeline in Grafana; drawn as steps here.' },
  'status-history': { draws: chart, as: 'timeseries', instead: 'A status history in Grafana; drawn as steps here.' },
};

const STEPS = new Set(['state-timeline', 'status-history']);

/** A chart of what has no numbers over time is a table; an empty one is what it was meant to be. */
export function kindOf(panel: Panel, frames: DataFrame[] = []): Kind {
  const kind = KINDS[panel.type];
  if (!kind) {
    return { draws: table, as: 'table', instead: `A panel of type ${panel.type} in Grafana; its rows as a table here.` };
  }
  const filled = frames.filter((frame) => frame.length);
  const types = new Set(filled.flatMap((frame) => frame.fields.map((field) => field.type as string)));
  if (kind.as === 'timeseries' && filled.length && !(types.has('time') && types.has('number'))) {
    return { draws: table, as: 'table', instead: `A panel of type ${panel.type} in Grafana; its rows as a table here.` };
  }
  return kind;
}

/** The field configuration that makes the component that stands in draw what is meant. */
export function configOf(panel: Panel): Panel['fieldConfig'] {
  if (!STEPS.has(panel.type)) {
    return panel.fieldConfig;
  }
  const defaults = panel.fieldConfig?.defaults ?? {};
  const custom = { ...defaults.custom, lineInterpolation: 'stepAfter', lineWidth: 2, showPoints: 'never', fillOpacity: 20 };
  return { overrides: panel.fieldConfig?.overrides ?? [], defaults: { ...defaults, custom } };
}
