/** Lines, bars and points over time, as Grafana's time series panel. */

import { DashboardCursorSync } from '@grafana/data';
import { LegendDisplayMode, SortOrder, TooltipDisplayMode } from '@grafana/schema';
import { TimeSeries, TooltipPlugin, ZoomPlugin } from '@grafana/ui';

import type { Drawn } from './types';

const LEGEND = { showLegend: true, displayMode: LegendDisplayMode.List, placement: 'bottom' as const, calcs: [] };

export default function Chart({ panel, frames, structureRev, width, height, range, timeZone, onZoom }: Drawn) {
  const legend = { ...LEGEND, ...panel.options?.legend };
  const tooltip = panel.options?.tooltip ?? {};
  return (
    <TimeSeries
      frames={frames}
      structureRev={structureRev}
      width={width}
      height={height}
      timeRange={range}
      timeZone={timeZone}
      legend={legend}
      options={panel.options}
    >
      {(config, aligned) => (
        <>
          <ZoomPlugin config={config} onZoom={onZoom} />
          {tooltip.mode !== TooltipDisplayMode.None && (
            <TooltipPlugin
              data={aligned}
              frames={frames}
              config={config}
              mode={tooltip.mode ?? TooltipDisplayMode.Single}
              sortOrder={tooltip.sort ?? SortOrder.None}
              sync={() => DashboardCursorSync.Crosshair}
              timeZone={timeZone}
            />
          )}
        </>
      )}
    </TimeSeries>
  );
}
