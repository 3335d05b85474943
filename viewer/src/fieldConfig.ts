/** Field configuration by Grafana's own rules: its processors, over a registry of what our boards may say. */

import {
  applyFieldOverrides,
  dataLinksOverrideProcessor,
  displayNameOverrideProcessor,
  FieldColorModeId,
  FieldConfigOptionsRegistry,
  identityOverrideProcessor,
  numberOverrideProcessor,
  stringOverrideProcessor,
  thresholdsOverrideProcessor,
  ThresholdsMode,
  valueMappingsOverrideProcessor,
  type DataFrame,
  type FieldConfigSource,
  type GrafanaTheme2,
  type InterpolateFunction,
  type TimeZone,
} from '@grafana/data';

const STANDARD: Record<string, (value: any, context: any, settings?: any) => any> = {
  unit: identityOverrideProcessor,
  min: numberOverrideProcessor,
  max: numberOverrideProcessor,
  decimals: numberOverrideProcessor,
  fieldMinMax: identityOverrideProcessor,
  displayName: displayNameOverrideProcessor,
  description: stringOverrideProcessor,
  noValue: stringOverrideProcessor,
  color: identityOverrideProcessor,
  thresholds: thresholdsOverrideProcessor,
  mappings: valueMappingsOverrideProcessor,
  links: dataLinksOverrideProcessor,
  filterable: identityOverrideProcessor,
};

/** What a panel type draws with where the board says nothing. */
const CUSTOM: Record<string, Record<string, unknown>> = {
  timeseries: {
    drawStyle: 'line',
    lineInterpolation: 'linear',
    lineWidth: 1,
    fillOpacity: 0,
    gradientMode: 'none',
    spanNulls: false,
    showPoints: 'auto',
    pointSize: 5,
    stacking: { mode: 'none', group: 'A' },
    axisPlacement: 'auto',
    axisColorMode: 'text',
    axisGridShow: true,
    barAlignment: 0,
    barWidthFactor: 0.6,
    scaleDistribution: { type: 'linear' },
    thresholdsStyle: { mode: 'off' },
  },
  table: { align: 'auto', cellOptions: { type: 'auto' }, inspect: false },
};

export function withFieldConfig(
  frames: DataFrame[],
  source: FieldConfigSource | undefined,
  panelType: string,
  theme: GrafanaTheme2,
  timeZone: TimeZone,
  replaceVariables: InterpolateFunction
): DataFrame[] {
  const overrides = source?.overrides ?? [];
  const custom = { ...CUSTOM[panelType], ...source?.defaults?.custom };
  const defaults = {
    color: { mode: panelType === 'timeseries' ? FieldColorModeId.PaletteClassic : FieldColorModeId.Thresholds },
    thresholds: { mode: ThresholdsMode.Absolute, steps: [{ value: -Infinity, color: 'green' }] },
    ...source?.defaults,
    custom,
  };
  const said = overrides.flatMap((rule) => rule.properties.map((property) => property.id));
  return applyFieldOverrides({
    data: frames,
    fieldConfig: { defaults, overrides },
    fieldConfigRegistry: registry([...Object.keys(custom).map((name) => `custom.${name}`), ...said]),
    replaceVariables,
    theme,
    timeZone,
  });
}

function registry(named: string[]): FieldConfigOptionsRegistry {
  const known = new FieldConfigOptionsRegistry();
  for (const id of new Set([...Object.keys(STANDARD), ...named])) {
    const isCustom = id.startsWith('custom.');
    if (!isCustom && !STANDARD[id]) {
      continue;
    }
    known.register({
      id,
      path: isCustom ? id.slice('custom.'.length) : id,
      name: id,
      isCustom,
      process: STANDARD[id] ?? identityOverrideProcessor,
      shouldApply: () => true,
      settings: id === 'displayName' ? { expandTemplateVars: true } : {},
      editor: undefined as never,
      override: undefined as never,
    });
  }
  return known;
}
