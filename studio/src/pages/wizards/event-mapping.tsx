import { call } from "../../host";
import { t } from "../../language";
import { Ask } from "../../parts/dialog";
import { Check, Choice, Group, Input, useForm } from "../../parts/form";
import type { Resource } from "../../envelope";
import { word, type Yaml, yaml } from "../../yaml";
import { useBatchEndpoints } from "./schedule";

export interface MappingProperties {
  description?: string | null;
  endpointName: string;
  deploymentName?: string | null;
  filter?: {
    includedEventTypes?: string[] | null;
    subjectBeginsWith?: string | null;
    subjectEndsWith?: string | null;
    advancedFilters?: { operatorType: string; key: string; values: string[] }[];
  };
  job: Record<string, unknown> & { inputData?: Record<string, { jobInputType: string; uri?: string }>; outputData?: Record<string, { uri?: string }> };
}

const BLOB_MADE = "Microsoft.Storage.BlobCreated";

/** Which events of another system start a job, made or changed: what is no field here stays as it is. */
export function EventMapping({ mapping, onClose, onDone }: { mapping?: Resource<MappingProperties>; onClose(): void; onDone(name: string): void }) {
  const was = mapping?.properties;
  const [input = "input", data] = Object.entries(was?.job.inputData ?? {})[0] ?? [];
  const [form, set] = useForm({
    name: mapping?.name ?? "",
    endpoint: was?.endpointName ?? "",
    deployment: was?.deploymentName ?? "",
    types: was ? (was.filter?.includedEventTypes ?? []).join("\n") : BLOB_MADE,
    begins: was?.filter?.subjectBeginsWith ?? "",
    ends: was?.filter?.subjectEndsWith ?? "",
    uri: data?.uri ?? "${{data.url}}",
    isFile: (data?.jobInputType ?? "UriFile") === "UriFile",
    output: was?.job.outputData?.["score"]?.uri ?? "",
    description: was?.description ?? "",
  });
  const endpoints = useBatchEndpoints();
  const types = form.types.split(/[\n,]/).map((each) => each.trim()).filter(Boolean);
  const job = {
    ...was?.job,
    inputData: { ...was?.job.inputData, [input]: { jobInputType: form.isFile ? "UriFile" : "UriFolder", uri: form.uri } },
    ...(form.output && { outputData: { ...was?.job.outputData, score: { ...was?.job.outputData?.["score"], uri: form.output } } }),
  };
  const advanced = was?.filter?.advancedFilters ?? [];
  const filter = {
    ...was?.filter,
    includedEventTypes: types.length ? types : null,
    subjectBeginsWith: form.begins,
    subjectEndsWith: form.ends,
  };
  const properties = {
    ...(form.description && { description: form.description }),
    endpointName: form.endpoint,
    ...(form.deployment && { deploymentName: form.deployment }),
    filter,
    job,
  };
  const isFiltered = types.length > 0 || form.begins || form.ends || advanced.length > 0;
  const written = yaml({
    name: form.name || "NAME",
    description: form.description || undefined,
    endpoint_name: form.endpoint || "ENDPOINT",
    deployment_name: form.deployment || undefined,
    filter: isFiltered
      ? {
          included_event_types: types.length ? types : undefined,
          subject_begins_with: form.begins || undefined,
          subject_ends_with: form.ends || undefined,
          advanced_filters: advanced.length ? advanced.map(({ operatorType, key, values }) => ({ operator_type: operatorType, key, values })) : undefined,
        }
      : undefined,
    job: job as Yaml,
    // Without the $ a file says that it is still to be filled in.
  }).replace(/(?<!\$)\{\{/g, "${{");
  const path = `eventMappings/${encodeURIComponent(form.name)}`;
  const body = { properties, ...(mapping?.tags && { tags: mapping.tags }) };
  return (
    <Ask
      title={mapping ? t("Change {name}", { name: mapping.name }) : t("New event mapping")}
      act={mapping ? t("Change") : t("Create")}
      wide
      yaml={written}
      command={`mle event-mapping create -n ${word(form.name || "NAME")} -f mapping.yml`}
      tries={{ method: "PUT", path, body }}
      onClose={onClose}
      onAct={async () => {
        await call("PUT", path, body);
        onDone(form.name);
      }}
    >
      <p class="quiet">{t("An event that fits starts a job; ${{…}} stands for a field of it: id, source, type, subject, time or data.<field>.")}</p>
      {!mapping && <Input label={t("Name")} required autofocus value={form.name} target="name" onChange={(name) => set({ name })} />}
      <div class="pair">
        <Choice
          label={t("Batch endpoint")}
          required
          value={form.endpoint}
          target="properties.endpointName"
          options={[{ value: "", name: t("choose…") }, ...endpoints.map((name) => ({ value: name, name }))]}
          onChange={(endpoint) => set({ endpoint })}
        />
        <Input
          label={t("Deployment")}
          value={form.deployment}
          placeholder={t("the default")}
          target="properties.deploymentName"
          onChange={(deployment) => set({ deployment })}
        />
      </div>
      <Input
        label={t("Data")}
        required
        value={form.uri}
        target="properties.job"
        hint={t("such as ${{data.url}}, or azureml://datastores/in/paths/${{data.name}}")}
        onChange={(uri) => set({ uri })}
      />
      <Check label={t("It is one file")} checked={form.isFile} onChange={(isFile) => set({ isFile })} />
      <Input
        label={t("Types of events")}
        rows={2}
        value={form.types}
        target="properties.filter.includedEventTypes"
        hint={t("one a line, * for what they begin with; none is every type")}
        onChange={(text) => set({ types: text })}
      />
      <Group title={t("Only events about")} open={Boolean(form.begins || form.ends)}>
        <Input label={t("Subject begins with")} value={form.begins} target="properties.filter.subjectBeginsWith" onChange={(begins) => set({ begins })} />
        <Input label={t("Subject ends with")} value={form.ends} placeholder=".csv" target="properties.filter.subjectEndsWith" onChange={(ends) => set({ ends })} />
      </Group>
      <Input label={t("Output")} value={form.output} placeholder={t("each job's own place")} onChange={(output) => set({ output })} />
      <Input label={t("Description")} value={form.description} target="properties.description" onChange={(description) => set({ description })} />
    </Ask>
  );
}
