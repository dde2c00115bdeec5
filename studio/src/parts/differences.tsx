import { t } from "../language";

/** Two settings of something, field by field, where they differ. */
export function Differences(props: {
  one: { name: string; of: unknown };
  other: { name: string; of: unknown };
}) {
  const { one, other } = props;
  const [left, right] = [flat(one.of), flat(other.of)];
  const names = [...new Set([...left.keys(), ...right.keys()])].sort();
  const differ = names.filter((name) => left.get(name) !== right.get(name));
  return (
    <>
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

/** The fields that differ, by their paths. */
export function changed(one: unknown, other: unknown): string[] {
  const [left, right] = [flat(one), flat(other)];
  return [...new Set([...left.keys(), ...right.keys()])].filter((name) => left.get(name) !== right.get(name)).sort();
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
