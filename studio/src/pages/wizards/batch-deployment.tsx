import { useEffect, useState } from "preact/hooks";
import { change, list } from "../../host";
import { t } from "../../language";
import { Ask } from "../../parts/dialog";
import { Check, Choice, Group, Input, NAME_PATTERN, useForm, variables, whole } from "../../parts/form";
import { NONE, PickSource, resolved, said } from "../../parts/source";
import type { Resource } from "../../envelope";
import { word, type Yaml, yaml } from "../../yaml";
import { durationOf } from "./durations";

const INITIAL = {
  name: "",
  model: NONE,
  code: NONE,
  script: "score.py",
  environment: NONE,
  compute: "local",
  instances: "1",
  concurrency: "",
  size: "10",
  by: "Files",
  threshold: "-1",
  retries: "3",
  timeout: "30",
  action: "AppendRow",
  format: "Csv",
  file: "predictions.csv",
  variables: "",
  makeDefault: true,
};

type Form = typeof INITIAL;

const SNAKE: Readonly<Record<string, string>> = { AppendRow: "append_row", SummaryOnly: "summary_only" };

/** How a batch endpoint's jobs are cut, run and joined. */
export function DeployBatch({ endpoint, first, onClose, onDone }: { endpoint: string; first: boolean; onClose(): void; onDone(): void }) {
  const [form, set] = useForm<Form>({ ...INITIAL, makeDefault: first });
  const computes = useComputes();
  const command = `mle batch-deployment create -e ${word(endpoint)} -n ${word(form.name || "NAME")} -f deployment.yml`;
  return (
    <Ask
      title={t("New deployment of {name}", { name: endpoint })}
      act={t("Deploy")}
      wide
      yaml={yaml(asYaml(form, endpoint))}
      command={form.makeDefault ? `${command} --set-default` : command}
      onClose={onClose}
      onAct={async (status) => {
        const path = `batchEndpoints/${encodeURIComponent(endpoint)}`;
        const model = await resolved("models", form.model, status, (kept) => set({ model: kept }));
        const code = await resolved("codes", form.code, status, (kept) => set({ code: kept }));
        const environment = await resolved("environments", form.environment, status, (kept) => set({ environment: kept }));
        try {
          await change("PUT", `${path}/deployments/${encodeURIComponent(form.name)}`, asBody(form, model, code, environment), status);
          if (form.makeDefault) {
            await change("PATCH", path, { properties: { defaults: { deploymentName: form.name } } }, status);
          }
        } finally {
          onDone();
        }
      }}
    >
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
      <PickSource kind="models" label={t("Model")} none={t("none")} value={form.model} target="properties.model" onChange={(model) => set({ model })} />
      <PickSource
        kind="codes"
        label={t("Code")}
        value={form.code}
        target="properties.codeConfiguration"
        none={t("none: an MLflow model brings its own")}
        onChange={(code) => set({ code })}
      />
      {form.code.how !== "none" && (
        <Input
          label={t("Scoring script")}
          required
          value={form.script}
          target="properties.codeConfiguration.scoringScript"
          hint={t("a file of the code, with init() and run(mini_batch)")}
          onChange={(script) => set({ script })}
        />
      )}
      <PickSource
        kind="environments"
        label={t("Environment")}
        value={form.environment}
        target="properties.environmentId"
        none={t("none: an MLflow model brings its own")}
        onChange={(environment) => set({ environment })}
      />
      <div class="pair">
        <Choice
          label={t("Compute")}
          value={form.compute}
          target="properties.compute"
          options={computes.map((name) => ({ value: name, name }))}
          onChange={(compute) => set({ compute })}
        />
        <Input label={t("Instances")} type="number" min={1} value={form.instances} target="properties.resources.instanceCount" onChange={(instances) => set({ instances })} />
        <Input
          label={t("Workers an instance")}
          type="number"
          min={1}
          value={form.concurrency}
          placeholder="1"
          target="properties.maxConcurrencyPerInstance"
          onChange={(concurrency) => set({ concurrency })}
        />
        <Choice
          label={t("A mini-batch is cut by")}
          value={form.by}
          target="properties.miniBatchBy"
          options={[
            { value: "Files", name: t("files") },
            { value: "Rows", name: t("rows") },
          ]}
          onChange={(by) => set({ by })}
        />
        <Input
          label={form.by === "Rows" ? t("Rows a mini-batch") : t("Files a mini-batch")}
          type="number"
          min={1}
          value={form.size}
          target="properties.miniBatchSize"
          onChange={(size) => set({ size })}
        />
        <Input
          label={t("Files that may fail")}
          type="number"
          min={-1}
          value={form.threshold}
          target="properties.errorThreshold"
          hint={t("-1: any number")}
          onChange={(threshold) => set({ threshold })}
        />
      </div>
      <Group title={t("Output")}>
        <Choice
          label={t("What is kept")}
          value={form.action}
          target="properties.outputAction"
          options={[
            { value: "AppendRow", name: t("the rows that run() returns") },
            { value: "SummaryOnly", name: t("what the script writes itself") },
          ]}
          onChange={(action) => set({ action })}
        />
        <Choice
          label={t("Format")}
          value={form.format}
          target="properties.outputFormat"
          options={["Csv", "Jsonl", "Parquet", "Text"].map((name) => ({ value: name, name }))}
          onChange={(format) => set({ format })}
        />
        <Input label={t("File")} value={form.file} target="properties.outputFileName" onChange={(file) => set({ file })} />
      </Group>
      <Group title={t("Tries")}>
        <Input label={t("Tries after the first")} type="number" min={0} value={form.retries} target="properties.retrySettings.maxRetries" onChange={(retries) => set({ retries })} />
        <Input
          label={t("A mini-batch may take, in seconds")}
          type="number"
          min={1}
          value={form.timeout}
          target="properties.retrySettings.timeout"
          onChange={(timeout) => set({ timeout })}
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
      <Check label={t("Jobs that name no deployment run on it")} checked={form.makeDefault} onChange={(makeDefault) => set({ makeDefault })} />
    </Ask>
  );
}

