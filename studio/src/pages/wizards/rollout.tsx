import { change } from "../../host";
import { t } from "../../language";
import { Ask } from "../../parts/dialog";
import { Choice, Input, useForm } from "../../parts/form";
import type { OnlineEndpoint } from "../../api";
import { word, yaml } from "../../yaml";
import { balanced } from "../online/traffic";

interface Props {
  endpoint: OnlineEndpoint;
  deployments: readonly string[];
  onClose(): void;
  onDone(): void;
}

/** Traffic that moves to one deployment in steps, and goes back by itself over a limit. */
export function BeginRollout({ endpoint, deployments, onClose, onDone }: Props) {
  const traffic = endpoint.properties.traffic;
  const least = [...deployments].sort((one, other) => (traffic[one] ?? 0) - (traffic[other] ?? 0))[0] ?? "";
  const [form, set] = useForm({
    version: least,
    steps: "10, 50, 100",
    minutes: "5",
    errors: "1",
    latency: "",
    relative: "",
    requests: "50",
  });
  const before = Object.fromEntries(deployments.map((name) => [name, traffic[name] ?? 0]));
  const shares = form.steps.split(/[\s,;]+/).filter(Boolean).map(Number);
  const seconds = Math.round(Number(form.minutes) * 60);
  const steps = shares.map((share) => ({ traffic: withoutNone(balanced(before, form.version, share)), duration: `PT${seconds}S` }));
  const limits = {
    errorRate: form.errors === "" ? null : Number(form.errors) / 100,
    p95LatencyMs: form.latency === "" ? null : Number(form.latency),
    relativeErrorRate: form.relative === "" ? null : Number(form.relative),
    minimumRequests: Number(form.requests || 50),
  };
  return (
    <Ask
      title={t("Guarded rollout of {name}", { name: endpoint.name })}
      act={t("Begin")}
      wide
      may={shares.length > 0 && shares.every((share) => share > 0 && share <= 100)}
      yaml={yaml({
        name: endpoint.name,
        rollout: {
          steps,
          limits: {
            error_rate: limits.errorRate ?? undefined,
            p95_latency_ms: limits.p95LatencyMs ?? undefined,
            relative_error_rate: limits.relativeErrorRate ?? undefined,
            minimum_requests: limits.minimumRequests,
          },
        },
      })}
      command={`mle online-endpoint update -n ${word(endpoint.name)} -f endpoint.yml`}
      onClose={onClose}
      onAct={async (told) => {
        const kept = Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== null));
        const path = `onlineEndpoints/${encodeURIComponent(endpoint.name)}`;
        await change("PATCH", path, { properties: { rollout: { steps, limits: kept } } }, told);
        onDone();
      }}
    >
      <Choice
        label={t("Deployment that gains traffic")}
        value={form.version}
        options={deployments.map((name) => ({ value: name, name: `${name}: ${traffic[name] ?? 0} %` }))}
        onChange={(version) => set({ version })}
      />
      <div class="pair">
        <Input label={t("Its share in each step, in percent")} required value={form.steps} target="properties.rollout.steps" onChange={(text) => set({ steps: text })} />
        <Input label={t("A step takes, in minutes")} type="number" min={0} step="any" required value={form.minutes} onChange={(minutes) => set({ minutes })} />
        <Input
          label={t("Errors up to, in percent")}
          type="number"
          min={0}
          step="any"
          value={form.errors}
          target="properties.rollout.limits.errorRate"
          onChange={(errors) => set({ errors })}
        />
        <Input
          label={t("95th percentile up to, in ms")}
          type="number"
          min={0}
          step="any"
          value={form.latency}
          target="properties.rollout.limits.p95LatencyMs"
          onChange={(latency) => set({ latency })}
        />
        <Input
          label={t("Errors up to, times the incumbent's")}
          type="number"
          min={1}
          step="any"
          value={form.relative}
          target="properties.rollout.limits.relativeErrorRate"
          onChange={(relative) => set({ relative })}
        />
        <Input
          label={t("Judged from so many requests on")}
          type="number"
          min={1}
          value={form.requests}
          target="properties.rollout.limits.minimumRequests"
          onChange={(requests) => set({ requests })}
        />
      </div>
      <p class="quiet">
        {t("The first step holds at once. Over a limit the traffic of before comes back by itself, and the reason is kept. A step ends when its time is over and there were enough requests.")}
      </p>
    </Ask>
  );
}

function withoutNone(shares: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(shares).filter(([, share]) => share > 0));
}
