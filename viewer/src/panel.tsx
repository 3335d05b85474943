/** One panel: asks its queries when it comes into view, again when told, and draws the answer in Grafana's own frame. */

import { LoadingState, rangeUtil, type DataFrame, type InterpolateFunction, type TimeRange, type TimeZone } from '@grafana/data';
import { ErrorBoundaryAlert, Icon, PanelChrome, Tooltip, useTheme2 } from '@grafana/ui';
import { Suspense, useEffect, useMemo, useRef, useState } from 'react';

import { query } from './api';
import { withFieldConfig } from './fieldConfig';
import { asSeries, asTable } from './frames';
import type { Panel, Values } from './model';
import { configOf, kindOf } from './panels/kinds';
import { asSteps } from './panels/steps';

const SERIES_FORMAT = 0;
const WIDEST = 3000;

interface Props {
  board: string;
  panel: Panel;
  values: Values;
  range: TimeRange;
  timeZone: TimeZone;
  /** Grows with every refresh. */
  round: number;
  replaceVariables: InterpolateFunction;
  onZoom: (range: { from: number; to: number }) => void;
  width: number;
  height: number;
}

type State = { frames: DataFrame[]; range: TimeRange; rev: number; error?: string; loading: boolean };

export function PanelBox(props: Props) {
  const { panel, width, height, replaceVariables, timeZone } = props;
  const theme = useTheme2();
  const box = useRef<HTMLDivElement>(null);
  const seen = useSeen(box);
  const state = useAnswers(props, seen);
  const kind = kindOf(panel, state?.frames);
  const frames = useMemo(
    () => state && withFieldConfig(panel.type === 'heatmap' ? asSteps(panel, state.frames) : state.frames, configOf(panel), kind.as, theme, timeZone, replaceVariables),
    [state?.frames, panel, kind.as, theme, timeZone, replaceVariables]
  );
  const empty = kind.as !== 'text' && !state?.frames.some((frame) => frame.length > 0);
  const shows = !state ? 'waiting' : state.error ? 'error' : state.loading && empty ? 'loading' : empty ? 'empty' : 'drawn';
  useEffect(() => {
    if (shows === 'drawn' && !performance.getEntriesByName('first-panel').length) {
      performance.mark('first-panel');
    }
  }, [shows]);
  const Draws = kind.draws;
  return (
    <div ref={box} data-panel={panel.id} data-type={panel.type} data-title={panel.title} data-shows={shows} data-error={state?.error}>
      <PanelChrome
        title={replaceVariables(panel.title ?? '')}
        description={panel.description ? () => replaceVariables(panel.description ?? '') : undefined}
        width={width}
        height={height}
        displayMode={panel.transparent ? 'transparent' : 'default'}
        loadingState={state?.loading ? LoadingState.Loading : LoadingState.Done}
        statusMessage={state?.error}
        padding={kind.as === 'table' ? 'none' : 'md'}
        titleItems={
          kind.instead && (
            <Tooltip content={kind.instead}>
              <Icon name="exchange-alt" size="sm" title={kind.instead} />
            </Tooltip>
          )
        }
      >
        {(innerWidth, innerHeight) =>
          shows === 'drawn' && state && frames ? (
            <ErrorBoundaryAlert dependencies={[frames]}>
              <Suspense fallback={null}>
                <Draws
                  panel={panel}
                  frames={frames}
                  structureRev={state.rev}
                  width={innerWidth}
                  height={innerHeight}
                  range={state.range}
                  timeZone={timeZone}
                  replaceVariables={replaceVariables}
                  onZoom={props.onZoom}
                />
              </Suspense>
            </ErrorBoundaryAlert>
          ) : shows === 'error' ? (
            <Words height={innerHeight}>{state?.error}</Words>
          ) : shows === 'empty' ? (
            <Words height={innerHeight}>{panel.fieldConfig?.defaults?.noValue ?? 'No data'}</Words>
          ) : null
        }
      </PanelChrome>
    </div>
  );
}

function Words({ height, children }: { height: number; children: React.ReactNode }) {
  const theme = useTheme2();
  return (
    <div style={{ height, overflow: 'auto', display: 'grid', placeItems: 'center', color: theme.colors.text.secondary }}>
      <div style={{ padding: theme.spacing(0, 2), textAlign: 'center', overflowWrap: 'anywhere' }}>{children}</div>
    </div>
  );
}

/** Whether the panel is or was near the part of the page that is seen. */
function useSeen(box: React.RefObject<HTMLDivElement | null>): boolean {
  const [seen, setSeen] = useState(false);
  useEffect(() => {
    if (seen || !box.current) {
      return undefined;
    }
    const watch = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && setSeen(true), {
      rootMargin: '400px',
    });
    watch.observe(box.current);
    return () => watch.disconnect();
  }, [seen, box]);
  return seen;
}

/** The answers to the panel's queries; those of before stay until the next are there. */
function useAnswers({ board, panel, values, range, round, width }: Props, seen: boolean): State | undefined {
  const [state, setState] = useState<State>();
  const points = Math.min(panel.maxDataPoints ?? Math.max(100, Math.round(width / 100) * 100), WIDEST);
  useEffect(() => {
    if (!seen) {
      return undefined;
    }
    const targets = (panel.targets ?? []).filter((target) => target.rawSql !== undefined);
    const off = new AbortController();
    const interval = rangeUtil.calculateInterval(range, points, panel.interval);
    const asked = (refId: string) => ({
      board,
      panel: panel.id,
      refId,
      variables: values,
      from: range.from.valueOf(),
      to: range.to.valueOf(),
      interval: Math.max(1, Math.floor(interval.intervalMs / 1000)),
    });
    setState((before) => ({ frames: [], range, rev: 0, ...before, loading: targets.length > 0 }));
    Promise.all(
      targets.map(async (target) => {
        const columns = await query(asked(target.refId), off.signal);
        return target.format === SERIES_FORMAT ? asSeries(columns, target.refId) : asTable(columns, target.refId);
      })
    ).then(
      (answers) => {
        const frames = answers.map((frame, frameIndex) => {
          frame.fields.forEach((field, fieldIndex) => (field.state = { origin: { frameIndex, fieldIndex } }));
          return frame;
        });
        setState((before) => ({ frames, range, rev: (before?.rev ?? 0) + 1, loading: false }));
      },
      (error: Error) => {
        if (!off.signal.aborted) {
          setState((before) => ({ frames: [], range, rev: (before?.rev ?? 0) + 1, loading: false, error: error.message }));
        }
      }
    );
    return () => off.abort();
  }, [board, panel, values, range, round, points, seen]);
  return state;
}
