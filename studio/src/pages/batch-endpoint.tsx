import { useState } from "preact/hooks";
import { change } from "../host";
import { t } from "../language";
import { Copied } from "../parts/copied";
import { Command } from "../parts/command";
import { Ask } from "../parts/dialog";
import { May } from "../parts/may";
import { State } from "../parts/state";
import { Table } from "../parts/table";
import { Empty, Stale, Told } from "../parts/told";
import { usePolled } from "../polled";
import type { BatchDeployment, BatchEndpoint, Job } from "../api";
import type { ListOf } from "../envelope";
import { go, to } from "../router";
import { word } from "../yaml";
import { Version } from "./lineage";
import { DropOf } from "./drops";
import { JOB_COLUMNS } from "./jobs/columns";
import { DeployBatch } from "./wizards/batch-deployment";
import { Invoke } from "./wizards/invoke";

export function BatchEndpointPage({ name }: { name: string }) {
  const path = `batchEndpoints/${encodeURIComponent(name)}`;
  const seen = usePolled<BatchEndpoint>(path, 5);
  const deployments = usePolled<ListOf<BatchDeployment>>(`${path}/deployments`, 5);
  const jobs = usePolled<ListOf<Job>>(`${path}/jobs?$top=100`, 3);
  const [doing, setDoing] = useState<"invoke" | "delete" | "deployment" | null>(null);
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
        <May act="batchEndpoints/jobs/write" at={path}>
          <button type="button" class="primary" disabled={!found.length} onClick={() => setDoing("invoke")}>
            {t("Invoke")}
          </button>
        </May>
        <May act="batchEndpoints/deployments/write" at={path}>
          <button type="button" onClick={() => setDoing("deployment")}>
            {t("New deployment")}
          </button>
        </May>
        <May act="batchEndpoints/delete" at={path}>
          <button type="button" onClick={() => setDoing("delete")}>
            {t("Delete")}
          </button>
        </May>
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
              <h3>
                <a href={to("batch", name, each.name)}>{each.name}</a>
              </h3>
              <State of={each.properties.provisioningState} />
              <span class="grow" />
              {each.name === chosen ? <strong>{t("default")}</strong> : <Default endpoint={name} deployment={each.name} onDone={() => seen.again()} />}
            </div>
            <dl>
              <dt>{t("Compute")}</dt>
              <dd>
                <Compute id={each.properties.compute} />, {each.properties.resources?.instanceCount ?? 1} × {each.properties.maxConcurrencyPerInstance}
              </dd>
              <dt>{t("Files a mini-batch")}</dt>
              <dd>{each.properties.miniBatchSize}</dd>
              <dt>{t("Output")}</dt>
              <dd>
                {each.properties.outputAction}, {each.properties.outputFileName}
              </dd>
              {each.properties.codeConfiguration?.codeId && (
                <>
                  <dt>{t("Code")}</dt>
                  <dd>
                    <Version id={each.properties.codeConfiguration.codeId} />, {each.properties.codeConfiguration.scoringScript}
                  </dd>
                </>
              )}
            </dl>
          </article>
        ))}
      </div>
      <DropOf endpoint={name} />
      <h2>{t("Jobs")}</h2>
      {jobs.value.value?.value.length === 0 ? (
        <Empty title={t("No job yet")}>
          <p>{t("Invoke it, drop files into its folder of the inbox, or make a schedule: each makes a job here.")}</p>
        </Empty>
      ) : (
        <Table label={t("jobs of {name}", { name })} rows={jobs.value.value?.value ?? []} columns={JOB_COLUMNS} id={(row) => row.name} />
      )}
      {doing === "invoke" && <Invoke endpoint={name} deployments={found} onClose={() => setDoing(null)} />}
      {doing === "deployment" && (
        <DeployBatch
          endpoint={name}
          first={!found.length}
          onClose={() => setDoing(null)}
          onDone={() => {
            seen.again();
            deployments.again();
          }}
        />
      )}
      {doing === "delete" && (
        <Ask
          title={t("Delete {name}?", { name })}
          act={t("Delete")}
          danger
          command={`mle batch-endpoint delete -n ${word(name)} --yes`}
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

function Compute({ id }: { id: string | null | undefined }) {
  const name = id?.split("/").at(-1)?.replace(/^azureml:/, "");
  return name ? <a href={to("computes", name)}>{name}</a> : <>–</>;
}

function Default({ endpoint, deployment, onDone }: { endpoint: string; deployment: string; onDone(): void }) {
  const [fault, setFault] = useState<Error | null>(null);
  const path = `batchEndpoints/${encodeURIComponent(endpoint)}`;
  async function choose(): Promise<void> {
    const body = { properties: { defaults: { deploymentName: deployment } } };
    try {
      await change("PATCH", path, body);
      onDone();
    } catch (error) {
      setFault(error instanceof Error ? error : new Error(String(error)));
    }
  }
  return (
    <>
      <May act="batchEndpoints/write" at={path}>
        <button type="button" class="plain" onClick={() => void choose()}>
          {t("Make it the default")}
        </button>
        <Command
          of={t("Make it the default")}
          text={`mle batch-endpoint update -n ${word(endpoint)} --defaults deployment_name=${word(deployment)}`}
        />
      </May>
      <Told fault={fault} />
    </>
  );
}
