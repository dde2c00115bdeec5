import { useEffect, useState } from "preact/hooks";
import { change, get, subscription } from "../../host";
import { t } from "../../language";
import { Ask } from "../../parts/dialog";
import { CostEstimate } from "../../parts/estimate";
import { Choice, Group, Input, NAME_PATTERN, type Option, useForm, variables, whole } from "../../parts/form";
import { NONE, PickSource, registered, resolved, said, type Source } from "../../parts/source";
import type { OnlineDeployment, OnlineEndpoint, ProbeSettings } from "../../api";
import { word, type Yaml, yaml } from "../../yaml";
import { balanced } from "../online/traffic";
import { durationOf, secondsOf } from "./durations";

interface Form {
  name: string;
  model: Source;
  modelType: string;
  code: Source;
  script: string;
  environment: Source;
  type: string;
  count: string;
  autoscale: boolean;
  least: string;
  most: string;
  target: string;
  timeout: string;
  concurrency: string;
  wait: string;
  variables: string;
  liveness: ProbeForm;
  readiness: ProbeForm;
  traffic: string;
}

type ProbeForm = Record<"initialDelay" | "period" | "timeout" | "failureThreshold", string>;

const PROBE: ProbeForm = { initialDelay: "", period: "", timeout: "", failureThreshold: "" };
const PROBE_LABELS: Readonly<Record<keyof ProbeForm, string>> = {
  initialDelay: "First after, in seconds",
  period: "Every so many seconds",
  timeout: "Answered within, in seconds",
  failureThreshold: "Failures in a row",
};

function initial(of: OnlineDeployment | null, first: boolean): Form {
  const had = of?.properties;
  const probe = (found: ProbeSettings | null | undefined): ProbeForm =>
    found
      ? {
          initialDelay: secondsOf(found.initialDelay),
          period: secondsOf(found.period),
          timeout: secondsOf(found.timeout),
          failureThreshold: String(found.failureThreshold),
        }
      : PROBE;
  return {
    name: of?.name ?? "",
    model: had?.model ? registered(had.model) : NONE,
    modelType: "custom_model",
    code: had?.codeConfiguration?.codeId ? registered(had.codeConfiguration.codeId) : NONE,
    script: had?.codeConfiguration?.scoringScript ?? "score.py",
    environment: had?.environmentId ? registered(had.environmentId) : NONE,
    type: had?.instanceType ?? "Standard_DS1_v2",
    count: String(of?.sku?.capacity ?? 1),
    autoscale: had?.scaleSettings.scaleType === "TargetUtilization",
    least: String(had?.scaleSettings.minInstances ?? 1),
    most: String(had?.scaleSettings.maxInstances ?? 4),
    target: String(had?.scaleSettings.targetUtilizationPercentage ?? 70),
    timeout: secondsOf(had?.requestSettings.requestTimeout),
    concurrency: had ? String(had.requestSettings.maxConcurrentRequestsPerInstance) : "",
    wait: secondsOf(had?.requestSettings.maxQueueWait),
    variables: Object.entries(had?.environmentVariables ?? {})
      .map(([name, value]) => `${name}=${value}`)
      .join("\n"),
    liveness: probe(had?.livenessProbe),
    readiness: probe(had?.readinessProbe),
    traffic: of ? "" : first ? "100" : "0",
  };
}

interface Props {
  endpoint: OnlineEndpoint;
  deployments: readonly string[];
  /** What is changed; null makes a new one. */
  changes?: OnlineDeployment | null;
  onClose(): void;
  onDone(): void;
}

