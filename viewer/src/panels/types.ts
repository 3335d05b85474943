/** What is drawn: frames with field configuration applied, and the space there is. */

import type { DataFrame, InterpolateFunction, TimeRange, TimeZone } from '@grafana/data';

import type { Panel } from '../model';

export interface Drawn {
  panel: Panel;
  frames: DataFrame[];
  structureRev: number;
  width: number;
  height: number;
  range: TimeRange;
  timeZone: TimeZone;
  replaceVariables: InterpolateFunction;
  onZoom: (range: { from: number; to: number }) => void;
}
