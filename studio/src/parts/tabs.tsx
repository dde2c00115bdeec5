import type { ComponentChildren } from "preact";
import { ask, place } from "../router";

export interface Tab {
  id: string;
  name: string;
  show(): ComponentChildren;
}

/** Parts of a page, one at a time; which one stands in the address. */
export function Tabs({ label, tabs }: { label: string; tabs: readonly Tab[] }) {
  const wanted = place.value.query.get("tab");
  const chosen = tabs.find((tab) => tab.id === wanted) ?? tabs[0];

  function turn(event: KeyboardEvent): void {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step || !chosen) return;
    const next = tabs[(tabs.indexOf(chosen) + step + tabs.length) % tabs.length];
    if (!next) return;
    ask("tab", next.id);
    document.getElementById(`tab-${next.id}`)?.focus();
  }

  return (
    <>
      <div role="tablist" aria-label={label} onKeyDown={turn}>
        {tabs.map((tab) => (
          <button
            key={tab.id}
            id={`tab-${tab.id}`}
            type="button"
            role="tab"
            aria-selected={tab === chosen}
            aria-controls="panel"
            tabIndex={tab === chosen ? 0 : -1}
            onClick={() => ask("tab", tab.id)}
          >
            {tab.name}
          </button>
        ))}
      </div>
      <div id="panel" role="tabpanel" aria-labelledby={chosen && `tab-${chosen.id}`} tabIndex={-1}>
        {chosen?.show()}
      </div>
    </>
  );
}