/** A deployment from what is registered, or from what is brought along; or new settings for one. */
export function DeployOnline({ endpoint, deployments, changes = null, onClose, onDone }: Props) {
  const [form, set] = useForm<Form>(initial(changes, deployments.length === 0));
  const types = useInstanceTypes();
  const had = changes?.properties.environmentVariables ?? {};
  const share = whole(form.traffic) ?? 0;
  const verb = changes ? "update" : "create";
  const command = [
    `mle online-deployment ${verb} -e ${word(endpoint.name)} -n ${word(form.name || "NAME")} -f deployment.yml`,
    share > 0 && `mle traffic ${word(endpoint.name)} ${told(moved(endpoint, deployments, form.name || "NAME", share))}`,
  ];
  return (
    <Ask
      title={changes ? t("Change {name}", { name: changes.name }) : t("New deployment of {name}", { name: endpoint.name })}
      act={changes ? t("Change it") : t("Deploy")}
      wide
      yaml={yaml(asYaml(form, endpoint.name))}
      command={command.filter(Boolean).join("\n")}
      onClose={onClose}
      onAct={async (status) => {
        const path = `onlineEndpoints/${encodeURIComponent(endpoint.name)}`;
        const model = await resolved("models", form.model, status, (kept) => set({ model: kept }), { modelType: form.modelType });
        const code = await resolved("codes", form.code, status, (kept) => set({ code: kept }));
        const environment = await resolved("environments", form.environment, status, (kept) => set({ environment: kept }));
        const body = asBody(form, model, code, environment, changes ? had : {});
        try {
          const deployment = `${path}/deployments/${encodeURIComponent(form.name)}`;
          await change(changes ? "PATCH" : "PUT", deployment, body, status);
          if (share > 0) {
            const traffic = moved(endpoint, deployments, form.name, share);
            status(t("Moving the traffic"));
            await change("PATCH", path, { properties: { traffic } }, status);
          }
        } finally {
          onDone();
        }
      }}
    >
      {!changes && (
        <Input
          label={t("Name")}
          value={form.name}
          required
          autofocus
          pattern={NAME_PATTERN}
          target="name"
          hint={t("3 to 32 letters, digits and hyphens, a letter first")}
          onChange={(name) => set({ name })}
        />
      )}
      <PickSource
        kind="models"
        label={t("Model")}
        value={form.model}
        none={t("none")}
        target="properties.model"
        onChange={(model) => set({ model })}
      />
      {form.model.how === "upload" && (
        <Choice
          label={t("It is")}
          value={form.modelType}
          options={[
            { value: "custom_model", name: t("files that the scoring script reads") },
            { value: "mlflow_model", name: t("an MLflow model") },
            { value: "triton_model", name: t("a Triton model repository") },
          ]}
          onChange={(modelType) => set({ modelType })}
        />
      )}
      <PickSource
        kind="codes"
        label={t("Code")}
        value={form.code}
        none={t("none: an MLflow model brings its own")}
        target="properties.codeConfiguration"
        onChange={(code) => set({ code })}
      />
      {form.code.how !== "none" && (
        <Input
          label={t("Scoring script")}
          value={form.script}
          required
          target="properties.codeConfiguration.scoringScript"
          hint={t("a file of the code, with init() and run()")}
          onChange={(script) => set({ script })}
        />
      )}
      <PickSource
        kind="environments"
        label={t("Environment")}
        value={form.environment}
        none={t("none: an MLflow model brings its own")}
        target="properties.environmentId"
        onChange={(environment) => set({ environment })}
      />
      <div class="pair">
        <Choice
          label={t("Instance type")}
          value={form.type}
          target="properties.instanceType"
          options={types.some((each) => each.value === form.type) ? types : [{ value: form.type, name: form.type }, ...types]}
          onChange={(type) => set({ type })}
        />
        <Choice
          label={t("Scale")}
          value={form.autoscale ? "by" : "fixed"}
          target="properties.scaleSettings"
          options={[
            { value: "fixed", name: t("so many instances") },
            { value: "by", name: t("by what they are used") },
          ]}
          onChange={(scale) => set({ autoscale: scale === "by" })}
        />
        {form.autoscale ? (
          <>
            <Count label={t("At least")} value={form.least} target="properties.scaleSettings.minInstances" onChange={(least) => set({ least })} />
            <Count label={t("At most")} value={form.most} target="properties.scaleSettings.maxInstances" onChange={(most) => set({ most })} />
            <Count
              label={t("Used by, in percent")}
              value={form.target}
              target="properties.scaleSettings.targetUtilizationPercentage"
              onChange={(target) => set({ target })}
            />
          </>
        ) : (
          <Count
            label={t("Instances")}
            value={form.count}
            target="sku.capacity"
            hint={t("0 sleeps until it is asked")}
            onChange={(count) => set({ count })}
          />
        )}
      </div>
      <CostEstimate type={form.type} count={(form.autoscale ? whole(form.most) : whole(form.count)) ?? 0} />
      <Group title={t("Requests")}>
        <Input
          label={t("Answered within, in seconds")}
          type="number"
          step="any"
          value={form.timeout}
          placeholder="5"
          target="properties.requestSettings.requestTimeout"
          onChange={(timeout) => set({ timeout })}
        />
        <Count
          label={t("At once in an instance")}
          value={form.concurrency}
          placeholder="1"
          target="properties.requestSettings.maxConcurrentRequestsPerInstance"
          onChange={(concurrency) => set({ concurrency })}
        />
        <Input
          label={t("May wait, in seconds")}
          type="number"
          step="any"
          value={form.wait}
          placeholder="0.5"
          target="properties.requestSettings.maxQueueWait"
          onChange={(wait) => set({ wait })}
        />
      </Group>
      <Group title={t("Environment variables")}>
        <Input
          label={t("Variables")}
          rows={3}
          value={form.variables}
          placeholder="NAME=value"
          target="properties.environmentVariables"
          hint={t("a line each: NAME=value")}
          onChange={(text) => set({ variables: text })}
        />
      </Group>
      {(["readiness", "liveness"] as const).map((which) => (
        <Group key={which} title={which === "readiness" ? t("Readiness probe") : t("Liveness probe")}>
          {(Object.keys(PROBE) as (keyof ProbeForm)[]).map((part) => (
            <Count
              key={part}
              label={t(PROBE_LABELS[part])}
              value={form[which][part]}
              target={`properties.${which}ProbeSettings.${part}`}
              onChange={(value) => set({ [which]: { ...form[which], [part]: value } })}
            />
          ))}
        </Group>
      ))}
      {!changes && (
        <Input
          label={t("Traffic for it once it is up, in percent")}
          type="number"
          min={0}
          max={100}
          value={form.traffic}
          target="properties.traffic"
          hint={t("0 leaves the traffic as it is; the others give by their shares")}
          onChange={(traffic) => set({ traffic })}
        />
      )}
    </Ask>
  );
}

