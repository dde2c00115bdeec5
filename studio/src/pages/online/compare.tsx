import { t } from "../../language";
import type { OnlineDeployment } from "../../resources";
import { ask, place } from "../../router";

const OF_THE_HOST = new Set(["provisioningState", "error", "isolation", "scaleStatus", "properties"]);

/** What differs between two deployments of an endpoint. */
export function Compare({ one, all }: { one: OnlineDeployment; all: readonly OnlineDeployment[] }) {
  const others = all.filter((each) => each.name !== one.name);
  const other = others.find((each) => each.name === place.value.query.get("with")) ?? others[0];
  if (!other) return <p class="quiet">{t("There is no other deployment of this endpoint to compare it with.")}</p>;
  const [left, right] = [flat(settings(one)), flat(settings(other))];
  const names = [...new Set([...left.keys(), ...right.keys()])].sort();
  const differ = names.filter((name) => left.get(name) !== right.get(name));
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
      {differ.length === 0 ? (
        <p role="status">{t("They are set up the same.")}</p>
      ) : (
        <div class="scroll" tabIndex={0} role="region" aria-label={t("Differences")}>
          <table>
            <thead>
              <tr>
                <th scope="col">{t("Setting")}</th>
                <th scope="col">{one.name}</th>
                <th scope="col">{other.name}</th>
              </tr>
            </thead>
            <tbody>
              {differ.map((name) => (
                <tr key={name}>
                  <th scope="row">{name}</th>
                  <td class="break">{left.get(name) ?? "–"}</td>
                  <td class="break">{right.get(name) ?? "–"}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      <p class="quiet">{t("{same} settings are the same.", { same: names.length - differ.length })}</p>
    </>
  );
}

function settings(of: OnlineDeployment): Record<string, unknown> {
  const own = Object.entries(of.properties).filter(([name]) => !OF_THE_HOST.has(name));
  return { instances: of.sku?.capacity, ...Object.fromEntries(own), tags: of.tags ?? {} };
}

/** Each value by its path, ids by what they name. */
function flat(value: unknown, path = "", into = new Map<string, string>()): Map<string, string> {
  if (value !== null && typeof value === "object" && !Array.isArray(value)) {
    for (const [name, member] of Object.entries(value)) flat(member, path ? `${path}.${name}` : name, into);
  } else if (value !== null && value !== undefined) {
    const text = typeof value === "object" ? JSON.stringify(value) : String(value);
    into.set(path, text.replace(/^\/subscriptions\/.*\/workspaces\/[^/]+\//, ""));
  }
  return into;
}
