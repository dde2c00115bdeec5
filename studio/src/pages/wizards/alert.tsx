import { useEffect, useState } from "preact/hooks";
import { change, id, list } from "../../host";
import { t } from "../../language";
import { Ask } from "../../parts/dialog";
import { Choice, Input, useForm, whole } from "../../parts/form";
import { usePolled } from "../../polled";
import type { ListOf, Resource } from "../../envelope";
import { word } from "../../yaml";
import type { Alert } from "../alerts";

interface Definition {
  name: { value: string; localizedValue: string };
  displayDescription: string;
  unit: string;
  primaryAggregationType: string;
  supportedAggregationTypes: string[];
  dimensions: { value: string }[];
}

const OPERATORS: readonly (readonly [string, string, string])[] = [
  ["GreaterThan", "is above", "--above"],
  ["GreaterThanOrEqual", "is at least", "--at-least"],
  ["LessThan", "is below", "--below"],
  ["LessThanOrEqual", "is at most", "--at-most"],
];

const WINDOWS: readonly (readonly [string, string, string])[] = [
  ["PT1M", "a minute", "1m"],
  ["PT5M", "5 minutes", "5m"],
  ["PT15M", "15 minutes", "15m"],
  ["PT30M", "30 minutes", "30m"],
  ["PT1H", "an hour", "1h"],
  ["PT6H", "6 hours", "6h"],
  ["PT12H", "12 hours", "12h"],
  ["P1D", "a day", "1d"],
];

const SEVERITIES = ["critical", "error", "warning", "informational", "verbose"];
const MOST_FREQUENCIES = 5;

/** A rule made, or changed: its first condition, of one scope; the others of a rule stay as they are. */
export function AlertRule({ alert, onClose, onDone }: { alert?: Alert; onClose(): void; onDone(name: string): void }) {
  const was = alert?.properties;
  const condition = was?.criteria.allOf[0];
  const [form, set] = useForm({
    name: alert?.name ?? "",
    scope: was?.scopes[0] ?? id("").slice(0, -1),
    metric: condition?.metricName ?? "",
    by: condition?.timeAggregation ?? "",
    operator: condition?.operator ?? "GreaterThan",
    threshold: condition ? String(condition.threshold) : "",
    each: condition?.dimensions?.find((one) => one.values[0] === "*")?.name ?? "",
    window: was?.windowSize ?? "PT5M",
    every: was?.evaluationFrequency ?? "PT1M",
    severity: String(was?.severity ?? 3),
    description: was?.description ?? "",
  });
  const scopes = useScopes();
  const known = usePolled<ListOf<Definition>>(`${form.scope}/providers/Microsoft.Insights/metricDefinitions`, 600);
  const metrics = known.value.value?.value ?? [];
  const metric = metrics.find((one) => one.name.value === form.metric) ?? metrics[0];
  const by = metric?.supportedAggregationTypes.includes(form.by) ? form.by : (metric?.primaryAggregationType ?? "Average");
  const each = metric?.dimensions.some((one) => one.value === form.each) ? form.each : "";
  const others = condition?.dimensions?.filter((one) => one.values[0] !== "*") ?? [];
  const first = {
    ...condition,
    name: condition?.name ?? "Condition",
    metricName: metric?.name.value ?? form.metric,
    timeAggregation: by,
    operator: form.operator,
    threshold: Number(form.threshold),
    dimensions: [...others, ...(each ? [{ name: each, operator: "Include", values: ["*"] }] : [])],
  };
  const properties = {
    scopes: [form.scope, ...(was?.scopes.slice(1) ?? [])],
    severity: whole(form.severity),
    enabled: was?.enabled ?? true,
    description: form.description || null,
    windowSize: form.window,
    evaluationFrequency: form.every,
    criteria: { allOf: [first, ...(was?.criteria.allOf.slice(1) ?? [])] },
  };
  const isPlain = properties.scopes.length === 1 && properties.criteria.allOf.length === 1 && !others.length;
  const path = `metricAlerts/${encodeURIComponent(form.name)}`;
  const body = { properties, ...(alert?.tags && { tags: alert.tags }) };
  return (
    <Ask
      title={alert ? t("Change {name}", { name: alert.name }) : t("New alert")}
      act={alert ? t("Change") : t("Create")}
      command={isPlain ? command(form, first.metricName, by, each) : `mle rest PUT ${path} ${word(JSON.stringify(body))}`}
      tries={{ method: "PUT", path, body }}
      onClose={onClose}
      onAct={async (told) => {
        await change("PUT", path, body, told);
        onDone(form.name);
      }}
    >
      {!alert && <Input label={t("Name")} required autofocus value={form.name} target="name" onChange={(name) => set({ name })} />}
      <Choice
        label={t("Of")}
        value={form.scope}
        target="properties.scopes"
        options={[{ value: id("").slice(0, -1), name: t("the workspace") }, ...scopes]}
        onChange={(scope) => set({ scope })}
      />
      <Choice
        label={t("Figure")}
        value={metric?.name.value ?? ""}
        target="properties.criteria.allOf.0.metricName"
        options={metrics.map((one) => ({ value: one.name.value, name: `${one.name.localizedValue} (${one.unit})` }))}
        onChange={(chosen) => set({ metric: chosen })}
      />
      {metric && <p class="quiet">{metric.displayDescription}</p>}
      <div class="pair">
        <Choice
          label={t("Its")}
          value={by}
          target="properties.criteria.allOf.0.timeAggregation"
          options={(metric?.supportedAggregationTypes ?? [by]).map((value) => ({ value, name: t(value) }))}
          onChange={(chosen) => set({ by: chosen })}
        />
        <Choice
          label={t("Over the last")}
          value={form.window}
          target="properties.windowSize"
          options={WINDOWS.map(([value, name]) => ({ value, name: t(name) }))}
          onChange={(window) => set({ window })}
        />
        <Choice
          label={t("Fires when it")}
          value={form.operator}
          target="properties.criteria.allOf.0.operator"
          options={OPERATORS.map(([value, name]) => ({ value, name: t(name) }))}
          onChange={(operator) => set({ operator })}
        />
        <Input
          label={t("Threshold")}
          type="number"
          step="any"
          required
          value={form.threshold}
          target="properties.criteria.allOf.0.threshold"
          onChange={(threshold) => set({ threshold })}
        />
        <Choice
          label={t("Looked at every")}
          value={form.every}
          target="properties.evaluationFrequency"
          options={WINDOWS.slice(0, MOST_FREQUENCIES).map(([value, name]) => ({ value, name: t(name) }))}
          onChange={(every) => set({ every })}
        />
        <Choice
          label={t("Each by itself")}
          value={each}
          target="properties.criteria.allOf.0.dimensions"
          options={[{ value: "", name: t("all together") }, ...(metric?.dimensions ?? []).map(({ value }) => ({ value, name: value }))]}
          onChange={(chosen) => set({ each: chosen })}
        />
      </div>
      <Choice
        label={t("Severity")}
        value={form.severity}
        target="properties.severity"
        options={SEVERITIES.map((name, level) => ({ value: String(level), name: `${level} ${t(name)}` }))}
        onChange={(severity) => set({ severity })}
      />
      <Input label={t("Description")} value={form.description} target="properties.description" onChange={(description) => set({ description })} />
    </Ask>
  );
}