function Count(props: {
  label: string;
  value: string;
  target: string;
  placeholder?: string;
  hint?: string;
  onChange(value: string): void;
}) {
  return <Input {...props} type="number" min={0} step={1} />;
}

function moved(endpoint: OnlineEndpoint, deployments: readonly string[], name: string, share: number): Record<string, number> {
  const before = Object.fromEntries([...deployments, name].map((each) => [each, endpoint.properties.traffic[each] ?? 0]));
  // Where nothing has traffic yet there is nobody to give any.
  const others = Object.entries(before).some(([each, had]) => each !== name && had > 0);
  return others ? balanced(before, name, share) : { ...before, [name]: 100 };
}

function told(shares: Readonly<Record<string, number>>): string {
  return Object.entries(shares)
    .map(([name, share]) => `${word(name)}=${share}`)
    .join(" ");
}

function asBody(
  form: Form,
  model: string | null,
  code: string | null,
  environment: string | null,
  had: Readonly<Record<string, string>>,
): unknown {
  const wanted = variables(form.variables);
  // A PATCH merges: what is to go is named.
  const gone = Object.fromEntries(Object.keys(had).filter((name) => !(name in wanted)).map((name) => [name, null]));
  const requests = {
    ...(form.timeout && { requestTimeout: durationOf(form.timeout) }),
    ...(form.concurrency && { maxConcurrentRequestsPerInstance: whole(form.concurrency) }),
    ...(form.wait && { maxQueueWait: durationOf(form.wait) }),
  };
  const scale = form.autoscale
    ? {
        scaleType: "TargetUtilization",
        minInstances: whole(form.least),
        maxInstances: whole(form.most),
        targetUtilizationPercentage: whole(form.target),
      }
    : { scaleType: "Default" };
  const probes = {
    ...(asProbe(form.liveness) && { livenessProbe: asProbe(form.liveness) }),
    ...(asProbe(form.readiness) && { readinessProbe: asProbe(form.readiness) }),
  };
  return {
    location: "local",
    ...(!form.autoscale && { sku: { name: "Default", capacity: whole(form.count) ?? 1 } }),
    properties: {
      endpointComputeType: "Managed",
      instanceType: form.type,
      ...(model && { model }),
      ...(code && { codeConfiguration: { codeId: code, scoringScript: form.script } }),
      ...(environment && { environmentId: environment }),
      environmentVariables: { ...gone, ...wanted },
      scaleSettings: scale,
      ...(Object.keys(requests).length > 0 && { requestSettings: requests }),
      ...probes,
    },
  };
}

