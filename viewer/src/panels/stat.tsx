/** Numbers, as Grafana's stat panel lays them out. */

import {
  getDisplayValueAlignmentFactors,
  getFieldDisplayValues,
  VizOrientation,
  type DisplayValueAlignmentFactors,
  type FieldDisplay,
} from '@grafana/data';
import { BigValue, BigValueGraphMode, useTheme2, VizRepeater } from '@grafana/ui';

import type { Drawn } from './types';

export default function Stat({ panel, frames, width, height, timeZone, replaceVariables }: Drawn) {
  const theme = useTheme2();
  const options = panel.options ?? {};
  const values = () =>
    getFieldDisplayValues({
      data: frames,
      fieldConfig: panel.fieldConfig ?? { defaults: {}, overrides: [] },
      reduceOptions: options.reduceOptions ?? { calcs: ['lastNotNull'] },
      sparkline: (options.graphMode ?? 'none') !== BigValueGraphMode.None,
      replaceVariables,
      theme,
      timeZone,
    });
  return (
    <VizRepeater<FieldDisplay, DisplayValueAlignmentFactors>
      getValues={values}
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      renderValue={({ value, width, height, count, alignmentFactors }) => (
        <BigValue
          theme={theme}
          value={value.display}
          count={count}
          width={width}
          height={height}
          alignmentFactors={alignmentFactors}
          sparkline={value.sparkline}
          colorMode={options.colorMode ?? 'value'}
          graphMode={options.graphMode ?? 'none'}
          justifyMode={options.justifyMode ?? 'auto'}
          textMode={options.textMode ?? 'auto'}
          text={options.text}
          percentChangeColorMode={options.percentChangeColorMode}
          disableWideLayout={options.wideLayout === false}
        />
      )}
      source={frames}
      width={width}
      height={height}
      itemSpacing={3}
      autoGrid
      renderCounter={0}
      orientation={options.orientation ?? VizOrientation.Auto}
    />
  );
}
