import { useEffect, useState } from "preact/hooks";
import { call, list } from "../../host";
import { t } from "../../language";
import { Ask } from "../../parts/dialog";
import { Check, Choice, Input, useForm } from "../../parts/form";
import { NONE, PickSource, reference, type Source } from "../../parts/source";
import type { BatchEndpoint } from "../../api";
import { word, type Yaml, yaml } from "../../yaml";

const TIMES: readonly (readonly [string, string])[] = [
  ["0 0 * * * *", "every hour"],
  ["0 0 3 * * *", "every day at 3:00"],
  ["0 0 6 * * 1-5", "Monday to Friday at 6:00"],
  ["0 0 3 1 * *", "on the first of each month at 3:00"],
];
const OWN = "";

/** A batch endpoint invoked by the clock. */
export function NewSchedule({ onClose, onDone }: { onClose(): void; onDone(): void }) {
  const [form, set] = useForm({
    name: "",
    endpoint: "",
    expression: TIMES[1]?.[0] ?? "",
    own: false,
    zone: Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC",
    data: NONE as Source,
    isFile: false,
    output: "",
    enabled: true,
  });
  const endpoints = useBatchEndpoints();
  const job = {
    inputData: {
      input: {
        jobInputType: form.isFile ? "UriFile" : "UriFolder",
        uri: form.data.how === "registered" ? latest(form.data.id) : form.data.id || "PLACE",
      },
    },
    ...(form.output && { outputData: { score: { uri: form.output } } }),
  };
  const definition = { endpointName: form.endpoint, properties: job };
  const trigger = { triggerType: "Cron", expression: form.expression, timeZone: form.zone };
  const written = yaml({
    name: form.name || "NAME",
    trigger: { type: "cron", expression: form.expression, time_zone: form.zone },
    is_enabled: form.enabled ? undefined : false,
    invoke: { endpoint_name: form.endpoint || "ENDPOINT", properties: job as Yaml },
  });
  const action = { actionType: "InvokeBatchEndpoint", endpointInvocationDefinition: definition };
  const path = `schedules/${encodeURIComponent(form.name)}`;
  const body = { properties: { trigger, isEnabled: form.enabled, action } };
  const at = "properties.action.endpointInvocationDefinition";
  return (
    <Ask
      title={t("New schedule")}
      act={t("Create")}
      wide
      yaml={written}
      command={`mle schedule create -n ${word(form.name || "NAME")} -f schedule.yml`}
      tries={{ method: "PUT", path, body }}
      onClose={onClose}
      onAct={async () => {
        await call("PUT", path, body);
        onDone();
      }}
    >
      <Input label={t("Name")} required autofocus value={form.name} target="name" onChange={(name) => set({ name })} />
      <Choice
        label={t("Batch endpoint")}
        required
        value={form.endpoint}
        target={`${at}.endpointName`}
        options={[{ value: "", name: t("choose…") }, ...endpoints.map((name) => ({ value: name, name }))]}
        onChange={(endpoint) => set({ endpoint })}
      />
      <div class="pair">
        <Choice
          label={t("When")}
          value={form.own ? OWN : form.expression}
          options={[...TIMES.map(([value, name]) => ({ value, name: t(name) })), { value: OWN, name: t("an expression of your own…") }]}
          onChange={(expression) => set(expression === OWN ? { own: true } : { own: false, expression })}
        />
        <Input label={t("Time zone")} required value={form.zone} target="properties.trigger.timeZone" onChange={(zone) => set({ zone })} />
      </div>
      <Input
        label={t("Cron expression")}
        required
        value={form.expression}
        target="properties.trigger.expression"
        hint={t("second minute hour day month day-of-week, or the five from the minute on")}
        onChange={(expression) => set({ expression, own: true })}
      />
      <PickSource kind="data" bare upload={false} label={t("Data")} value={form.data} address onChange={(data) => set({ data })} />
      <Check label={t("It is one file")} checked={form.isFile} onChange={(isFile) => set({ isFile })} />
      <Input
        label={t("Output")}
        value={form.output}
        target={`${at}.properties.outputData`}
        placeholder={t("each job's own place")}
        hint={t("${{creation_context.trigger_time}} stands for the time that was due")}
        onChange={(output) => set({ output })}
      />
      <Check label={t("It begins at once")} checked={form.enabled} onChange={(enabled) => set({ enabled })} />
    </Ask>
  );
}

/** The newest version at each due time, not today's. */
function latest(id: string): string {
  return `${reference(id).replace(/:[^:]*$/, "")}@latest`;
}

export function useBatchEndpoints(): readonly string[] {
  const [found, setFound] = useState<readonly string[]>([]);
  useEffect(() => {
    void list<BatchEndpoint>("batchEndpoints", 1000)
      .then((all) => setFound(all.map((each) => each.name)))
      .catch(() => setFound([]));
  }, []);
  return found;
}
