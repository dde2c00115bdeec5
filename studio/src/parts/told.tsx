import type { ComponentChildren } from "preact";
import type { Fault } from "../host";
import { Refusal } from "../host";
import { t } from "../language";

/** Why something is not as it should be, in the host's own words. */
export function Told({ fault }: { fault: Fault | Refusal | Error | null | undefined }) {
  if (!fault) return null;
  const details = "details" in fault ? (fault.details ?? []) : [];
  const [sentence, ...more] = fault.message.split("\n");
  return (
    <div class="told bad" role="alert">
      <p>{sentence}</p>
      {more.length > 0 && (
        <details>
          <summary>{t("More of it")}</summary>
          <pre tabIndex={0}>{more.join("\n")}</pre>
        </details>
      )}
      {"code" in fault && <p class="quiet">{fault.code}</p>}
      {details.length > 1 && (
        <ul>
          {details.map((each) => (
            <li key={`${each.target}${each.message}`}>
              {each.target && <code>{each.target}</code>} {each.message}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

/** What a page shows that has nothing to show yet: what would be here, and how it comes. */
export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <h2>{title}</h2>
      {children}
    </div>
  );
}

/** While the host does not answer, what was seen last stays below. */
export function Stale({ fault }: { fault: Refusal | null }) {
  if (!fault) return null;
  // 502 is what stands before a host that is away: `mle studio`, or a proxy.
  if (fault.status && fault.status !== 502) return <Told fault={fault} />;
  return (
    <p class="told" role="status">
      {t("The host does not answer; this is what was seen last. It is asked again every second.")}
    </p>
  );
}
