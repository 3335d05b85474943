/** A board with what is around it: its name, the way to others, variables, time range, refresh, and who draws it. */

import { css } from '@emotion/css';
import { rangeUtil, type GrafanaTheme2, type TimeRange } from '@grafana/data';
import { Alert, LinkButton, RefreshPicker, Select, TimeRangePicker, ToolbarButton, useStyles2 } from '@grafana/ui';
import { useCallback, useEffect, useMemo, useState } from 'react';

import { rangeOf, said, type Address } from './address';
import { board as fetchBoard, boards as fetchBoards } from './api';
import { Controls } from './controls';
import { Grid } from './grid';
import type { Board, Link, Listed, Values } from './model';
import { PanelBox } from './panel';
import { select, type Offers } from './selection';
import { inAddress, interpolator } from './template';

const INTERVALS = ['5s', '10s', '30s', '1m', '5m', '15m', '1h'];

interface Props {
  address: Address;
  go: (to: Address) => void;
}

export function Page({ address, go }: Props) {
  const styles = useStyles2(looks);
  const listed = useAsked(fetchBoards, []);
  const uid = address.uid ?? listed.answer?.[0]?.uid;
  const board = useAsked(async () => (uid === undefined ? undefined : fetchBoard(uid)), [uid]);
  const error = listed.error ?? board.error;
  return (
    <div className={styles.page}>
      {error && <Alert title={error} />}
      {board.answer && <Drawn key={board.answer.uid} board={board.answer} listed={listed.answer ?? []} address={address} go={go} />}
      <footer className={styles.foot}>Tailrace&apos;s viewer of Grafana boards, not Grafana</footer>
    </div>
  );
}

function Drawn({ board, listed, address, go }: Props & { board: Board; listed: Listed[] }) {
  const styles = useStyles2(looks);
  const timeZone = board.timezone === 'utc' ? 'utc' : 'browser';
  const [round, setRound] = useState(0);
  const range = useMemo(() => rangeOf(address, board, timeZone), [address.from, address.to, board, timeZone, round]);
  const { values, offers, error } = useSelection(board, address.variables, range);
  const refresh = address.refresh ?? board.refresh ?? '';
  useRefresh(refresh, setRound);

  const replace = useMemo(() => interpolator(values ?? {}, range), [values, range]);
  const moved = (from: string, to: string) => go({ ...address, uid: board.uid, from, to });
  const onZoom = useCallback((to: { from: number; to: number }) => moved(String(Math.round(to.from)), String(Math.round(to.to))), [address]);
  const shift = (by: number) => {
    const span = range.to.valueOf() - range.from.valueOf();
    moved(String(range.from.valueOf() + by * span), String(range.to.valueOf() + by * span));
  };
  const wider = () => {
    const half = (range.to.valueOf() - range.from.valueOf()) / 2;
    moved(String(range.from.valueOf() - half), String(range.to.valueOf() + half));
  };

  useEffect(() => {
    document.title = `${board.title} – Tailrace`;
  }, [board.title]);

  return (
    <>
      {!address.kiosk && (
        <header className={styles.head}>
          <h1 className={styles.title} title={board.description}>
            Tailrace {listed.length > 1 ? '/' : `/ ${board.title}`}
          </h1>
          {listed.length > 1 && (
            <Select
              aria-label="Board"
              width="auto"
              value={board.uid}
              options={listed.map((one) => ({ label: one.title, value: one.uid, description: one.description }))}
              onChange={(option) => go({ ...address, uid: option.value ?? board.uid })}
            />
          )}
          <Links board={board} listed={listed} values={values ?? {}} range={range} address={address} />
          <div className={styles.push} />
          <ToolbarButton
            icon="palette"
            tooltip={address.theme === 'dark' ? 'Light' : 'Dark'}
            aria-label="Dark or light"
            onClick={() => go({ ...address, uid: board.uid, theme: address.theme === 'dark' ? 'light' : 'dark' })}
          />
          <ToolbarButton
            icon="monitor"
            tooltip="Boards alone; back with the browser's own button"
            aria-label="Kiosk"
            onClick={() => go({ ...address, uid: board.uid, kiosk: true })}
          />
        </header>
      )}
      {!address.kiosk && (
        <div className={styles.controls}>
          <Controls
            board={board}
            values={values ?? {}}
            offers={offers}
            onChange={(name, value) => go({ ...address, uid: board.uid, variables: { ...address.variables, [name]: value } })}
          />
          <div className={styles.time}>
            <TimeRangePicker
              value={range}
              timeZone={timeZone}
              onChange={(picked) => moved(said(picked.raw.from), said(picked.raw.to))}
              onChangeTimeZone={() => undefined}
              onMoveBackward={() => shift(-0.5)}
              onMoveForward={() => shift(0.5)}
              onZoom={wider}
            />
            <RefreshPicker
              intervals={INTERVALS}
              value={refresh}
              onRefresh={() => setRound((before) => before + 1)}
              onIntervalChanged={(picked) => go({ ...address, uid: board.uid, refresh: picked })}
            />
          </div>
        </div>
      )}
      {error && <Alert title={error} severity="error" />}
      <main className={styles.main}>
        {values && (
          <Grid
            panels={board.panels}
            heading={replace}
            draw={(panel, width, height) => (
              <PanelBox
                board={board.uid}
                panel={panel}
                values={values}
                range={range}
                timeZone={timeZone}
                round={round}
                replaceVariables={replace}
                onZoom={onZoom}
                width={width}
                height={height}
              />
            )}
          />
        )}
      </main>
    </>
  );
}

