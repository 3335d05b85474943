/** A text as Markdown, made harmless; HTML is not drawn. */

import { css } from '@emotion/css';
import { renderMarkdown } from '@grafana/data';
import { useMemo } from 'react';

import type { Drawn } from './types';

export default function Text({ panel, height, replaceVariables }: Drawn) {
  const { content = '', mode = 'markdown' } = panel.options ?? {};
  const html = useMemo(() => renderMarkdown(replaceVariables(content)), [content, replaceVariables]);
  const scrolled = css({ height, overflow: 'auto' });
  if (mode === 'code') {
    return <pre className={scrolled}>{replaceVariables(content)}</pre>;
  }
  return <div className={`markdown-html ${scrolled}`} dangerouslySetInnerHTML={{ __html: html }} />;
}
