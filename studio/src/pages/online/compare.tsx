import { t } from "../../language";
import type { OnlineDeployment } from "../../api";
import { Differences } from "../../parts/differences";
import { ask, place } from "../../router";

const OF_THE_HOST = new Set(["provisioningState", "error", "isolation", "scaleStatus", "properties"]);

/** What differs between two deployments of an endpoint. */
export function Compare({ one, all }: { one: OnlineDeployment; all: readonly OnlineDeployment[] }) {
  const others = all.filter((each) => each.name !== one.name);
  const other = others.find((each) => each.name === place.value.query.get("with")) ?? others[0];
  if (!other) return <p class="quiet">{t("There is no other deployment of this endpoint to compare it with.")}</p>;
  return (
    <>
      <label class="inline">
        {t("Compared with")}
        <select value={other.name} onChange={(event) => ask("with", event.currentTarget.value)}>
          {others.map((each) => (
            <option key={each.name}>{each.name}</option>
          ))}
        </select>
      </label>
      <Differences one={{ name: one.name, of: settings(one) }} other={{ name: other.name, of: settings(other) }} />
    </>
  );
}

function settings(of: OnlineDeployment): Record<string, unknown> {
  const own = Object.entries(of.properties).filter(([name]) => !OF_THE_HOST.has(name));
  return { instances: of.sku?.capacity, ...Object.fromEntries(own), tags: of.tags ?? {} };
}