interface LinksProps {
  board: Board;
  listed: Listed[];
  values: Values;
  range: TimeRange;
  address: Address;
}

/** The board's own links: to an address, or to every board of some tags. */
function Links({ board, listed, values, range, address }: LinksProps) {
  const theme = address.theme === 'light' ? 'theme=light' : '';
  const replace = interpolator(values, range);
  const carried = (link: Link) =>
    [link.keepTime && replace('${__url_time_range}'), link.includeVars && inAddress(values), theme].filter(Boolean).join('&');
  const shown = (board.links ?? []).flatMap((link) => {
    if (link.type === 'dashboards') {
      const others = listed.filter((one) => one.uid !== board.uid && (link.tags ?? []).every((tag) => one.tags?.includes(tag)));
      return others.map((one) => ({ ...link, title: one.title, tooltip: one.description, url: `/d/${one.uid}` }));
    }
    return [{ ...link, title: replace(link.title ?? ''), url: replace(link.url ?? '') }];
  });
  return shown.map((link) => {
    const more = carried(link);
    const url = more ? `${link.url}${link.url.includes('?') ? '&' : '?'}${more}` : link.url;
    return (
      <LinkButton key={link.url} href={url} variant="secondary" fill="text" size="sm" tooltip={link.tooltip || undefined} target={link.targetBlank ? '_blank' : undefined}>
        {link.title}
      </LinkButton>
    );
  });
}

function useAsked<T>(ask: () => Promise<T>, on: unknown[]): { answer?: T; error?: string } {
  const [state, setState] = useState<{ answer?: T; error?: string }>({});
  useEffect(() => {
    let stale = false;
    ask().then(
      (answer) => stale || setState({ answer }),
      (error: Error) => stale || setState({ error: error.message })
    );
    return () => {
      stale = true;
    };
  }, on);
  return state;
}

/** The variables' values, anew with the time range; as long as they are the same they are the same object. */
function useSelection(board: Board, chosen: Values, range: TimeRange): { values?: Values; offers: Offers; error?: string } {
  const [values, setValues] = useState<Values>();
  const [offers, setOffers] = useState<Offers>({});
  const [error, setError] = useState<string>();
  const wanted = JSON.stringify(chosen);
  useEffect(() => {
    let stale = false;
    const offered = (name: string, options: Offers[string]) => stale || setOffers((before) => ({ ...before, [name]: options }));
    select(board, chosen, range, offered).then(
      (found) => {
        if (!stale) {
          setError(undefined);
          setValues((before) => (JSON.stringify(before) === JSON.stringify(found) ? before : found));
        }
      },
      (failed: Error) => stale || setError(failed.message)
    );
    return () => {
      stale = true;
    };
  }, [board, wanted, range]);
  return { values, offers, error };
}

function useRefresh(interval: string, setRound: (next: (before: number) => number) => void) {
  useEffect(() => {
    const ms = interval && RefreshPicker.isLive(interval) === false ? rangeUtil.intervalToMs(interval) : 0;
    if (!ms) {
      return undefined;
    }
    const timer = setInterval(() => document.hidden || setRound((before) => before + 1), ms);
    return () => clearInterval(timer);
  }, [interval, setRound]);
}

const looks = (theme: GrafanaTheme2) => ({
  page: css({ minHeight: '100vh', display: 'flex', flexDirection: 'column', background: theme.colors.background.canvas }),
  head: css({
    display: 'flex',
    flexWrap: 'wrap',
    alignItems: 'center',
    gap: theme.spacing(1),
    padding: theme.spacing(1, 2),
    background: theme.colors.background.primary,
    borderBottom: `1px solid ${theme.colors.border.weak}`,
  }),
  title: css({ ...theme.typography.body, fontWeight: theme.typography.fontWeightMedium, margin: 0, whiteSpace: 'nowrap' }),
  push: css({ flexGrow: 1 }),
  controls: css({ display: 'flex', alignItems: 'flex-start', gap: theme.spacing(1), padding: theme.spacing(2, 2, 0), [theme.breakpoints.down('md')]: { flexWrap: 'wrap' } }),
  time: css({ display: 'flex', gap: theme.spacing(1), marginLeft: 'auto' }),
  main: css({ padding: theme.spacing(2), flexGrow: 1 }),
  foot: css({ ...theme.typography.bodySmall, color: theme.colors.text.secondary, padding: theme.spacing(0, 2, 1), textAlign: 'center' }),
});

