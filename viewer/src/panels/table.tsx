/** Rows and columns, as Grafana's table panel. */

import { TableCellHeight } from '@grafana/schema';
import { TableNG } from '@grafana/ui/unstable';

import type { Drawn } from './types';

export default function Table({ panel, frames, structureRev, width, height, range }: Drawn) {
  const options = panel.options ?? {};
  return (
    <TableNG
      ariaLabel={panel.title}
      data={frames[options.frameIndex ?? 0] ?? frames[0]}
      width={width}
      height={height}
      noHeader={options.showHeader === false}
      showTypeIcons={options.showTypeIcons ?? false}
      resizable
      sortBy={options.sortBy}
      cellHeight={options.cellHeight ?? TableCellHeight.Sm}
      enablePagination={options.enablePagination ?? options.footer?.enablePagination}
      frozenColumns={options.frozenColumns?.left}
      structureRev={structureRev}
      timeRange={range}
      fieldConfig={panel.fieldConfig}
      noValue={panel.fieldConfig?.defaults?.noValue}
    />
  );
}
