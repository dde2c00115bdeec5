import { useState } from "preact/hooks";
import { change } from "../../host";
import { t } from "../../language";
import { Ask } from "../../parts/dialog";
import { Choice, Group, Input, whole } from "../../parts/form";
import type { OnlineEndpoint } from "../../api";
import { yaml } from "../../yaml";

interface Props {
  endpoint: OnlineEndpoint;
  deployments: readonly string[];
  onClose(): void;
  onDone(): void;
}

/** Sliders that sum to 100: what one gains, the others give by their shares. */
export function ChangeTraffic({ endpoint, deployments, onClose, onDone }: Props) {
  const [shares, setShares] = useState<Record<string, number>>(() =>
    Object.fromEntries(deployments.map((name) => [name, endpoint.properties.traffic[name] ?? 0])),
  );
  const [[had = "", part = 10] = []] = [Object.entries(endpoint.properties.mirrorTraffic ?? {}).find(([, share]) => share > 0)];
  const [mirror, setMirror] = useState({ to: had, share: String(part) });
  const sum = Object.values(shares).reduce((one, other) => one + other, 0);
  const told = Object.entries(shares).map(([name, share]) => `${name}=${share}`);
  const path = `onlineEndpoints/${encodeURIComponent(endpoint.name)}`;
  // A PATCH merges: what is to get nothing is named with 0.
  const mirrored = mirror.to ? { [mirror.to]: whole(mirror.share) ?? 0 } : {};
  const changes = mirror.to !== had || (mirror.to && mirror.share !== String(part));
  const mirrorTraffic = { ...(had && { [had]: 0 }), ...mirrored };
  const body = { properties: { traffic: shares, ...(changes && { mirrorTraffic }) } };
  const flag = changes ? (mirror.to ? ` --mirror ${Object.entries(mirrorTraffic).map(([name, share]) => `${name}=${share}`).join(" ")}` : " --mirror") : "";
  return (
    <Ask
      title={t("Traffic of {name}", { name: endpoint.name })}
      act={t("Move the traffic")}
      may={sum === 100 || sum === 0}
      yaml={yaml({ name: endpoint.name, traffic: shares, mirror_traffic: changes ? mirrored : undefined })}
      command={`mle traffic ${endpoint.name} ${told.join(" ")}${flag}`}
      tries={{ method: "PATCH", path, body }}
      onClose={onClose}
      onAct={async (status) => {
        await change("PATCH", path, body, status);
        onDone();
      }}
    >
      {deployments.map((name) => (
        <label key={name} class="slider">
          <span>{name}</span>
          <input
            type="range"
            min={0}
            max={100}
            value={shares[name] ?? 0}
            onInput={(event) => setShares(balanced(shares, name, event.currentTarget.valueAsNumber))}
          />
          <input
            type="number"
            min={0}
            max={100}
            aria-label={t("Share of {name} in percent", { name })}
            value={shares[name] ?? 0}
            onChange={(event) => setShares({ ...shares, [name]: event.currentTarget.valueAsNumber || 0 })}
          />
        </label>
      ))}
      <Group title={t("Mirror: copies of requests whose answers nobody waits for")} open={Boolean(had)}>
        <Choice
          label={t("Copies go to")}
          value={mirror.to}
          target="properties.mirrorTraffic"
          options={[{ value: "", name: t("nobody") }, ...deployments.map((name) => ({ value: name, name }))]}
          onChange={(to) => setMirror({ ...mirror, to })}
        />
        {mirror.to && (
          <Input
            label={t("Of so many requests, in percent")}
            type="number"
            required
            min={1}
            max={50}
            value={mirror.share}
            onChange={(share) => setMirror({ ...mirror, share })}
          />
        )}
      </Group>
      <p class={sum === 100 || sum === 0 ? "quiet" : "bad"} role="status">
        {t("In all {sum} %", { sum })}
        {sum !== 100 && sum !== 0 && `: ${t("it must be 100, or 0 for none.")}`}
      </p>
    </Ask>
  );
}

/** `shares` with `name` at `share`, and the others, by what they have, at the rest of 100. */
export function balanced(shares: Readonly<Record<string, number>>, name: string, share: number): Record<string, number> {
  const others = Object.keys(shares).filter((each) => each !== name);
  const rest = 100 - share;
  const had = others.reduce((sum, each) => sum + (shares[each] ?? 0), 0);
  const result: Record<string, number> = { ...shares, [name]: share };
  let left = rest;
  others.forEach((each, index) => {
    const part = had ? (rest * (shares[each] ?? 0)) / had : rest / others.length;
    result[each] = index === others.length - 1 ? left : Math.min(left, Math.round(part));
    left -= result[each] ?? 0;
  });
  return result;
}