function asBody(form: Form, model: string | null, code: string | null, environment: string | null): unknown {
  return {
    location: "local",
    properties: {
      ...(model && { model: { referenceType: "Id", assetId: model } }),
      ...(code && { codeConfiguration: { codeId: code, scoringScript: form.script } }),
      ...(environment && { environmentId: environment }),
      compute: form.compute,
      resources: { instanceCount: whole(form.instances) ?? 1 },
      ...(form.concurrency && { maxConcurrencyPerInstance: whole(form.concurrency) }),
      miniBatchBy: form.by,
      miniBatchSize: whole(form.size),
      errorThreshold: whole(form.threshold),
      retrySettings: { maxRetries: whole(form.retries), timeout: durationOf(form.timeout) },
      outputAction: form.action,
      ...(form.action === "AppendRow" && { outputFormat: form.format, outputFileName: form.file }),
      environmentVariables: variables(form.variables),
    },
  };
}

function asYaml(form: Form, endpoint: string): Yaml {
  const code = said(form.code);
  const wanted = variables(form.variables);
  const folder = form.code.how === "upload" ? `./${form.code.files?.isFolder ? form.code.files.name : ""}` : code;
  const rows = form.action === "AppendRow";
  return {
    name: form.name || "NAME",
    endpoint_name: endpoint,
    type: "model",
    model: said(form.model),
    code_configuration: code ? { code: folder, scoring_script: form.script } : undefined,
    environment: said(form.environment),
    compute: form.compute,
    resources: { instance_count: whole(form.instances) ?? 1 },
    settings: {
      max_concurrency_per_instance: whole(form.concurrency),
      mini_batch_by: form.by.toLowerCase(),
      mini_batch_size: whole(form.size),
      error_threshold: whole(form.threshold),
      retry_settings: { max_retries: whole(form.retries), timeout: whole(form.timeout) },
      output_action: SNAKE[form.action],
      output_format: rows ? form.format.toLowerCase() : undefined,
      output_file_name: rows ? form.file : undefined,
      environment_variables: Object.keys(wanted).length ? wanted : undefined,
    },
  };
}

function useComputes(): readonly string[] {
  const [found, setFound] = useState<readonly string[]>(["local"]);
  useEffect(() => {
    void list<Resource<unknown>>("computes", 200)
      .then((all) => setFound([...new Set(["local", ...all.map((each) => each.name)])]))
      .catch(() => undefined);
  }, []);
  return found;
}
