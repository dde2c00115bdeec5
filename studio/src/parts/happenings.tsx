/** What was changed while figures were taken. */

import { t, time } from "../language";
import { usePolled } from "../polled";
import type { ListOf } from "../envelope";
import type { Act } from "../api";
import { what, where, who } from "./acts";
import type { Mark } from "./chart";

/** Successful changes of a resource and of what is below it, since then, oldest first. */
export function useHappenings(resource: string, since: Date): readonly Mark[] {
  const filter = encodeURIComponent(`resourceUri eq '${resource}'`);
  const seen = usePolled<ListOf<Act>>(`providers/Microsoft.Insights/eventtypes/management/values?$top=200&$filter=${filter}`, 30);
  return (seen.value.value?.value ?? [])
    .filter((each) => /\/(write|delete|rollBack\/action)$/i.test(what(each)) && new Date(each.eventTimestamp) >= since)
    .map((each) => ({ at: new Date(each.eventTimestamp).getTime() / 1000, what: `${where(each)}: ${what(each).split("/").slice(-2).join("/")}, ${who(each)}` }))
    .reverse();
}

/** In words, below charts that have them as dashed lines. */
export function Happenings({ of }: { of: readonly Mark[] }) {
  if (!of.length) return null;
  return (
    <section aria-label={t("What was changed meanwhile")}>
      <h2>{t("What was changed meanwhile")}</h2>
      <p class="quiet">{t("Dashed lines in the charts.")}</p>
      <ul class="plain">
        {of.map((each) => (
          <li key={`${each.at}${each.what}`} class="break">
            {time(new Date(each.at * 1000).toISOString())} <span class="quiet">{each.what}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}
