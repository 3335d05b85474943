/** Bars of one value each, as Grafana's bar gauge; what is a gauge, a bar chart or a pie there is drawn so too. */

import {
  getDisplayProcessor,
  getDisplayValueAlignmentFactors,
  getFieldDisplayValues,
  VizOrientation,
  type DisplayValueAlignmentFactors,
  type FieldDisplay,
} from '@grafana/data';
import { BarGaugeDisplayMode, BarGaugeNamePlacement, BarGaugeValueMode } from '@grafana/schema';
import { BarGauge, useTheme2, VizRepeater } from '@grafana/ui';

import type { Drawn } from './types';

export default function Bars({ panel, frames, width, height, timeZone, replaceVariables }: Drawn) {
  const theme = useTheme2();
  const options = panel.options ?? {};
  const rows = panel.type === 'barchart' || panel.type === 'histogram';
  const values = () =>
    getFieldDisplayValues({
      data: frames,
      fieldConfig: panel.fieldConfig ?? { defaults: {}, overrides: [] },
      reduceOptions: rows ? { values: true, calcs: [], limit: 50 } : (options.reduceOptions ?? { calcs: ['lastNotNull'] }),
      replaceVariables,
      theme,
      timeZone,
    });
  return (
    <VizRepeater<FieldDisplay, DisplayValueAlignmentFactors>
      getValues={values}
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      renderValue={({ value, width, height, orientation, alignmentFactors }) => (
        <BarGauge
          theme={theme}
          value={value.display}
          field={value.field}
          display={value.view?.getFieldDisplayProcessor(value.colIndex ?? 0) ?? getDisplayProcessor({ field: { config: value.field }, theme })}
          text={options.text}
          width={width}
          height={height}
          orientation={orientation}
          itemSpacing={10}
          lcdCellWidth={8}
          alignmentFactors={alignmentFactors}
          displayMode={options.displayMode ?? BarGaugeDisplayMode.Gradient}
          valueDisplayMode={options.valueMode ?? BarGaugeValueMode.Color}
          namePlacement={options.namePlacement ?? BarGaugeNamePlacement.Auto}
          showUnfilled={options.showUnfilled ?? true}
        />
      )}
      source={frames}
      width={width}
      height={height}
      itemSpacing={10}
      minVizHeight={options.minVizHeight ?? 16}
      maxVizHeight={options.maxVizHeight ?? 300}
      minVizWidth={options.minVizWidth ?? 8}
      renderCounter={0}
      orientation={rows ? VizOrientation.Horizontal : (options.orientation ?? VizOrientation.Auto)}
    />
  );
}
