/** Lines, bars and points over time, as Grafana's time series panel. */

import { DashboardCursorSync } from '@grafana/data';
import { LegendDisplayMode, SortOrder, TooltipDisplayMode } from '@grafana/schema';
import { TimeSeries, TooltipPlugin, ZoomPlugin, type UPlotConfigBuilder } from '@grafana/ui';
import { useLayoutEffect } from 'react';

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
          <Room config={config} />
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

type Padding = Parameters<UPlotConfigBuilder['setPadding']>[0];

const without =
  (pixels: number): Padding[number] =>
  (_plot, side, axes) =>
    axes[side] ? 0 : pixels;

/** Beside a plot Grafana leaves 8 pixels, where the last time below it would be cut: half of one needs more. */
const ROOM: Padding = [without(8), without(26), without(8), without(8)];

function Room({ config }: { config: UPlotConfigBuilder }) {
  useLayoutEffect(() => config.setPadding(ROOM), [config]);
  return null;
}
