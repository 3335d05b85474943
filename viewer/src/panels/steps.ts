/** A heatmap whose columns are the steps of a ladder, as stacked bars: each step named by its upper edge in the panel's unit. */

import { formattedValueToString, getValueFormat, type DataFrame, type Field } from '@grafana/data';

import type { Panel } from '../model';

const LOW = [255, 216, 168];
const HIGH = [150, 20, 0];

export function asSteps(panel: Panel, frames: DataFrame[]): DataFrame[] {
  const unit = getValueFormat(panel.options?.yAxis?.unit ?? 'short');
  return frames.map((frame) => {
    const steps = frame.fields.filter((field) => field.type === 'number');
    return { ...frame, fields: frame.fields.map((field) => (steps.includes(field) ? step(field, steps, unit) : field)) };
  });
}

function step(field: Field, steps: Field[], unit: ReturnType<typeof getValueFormat>): Field {
  const edge = Number(field.name);
  const share = steps.indexOf(field) / Math.max(1, steps.length - 1);
  const colour = LOW.map((low, index) => Math.round(low + share * (HIGH[index] - low)));
  const bars = { drawStyle: 'bars', fillOpacity: 90, lineWidth: 0, barWidthFactor: 1, stacking: { mode: 'normal', group: 'A' } };
  return {
    ...field,
    config: {
      displayName: Number.isFinite(edge) ? `≤ ${formattedValueToString(unit(edge))}` : 'more',
      color: { mode: 'fixed', fixedColor: `rgb(${colour.join(', ')})` },
      custom: bars,
    },
  };
}
