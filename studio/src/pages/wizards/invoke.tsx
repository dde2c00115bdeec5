import { refusal, send } from "../../host";
import { t } from "../../language";
import { Ask } from "../../parts/dialog";
import { Choice, Group, Input, useForm, variables, whole } from "../../parts/form";
import { NONE, PickSource, reference, resolved, type Source } from "../../parts/source";
import type { BatchDeployment, Job } from "../../api";
import { go, to } from "../../router";
import { word } from "../../yaml";
import { durationOf } from "./durations";
import { JobEstimate } from "./job-estimate";

/** A job over data that is registered, brought along, or named by its place. */
export function Invoke({ endpoint, deployments, onClose }: { endpoint: string; deployments: readonly BatchDeployment[]; onClose(): void }) {
  const [form, set] = useForm({
    data: { ...NONE, how: "address" } as Source,
    kind: "UriFolder",
    deployment: "",
    name: "",
    size: "",
    instances: "",
    concurrency: "",
    threshold: "",
    retries: "",
    timeout: "",
    output: "",
    variables: "",
  });
  const { data } = form;
  const chosen = deployments.find((each) => each.name === form.deployment) ?? (deployments.length === 1 ? deployments[0] : undefined);
  const uri = data.how === "upload" ? `./${data.files?.name ?? "PATH"}` : data.how === "registered" ? reference(data.id) : data.id || "PLACE";
  const sets = [
    ["display_name", form.name],
    ["max_concurrency_per_instance", form.concurrency],
    ["error_threshold", form.threshold],
    ["retry_settings.max_retries", form.retries],
    ["retry_settings.timeout", form.timeout],
    ...Object.entries(variables(form.variables)).map(([name, value]) => [`environment_variables.${name}`, value]),
  ].filter(([, value]) => value);
  const command = [
    `mle batch-endpoint invoke -n ${word(endpoint)}`,
    form.deployment && `-d ${word(form.deployment)}`,
    `--input ${word(uri)} --input-type ${form.kind === "UriFile" ? "uri_file" : "uri_folder"}`,
    form.size && `--mini-batch-size ${form.size}`,
    form.instances && `--instance-count ${form.instances}`,
    sets.length > 0 && `--set ${sets.map(([name, value]) => word(`${name}=${value}`)).join(" ")}`,
    form.output && `--output-path ${word(form.output)}`,
  ];
  return (
    <Ask
      title={t("Invoke {name}", { name: endpoint })}
      act={t("Invoke")}
      wide
      command={command.filter(Boolean).join(" \\\n  ")}
      onClose={onClose}
      onAct={async (told) => {
        const dataType = form.kind === "UriFile" ? "uri_file" : "uri_folder";
        const at = await resolved("data", data, told, (kept) => set({ data: kept }), { dataType });
        const retry = {
          ...(form.retries && { maxRetries: whole(form.retries) }),
          ...(form.timeout && { timeout: durationOf(form.timeout) }),
        };
        const wanted = variables(form.variables);
        const properties = {
          inputData: { input: { jobInputType: form.kind, uri: at } },
          ...(form.name && { displayName: form.name }),
          ...(form.output && { outputData: { score: { uri: form.output } } }),
          ...(form.size && { miniBatchSize: whole(form.size) }),
          ...(form.instances && { resources: { instanceCount: whole(form.instances) } }),
          ...(form.concurrency && { maxConcurrencyPerInstance: whole(form.concurrency) }),
          ...(form.threshold && { errorThreshold: whole(form.threshold) }),
          ...(Object.keys(retry).length > 0 && { retrySettings: retry }),
          ...(Object.keys(wanted).length > 0 && { environmentVariables: wanted }),
        };
        const headers: Record<string, string> = { "Content-Type": "application/json" };
        if (form.deployment) headers["azureml-model-deployment"] = form.deployment;
        const response = await send(`/endpoints/${encodeURIComponent(endpoint)}/jobs`, {
          method: "POST",
          headers,
          body: JSON.stringify({ properties }),
        });
        if (response.status >= 400) throw await refusal(response);
        go(to("jobs", ((await response.json()) as Job).name));
      }}
    >
      <PickSource kind="data" label={t("Data")} address value={data} target="properties.inputData" onChange={(next) => set({ data: next })} />
      <div class="pair">
        <Choice
          label={t("It is")}
          value={form.kind}
          options={[
            { value: "UriFolder", name: t("a folder") },
            { value: "UriFile", name: t("one file") },
          ]}
          onChange={(kind) => set({ kind })}
        />
        <Choice
          label={t("Deployment")}
          value={form.deployment}
          options={[{ value: "", name: t("the default") }, ...deployments.map(({ name }) => ({ value: name, name }))]}
          onChange={(deployment) => set({ deployment })}
        />
      </div>
      <Input label={t("Name of the job")} value={form.name} target="properties.displayName" onChange={(name) => set({ name })} />
      <JobEstimate
        endpoint={endpoint}
        deployment={form.deployment}
        files={data.how === "upload" ? (data.files?.files.length ?? null) : null}
        compute={chosen?.properties.compute?.split("/").at(-1) ?? "local"}
        instances={whole(form.instances) ?? chosen?.properties.resources?.instanceCount ?? 1}
      />
      <Group title={t("In place of what the deployment says")}>
        <Over label={t("A mini-batch has")} value={form.size} min={1} target="properties.miniBatchSize" onChange={(size) => set({ size })} />
        <Over label={t("Instances")} value={form.instances} min={1} target="properties.resources.instanceCount" onChange={(instances) => set({ instances })} />
        <Over
          label={t("Workers an instance")}
          value={form.concurrency}
          min={1}
          target="properties.maxConcurrencyPerInstance"
          onChange={(concurrency) => set({ concurrency })}
        />
        <Over label={t("Files that may fail")} value={form.threshold} min={-1} target="properties.errorThreshold" onChange={(threshold) => set({ threshold })} />
        <Over label={t("Tries after the first")} value={form.retries} min={0} target="properties.retrySettings.maxRetries" onChange={(retries) => set({ retries })} />
        <Over
          label={t("A mini-batch may take, in seconds")}
          value={form.timeout}
          min={1}
          target="properties.retrySettings.timeout"
          onChange={(timeout) => set({ timeout })}
        />
        <Input
          label={t("Output")}
          value={form.output}
          target="properties.outputData"
          placeholder="azureml://datastores/workspaceblobstore/paths/…"
          onChange={(output) => set({ output })}
        />
        <Input
          label={t("Environment variables")}
          rows={2}
          value={form.variables}
          placeholder="NAME=value"
          target="properties.environmentVariables"
          onChange={(text) => set({ variables: text })}
        />
      </Group>
    </Ask>
  );
}

function Over(props: { label: string; value: string; min: number; target: string; onChange(value: string): void }) {
  return <Input {...props} type="number" placeholder={t("as deployed")} />;
}