function useScopes(): readonly { value: string; name: string }[] {
  const [found, setFound] = useState<readonly { value: string; name: string }[]>([]);
  useEffect(() => {
    let gone = false;
    async function read(): Promise<void> {
      const kinds = await Promise.all(["onlineEndpoints", "batchEndpoints"].map((kind) => list<Resource<unknown>>(kind, 1000)));
      if (!gone) setFound(kinds.flat().map((one) => ({ value: one.id, name: one.name })));
    }
    // Where they cannot be read the workspace is left to choose.
    void read().catch(() => undefined);
    return () => {
      gone = true;
    };
  }, []);
  return found;
}

interface Chosen {
  name: string;
  scope: string;
  operator: string;
  threshold: string;
  window: string;
  every: string;
  severity: string;
  description: string;
}

/** None for what `mle` has no flag for. */
function command(form: Chosen, metric: string, by: string, each: string): string | undefined {
  const sign = OPERATORS.find(([value]) => value === form.operator)?.[2];
  const [kind, endpoint, , deployment] = form.scope.split("/workspaces/")[1]?.split("/").slice(1) ?? [];
  if (!sign) return undefined;
  const scope = endpoint ? (kind === "batchEndpoints" ? ["--batch-endpoint", word(endpoint)] : ["--endpoint", word(endpoint)]) : [];
  const words = [
    ...["mle alert set -n", word(form.name || "NAME"), ...scope, ...(deployment ? ["--deployment", word(deployment)] : [])],
    ...["--metric", word(metric), "--by", by.toLowerCase(), sign, word(form.threshold || "N")],
    ...["--window", short(form.window), "--every", short(form.every), "--severity", form.severity],
    ...(each ? ["--each", word(each)] : []),
    ...(form.description ? ["--description", word(form.description)] : []),
  ];
  return words.join(" ");
}

function short(duration: string): string {
  return WINDOWS.find(([value]) => value === duration)?.[2] ?? duration;
}