function asProbe(form: ProbeForm): Record<string, unknown> | null {
  const probe = {
    ...(form.initialDelay && { initialDelay: durationOf(form.initialDelay) }),
    ...(form.period && { period: durationOf(form.period) }),
    ...(form.timeout && { timeout: durationOf(form.timeout) }),
    ...(form.failureThreshold && { failureThreshold: whole(form.failureThreshold) }),
  };
  return Object.keys(probe).length ? probe : null;
}

function asYaml(form: Form, endpoint: string): Yaml {
  const code = said(form.code);
  const wanted = variables(form.variables);
  const folder = form.code.how === "upload" ? `./${form.code.files?.isFolder ? form.code.files.name : ""}` : code;
  const milliseconds = (text: string): number | undefined => (text ? Math.round(Number(text) * 1000) : undefined);
  const requests = {
    request_timeout_ms: milliseconds(form.timeout),
    max_concurrent_requests_per_instance: whole(form.concurrency),
    max_queue_wait_ms: milliseconds(form.wait),
  };
  return {
    name: form.name || "NAME",
    endpoint_name: endpoint,
    model: said(form.model, { type: form.modelType }),
    code_configuration: code ? { code: folder, scoring_script: form.script } : undefined,
    environment: said(form.environment),
    environment_variables: Object.keys(wanted).length ? wanted : undefined,
    instance_type: form.type,
    instance_count: form.autoscale ? undefined : whole(form.count),
    scale_settings: form.autoscale
      ? {
          type: "target_utilization",
          min_instances: whole(form.least),
          max_instances: whole(form.most),
          target_utilization_percentage: whole(form.target),
        }
      : undefined,
    request_settings: Object.values(requests).some((each) => each !== undefined) ? requests : undefined,
    readiness_probe: probeYaml(form.readiness),
    liveness_probe: probeYaml(form.liveness),
  };
}

function probeYaml(form: ProbeForm): Yaml {
  if (!asProbe(form)) return undefined;
  return {
    initial_delay: whole(form.initialDelay),
    period: whole(form.period),
    timeout: whole(form.timeout),
    failure_threshold: whole(form.failureThreshold),
  };
}

interface Size {
  name: string;
  vCPUs: number;
  gpus: number;
  memoryGB: number;
}

/** The types that have a meaning on this host. */
function useInstanceTypes(): readonly Option[] {
  const [found, setFound] = useState<readonly Option[]>([]);
  useEffect(() => {
    const path = `${subscription()}/providers/Microsoft.MachineLearningServices/locations/local/vmSizes`;
    void get<{ value: Size[] }>(path)
      .then(({ value }) =>
        setFound(
          value.map((each) => ({
            value: each.name,
            name: `${each.name}: ${each.vCPUs} vCPU, ${each.memoryGB} GB${each.gpus ? `, ${each.gpus} GPU` : ""}`,
          })),
        ),
      )
      .catch(() => setFound([]));
  }, []);
  return found;
}
