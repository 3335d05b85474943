/** Where the panels stand: 24 columns, rows of 30 pixels with 8 between them, headings that can be folded. */

import { css } from '@emotion/css';
import type { GrafanaTheme2 } from '@grafana/data';
import { Icon, useStyles2 } from '@grafana/ui';
import { useLayoutEffect, useMemo, useRef, useState } from 'react';

import type { Panel } from './model';

const COLUMNS = 24;
const CELL = 30;
const GAP = 8;
const NARROW = 768;

interface Placed {
  panel: Panel;
  left: number;
  top: number;
  width: number;
  height: number;
}

interface Props {
  panels: Panel[];
  draw: (panel: Panel, width: number, height: number) => React.ReactNode;
  heading: (text: string) => string;
}

export function Grid({ panels, draw, heading }: Props) {
  const styles = useStyles2(looks);
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  const [folded, setFolded] = useState<Record<number, boolean>>({});
  useLayoutEffect(() => {
    const watch = new ResizeObserver(([entry]) => setWidth(Math.floor(entry.contentRect.width)));
    watch.observe(box.current!);
    return () => watch.disconnect();
  }, []);
  const isFolded = (row: Panel) => folded[row.id] ?? row.collapsed ?? false;
  const { placed, height } = useMemo(() => place(panels, width, isFolded), [panels, width, folded]);
  return (
    <div ref={box} className={styles.grid} style={{ height }}>
      {width > 0 &&
        placed.map(({ panel, left, top, width, height }) => (
          <div key={panel.id} className={styles.cell} style={{ left, top, width, height }}>
            {panel.type === 'row' ? (
              <button
                type="button"
                className={styles.row}
                aria-expanded={!isFolded(panel)}
                onClick={() => setFolded({ ...folded, [panel.id]: !isFolded(panel) })}
              >
                <Icon name={isFolded(panel) ? 'angle-right' : 'angle-down'} />
                {heading(panel.title ?? '')}
              </button>
            ) : (
              draw(panel, width, height)
            )}
          </div>
        ))}
    </div>
  );
}

/** Rows of panels from the top; a folded heading hides what is under it, and a narrow page has one column. */
function place(panels: Panel[], width: number, isFolded: (row: Panel) => boolean): { placed: Placed[]; height: number } {
  const column = (width + GAP) / COLUMNS;
  const placed: Placed[] = [];
  let hidden = false;
  let above = 0;
  let cut: number | null = null;
  let below = 0;
  const put = (panel: Panel, y: number) => {
    const { x, w, h } = panel.gridPos;
    const alone = width < NARROW;
    const height = h * (CELL + GAP) - GAP;
    placed.push({
      panel,
      left: alone ? 0 : Math.round(x * column),
      top: alone ? below : y * (CELL + GAP),
      width: alone ? width : Math.round((x + w) * column) - Math.round(x * column) - GAP,
      height,
    });
    below = Math.max(below, placed[placed.length - 1].top + height + GAP);
  };
  const ordered = [...panels].sort((a, b) => a.gridPos.y - b.gridPos.y || a.gridPos.x - b.gridPos.x);
  for (const panel of ordered) {
    const { y } = panel.gridPos;
    if (panel.type === 'row') {
      if (cut !== null) {
        above -= y - cut;
        cut = null;
      }
      hidden = isFolded(panel);
      put(panel, y + above);
      const inside = panel.panels ?? [];
      if (hidden && !inside.length) {
        cut = y + 1;
      } else if (!hidden && inside.length) {
        const first = Math.min(...inside.map((one) => one.gridPos.y));
        inside.forEach((one) => put(one, one.gridPos.y - first + y + 1 + above));
        above += Math.max(...inside.map((one) => one.gridPos.y - first + one.gridPos.h));
      }
    } else if (!hidden) {
      put(panel, y + above);
    }
  }
  return { placed, height: below };
}

const looks = (theme: GrafanaTheme2) => ({
  grid: css({ position: 'relative' }),
  cell: css({ position: 'absolute' }),
  row: css({
    ...theme.typography.h6,
    display: 'flex',
    alignItems: 'center',
    gap: theme.spacing(1),
    height: '100%',
    width: '100%',
    padding: 0,
    border: 'none',
    background: 'none',
    color: theme.colors.text.primary,
    cursor: 'pointer',
    '&:hover': { color: theme.colors.text.maxContrast },
  }),
});
