/** Where in the studio the reader is: the address, its path below /studio and its query. */

import { signal } from "@preact/signals";

const BASE = "/studio";

export interface Place {
  parts: readonly string[];
  query: URLSearchParams;
}

function read(): Place {
  const path = location.pathname.startsWith(BASE) ? location.pathname.slice(BASE.length) : "";
  return {
    parts: path.split("/").filter(Boolean).map(decodeURIComponent),
    query: new URLSearchParams(location.search),
  };
}

export const place = signal<Place>(read());

/** The address of a page, by the parts of its path. */
export function to(...parts: string[]): string {
  return [BASE, ...parts.map(encodeURIComponent)].join("/");
}

export function go(url: string): void {
  history.pushState(null, "", url);
  place.value = read();
  scrollTo(0, 0);
}

/** Changes one value of the query, in place of what stands in the history. */
export function ask(name: string, value: string | null): void {
  const query = new URLSearchParams(location.search);
  if (value === null || value === "") query.delete(name);
  else query.set(name, value);
  const text = query.toString();
  history.replaceState(null, "", location.pathname + (text ? `?${text}` : ""));
  place.value = read();
}

addEventListener("popstate", () => {
  place.value = read();
});

// Links within the studio change the page without loading it; modified clicks are the browser's.
document.addEventListener("click", (event) => {
  if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  const link = (event.target as Element | null)?.closest("a");
  if (!link || link.target || link.origin !== location.origin || link.download) return;
  if (!link.pathname.startsWith(BASE)) return;
  event.preventDefault();
  go(link.pathname + link.search);
});
