import { useEffect, useState } from "preact/hooks";
import { change, list } from "../host";
import { t } from "../language";
import { Ask } from "../parts/dialog";
import type { Resource } from "../resources";
import { yaml } from "../yaml";

type Named = Resource<{ latestVersion?: string | null }>;

interface Choice {
  id: string;
  label: string;
}

const TYPES = ["Standard_DS1_v2", "Standard_DS2_v2", "Standard_DS3_v2", "Standard_F4s_v2"];

/** A deployment from a registered model, code and environment. */
export function NewOnlineDeployment({ endpoint, onClose, onDone }: { endpoint: string; onClose(): void; onDone(): void }) {
  const [name, setName] = useState("");
  const [model, setModel] = useState("");
  const [code, setCode] = useState("");
  const [script, setScript] = useState("score.py");
  const [environment, setEnvironment] = useState("");
  const [type, setType] = useState(TYPES[0] ?? "");
  const [count, setCount] = useState(1);
  const models = useVersions("models");
  const codes = useVersions("codes");
  const environments = useVersions("environments");

  const written = yaml({
    name: name || "NAME",
    endpoint_name: endpoint,
    model: model ? `azureml:${label(models, model)}` : undefined,
    code_configuration: code ? { code: `azureml:${label(codes, code)}`, scoring_script: script } : undefined,
    environment: environment ? `azureml:${label(environments, environment)}` : undefined,
    instance_type: type,
    instance_count: count,
  });
  return (
    <Ask
      title={t("New deployment of {name}", { name: endpoint })}
      act={t("Deploy")}
      yaml={written}
      command="mle online-deployment create -f deployment.yml"
      onClose={onClose}
      onAct={async (told) => {
        const properties = {
          endpointComputeType: "Managed",
          instanceType: type,
          ...(model && { model }),
          ...(code && { codeConfiguration: { codeId: code, scoringScript: script } }),
          ...(environment && { environmentId: environment }),
        };
        const body = { location: "local", sku: { name: "Default", capacity: count }, properties };
        const path = `onlineEndpoints/${encodeURIComponent(endpoint)}/deployments/${encodeURIComponent(name)}`;
        try {
          await change("PUT", path, body, told);
        } finally {
          onDone();
        }
      }}
    >
      <label>
        {t("Name")}
        <input value={name} required pattern="[A-Za-z][A-Za-z0-9\-]{1,30}[A-Za-z0-9]" onInput={(event) => setName(event.currentTarget.value)} />
      </label>
      <Choose label={t("Model")} none={t("none")} choices={models} value={model} onChange={setModel} />
      <Choose label={t("Code")} none={t("none: an MLflow model brings its own")} choices={codes} value={code} onChange={setCode} />
      {code && (
        <label>
          {t("Scoring script")}
          <input value={script} required onInput={(event) => setScript(event.currentTarget.value)} />
        </label>
      )}
      <Choose label={t("Environment")} none={t("none: an MLflow model brings its own")} choices={environments} value={environment} onChange={setEnvironment} />
      <label>
        {t("Instance type")}
        <input value={type} list="types" required onInput={(event) => setType(event.currentTarget.value)} />
        <datalist id="types">
          {TYPES.map((each) => (
            <option key={each} value={each} />
          ))}
        </datalist>
      </label>
      <label>
        {t("Instances")}
        <input type="number" min={0} value={count} onInput={(event) => setCount(event.currentTarget.valueAsNumber)} />
      </label>
      <p class="quiet">{t("It is built, started and probed; traffic is moved to it afterwards.")}</p>
    </Ask>
  );
}

function Choose(props: { label: string; none: string; choices: readonly Choice[]; value: string; onChange(value: string): void }) {
  return (
    <label>
      {props.label}
      <select value={props.value} onChange={(event) => props.onChange(event.currentTarget.value)}>
        <option value="">{props.none}</option>
        {props.choices.map((each) => (
          <option key={each.id} value={each.id}>
            {each.label}
          </option>
        ))}
      </select>
    </label>
  );
}

function label(choices: readonly Choice[], id: string): string {
  return choices.find((each) => each.id === id)?.label ?? id;
}

/** The newest version of each asset of a kind. */
function useVersions(kind: string): readonly Choice[] {
  const [found, setFound] = useState<readonly Choice[]>([]);
  useEffect(() => {
    void list<Named>(kind, 1000)
      .then((assets) =>
        setFound(
          assets
            .filter((each) => each.properties.latestVersion)
            .map((each) => ({
              id: `${each.id}/versions/${each.properties.latestVersion}`,
              label: `${each.name}:${each.properties.latestVersion}`,
            })),
        ),
      )
      .catch(() => setFound([]));
  }, [kind]);
  return found;
}
