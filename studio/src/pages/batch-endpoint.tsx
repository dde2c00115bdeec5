import { useEffect, useState } from "preact/hooks";
import { change, here, list, refusal, send } from "../host";
import { t } from "../language";
import { Copied } from "../parts/copied";
import { Ask } from "../parts/dialog";
import { State } from "../parts/state";
import { Table } from "../parts/table";
import { Empty, Stale, Told } from "../parts/told";
import { usePolled } from "../polled";
import type { BatchDeployment, BatchEndpoint, Job, ListOf, Resource } from "../resources";
import { go, to } from "../router";
import { word } from "../yaml";
import { JOB_COLUMNS } from "./jobs";
import { short } from "./online-endpoint";

export function BatchEndpointPage({ name }: { name: string }) {
  const path = `batchEndpoints/${encodeURIComponent(name)}`;
  const seen = usePolled<BatchEndpoint>(path, 5);
  const deployments = usePolled<ListOf<BatchDeployment>>(`${path}/deployments`, 5);
  const jobs = usePolled<ListOf<Job>>(`${path}/jobs?$top=100`, 3);
  const [doing, setDoing] = useState<"invoke" | "delete" | null>(null);
  const endpoint = seen.value.value;
  if (!endpoint) return <Stale fault={seen.value.fault} />;
  const found = deployments.value.value?.value ?? [];
  const chosen = endpoint.properties.defaults?.deploymentName;
  return (
    <>
      <Stale fault={seen.value.fault} />
      <div class="row">
        <h1>{name}</h1>
        <State of={endpoint.properties.provisioningState} />
        <span class="grow" />
        <button type="button" class="primary" disabled={!found.length} onClick={() => setDoing("invoke")}>
          {t("Invoke")}
        </button>
        <button type="button" onClick={() => setDoing("delete")}>
          {t("Delete")}
        </button>
      </div>
      <section class="card">
        <dl>
          <dt>{t("URI of its jobs")}</dt>
          <dd>
            <Copied text={endpoint.properties.scoringUri} label={t("URI")} />
          </dd>
          <dt>{t("Default deployment")}</dt>
          <dd>{chosen ?? t("none: each invocation must name one")}</dd>
        </dl>
      </section>
      <h2>{t("Deployments")}</h2>
      <div class="cards">
        {found.map((each) => (
          <article key={each.name} class="card">
            <div class="row">
              <h3>{each.name}</h3>
              <State of={each.properties.provisioningState} />
              <span class="grow" />
              {each.name === chosen ? <strong>{t("default")}</strong> : <Default endpoint={name} deployment={each.name} onDone={() => seen.again()} />}
            </div>
            <dl>
              <dt>{t("Compute")}</dt>
              <dd>
                {each.properties.compute ?? "–"}, {each.properties.resources?.instanceCount ?? 1} × {each.properties.maxConcurrencyPerInstance}
              </dd>
              <dt>{t("Files a mini-batch")}</dt>
              <dd>{each.properties.miniBatchSize}</dd>
              <dt>{t("Output")}</dt>
              <dd>
                {each.properties.outputAction}, {each.properties.outputFileName}
              </dd>
              {each.properties.codeConfiguration && (
                <>
                  <dt>{t("Code")}</dt>
                  <dd>{short(each.properties.codeConfiguration.codeId)}</dd>
                </>
              )}
            </dl>
          </article>
        ))}
      </div>
      <h2>{t("Jobs")}</h2>
      {jobs.value.value?.value.length === 0 ? (
        <Empty title={t("No job yet")} />
      ) : (
        <Table label={t("jobs of {name}", { name })} rows={jobs.value.value?.value ?? []} columns={JOB_COLUMNS} id={(row) => row.name} />
      )}
      {doing === "invoke" && <Invoke endpoint={name} deployments={found} onClose={() => setDoing(null)} />}
      {doing === "delete" && (
        <Ask
          title={t("Delete {name}?", { name })}
          act={t("Delete")}
          danger
          command={`mle batch-endpoint delete -n ${name} --yes`}
          onClose={() => setDoing(null)}
          onAct={async (told) => {
            await change("DELETE", path, undefined, told);
            go(to());
          }}
        >
          <p>{t("Its deployments go too; jobs that are under way are canceled, and outputs stay.")}</p>
        </Ask>
      )}
    </>
  );
}

