/** The page: Grafana's theme and styles, and an address that goes with it. */

import { createTheme } from '@grafana/data';
import { initPluginTranslations } from '@grafana/i18n';
import { GlobalStyles, PortalContainer, ThemeContext } from '@grafana/ui';
import { useEffect, useMemo, useState } from 'react';
import { createRoot } from 'react-dom/client';

import { readAddress, writeAddress, type Address } from './address';
import { Page } from './page';

declare global {
  interface Window {
    __grafana_public_path__: string;
  }
}

window.__grafana_public_path__ = '/public/';

const MONOSPACE = 'ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace';

function Viewer() {
  const [address, setAddress] = useState(readAddress);
  const theme = useMemo(
    () => createTheme({ colors: { mode: address.theme }, typography: { fontFamilyMonospace: MONOSPACE } }),
    [address.theme]
  );
  const go = (to: Address) => {
    window.history.pushState(null, '', writeAddress(to));
    setAddress(to);
  };
  useEffect(() => {
    const back = () => setAddress(readAddress());
    window.addEventListener('popstate', back);
    document.addEventListener('click', stayHere);
    return () => {
      window.removeEventListener('popstate', back);
      document.removeEventListener('click', stayHere);
    };

    /** A link to a board changes the address and keeps the page, its theme and its kiosk. */
    function stayHere(event: MouseEvent) {
      const link = event.target instanceof Element ? event.target.closest('a') : null;
      const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
      if (!link || !plain || link.target === '_blank' || link.origin !== window.location.origin || !link.pathname.startsWith('/d/')) {
        return;
      }
      event.preventDefault();
      const { theme, kiosk } = readAddress();
      window.history.pushState(null, '', link.href);
      const to = { ...readAddress(), theme, kiosk };
      window.history.replaceState(null, '', writeAddress(to));
      setAddress(to);
    }
  }, []);
  return (
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <Page address={address} go={go} />
      <PortalContainer />
    </ThemeContext.Provider>
  );
}

async function start() {
  await initPluginTranslations('tailrace-viewer');
  createRoot(document.getElementById('root')!).render(<Viewer />);
}

void start();
