import type { Change } from "../api";
import { t } from "../language";
import { money } from "./estimate";

const WORDS: Readonly<Record<Change["changeType"], string>> = { Create: "is made", Modify: "is changed", Delete: "is deleted" };

/** What would change, by field, and what comes of it. */
export function Changes({ of }: { of: readonly Change[] }) {
  if (!of.length) return <p role="status">{t("It is so already: nothing would change.")}</p>;
  return (
    <section class="card" role="status" aria-label={t("What would change")}>
      {of.map((each) => (
        <div key={each.resourceId}>
          <p>
            <strong>{each.resourceId.split("/workspaces/")[1]?.split("/").slice(1).join("/")}</strong> {t(WORDS[each.changeType])}
          </p>
          {each.consequences && (
            <p>
              {t(each.consequences.effect)} {cost(each.consequences.costPerDay)}
            </p>
          )}
          <ul class="plain deltas">
            {each.delta
              .filter(({ before, after }) => said(before) || said(after))
              .map(({ path, before, after }) => (
                <li key={path} class="break">
                  <code>{path}</code> {said(before) && <del>{said(before)}</del>} {said(after) && <ins>{said(after)}</ins>}
                </li>
              ))}
          </ul>
        </div>
      ))}
    </section>
  );
}

function cost(of: NonNullable<Change["consequences"]>["costPerDay"]): string {
  if (of.after === null || !of.currency) return "";
  const words = t("A day costs {after} then, and {before} now", { after: money(of.after, of.currency), before: money(of.before ?? 0, of.currency) });
  return of.isSample ? `${words} (${t("by the sample's prices, not yours")}).` : `${words}.`;
}

/** Empty for what says nothing. */
function said(value: unknown): string {
  if (value === null || value === undefined || value === "") return "";
  if (typeof value !== "object") return String(value);
  return Object.keys(value).length ? JSON.stringify(value) : "";
}