function Default({ endpoint, deployment, onDone }: { endpoint: string; deployment: string; onDone(): void }) {
  const [fault, setFault] = useState<Error | null>(null);
  async function choose(): Promise<void> {
    const body = { properties: { defaults: { deploymentName: deployment } } };
    try {
      await change("PATCH", `batchEndpoints/${encodeURIComponent(endpoint)}`, body);
      onDone();
    } catch (error) {
      setFault(error instanceof Error ? error : new Error(String(error)));
    }
  }
  return (
    <>
      <button type="button" class="plain" onClick={() => void choose()}>
        {t("Make it the default")}
      </button>
      <Told fault={fault} />
    </>
  );
}

type Data = Resource<{ latestVersion?: string | null }>;

function Invoke({ endpoint, deployments, onClose }: { endpoint: string; deployments: readonly BatchDeployment[]; onClose(): void }) {
  const [data, setData] = useState<readonly Data[]>([]);
  const [uri, setUri] = useState("");
  const [kind, setKind] = useState("UriFolder");
  const [deployment, setDeployment] = useState("");
  const [size, setSize] = useState("");
  useEffect(() => {
    void list<Data>("data", 1000).then(setData).catch(() => setData([]));
  }, []);
  const command = [
    `mle batch-endpoint invoke -n ${word(endpoint)}`,
    deployment && `-d ${word(deployment)}`,
    `--input ${word(uri || "PLACE")} --input-type ${kind === "UriFile" ? "uri_file" : "uri_folder"}`,
    size && `--mini-batch-size ${size}`,
  ];
  return (
    <Ask
      title={t("Invoke {name}", { name: endpoint })}
      act={t("Invoke")}
      command={command.filter(Boolean).join(" ")}
      onClose={onClose}
      onAct={async () => {
        const properties = {
          inputData: { input: { jobInputType: kind, uri } },
          ...(deployment && { deploymentName: deployment }),
          ...(size && { miniBatchSize: Number(size) }),
        };
        const response = await send(here(`/endpoints/${encodeURIComponent(endpoint)}/jobs`), {
          method: "POST",
          headers: { "Content-Type": "application/json" },
          body: JSON.stringify({ properties }),
        });
        if (response.status >= 400) throw await refusal(response);
        go(to("jobs", ((await response.json()) as Job).name));
      }}
    >
      <label>
        {t("Registered data")}
        <select onChange={(event) => setUri(event.currentTarget.value)}>
          <option value="">{t("a place of your own, below")}</option>
          {data.map((each) => (
            <option key={each.name} value={`azureml:${each.name}:${each.properties.latestVersion ?? "1"}`}>
              {each.name}
            </option>
          ))}
        </select>
      </label>
      <label>
        {t("Input")}
        <input value={uri} required onInput={(event) => setUri(event.currentTarget.value)} />
        <span class="quiet">{t("azureml://datastores/…/paths/…, azureml:NAME:VERSION, or a web address")}</span>
      </label>
      <label>
        {t("It is")}
        <select value={kind} onChange={(event) => setKind(event.currentTarget.value)}>
          <option value="UriFolder">{t("a folder")}</option>
          <option value="UriFile">{t("one file")}</option>
        </select>
      </label>
      <label>
        {t("Deployment")}
        <select value={deployment} onChange={(event) => setDeployment(event.currentTarget.value)}>
          <option value="">{t("the default")}</option>
          {deployments.map((each) => (
            <option key={each.name}>{each.name}</option>
          ))}
        </select>
      </label>
      <label>
        {t("Files a mini-batch")}
        <input type="number" min={1} value={size} placeholder={t("as deployed")} onInput={(event) => setSize(event.currentTarget.value)} />
      </label>
    </Ask>
  );
}

