import { useState } from "preact/hooks";
import { call, change } from "../host";
import { t, time } from "../language";
import { Copied } from "../parts/copied";
import { Ask } from "../parts/dialog";
import { Logs } from "../parts/logs";
import { State } from "../parts/state";
import { Tabs } from "../parts/tabs";
import { Stale, Told } from "../parts/told";
import { Traffic } from "../parts/traffic";
import { usePolled } from "../polled";
import type { ListOf, OnlineDeployment, OnlineEndpoint } from "../resources";
import { ask, go, place, to } from "../router";
import { yaml } from "../yaml";
import { Consume } from "./consume";
import { Metrics } from "./metrics";
import { NewOnlineDeployment } from "./new-deployment";
import { Test } from "./test";
import { ChangeTraffic } from "./traffic";

export function OnlineEndpointPage({ name }: { name: string }) {
  const path = `onlineEndpoints/${encodeURIComponent(name)}`;
  const seen = usePolled<OnlineEndpoint>(path, 3);
  const list = usePolled<ListOf<OnlineDeployment>>(`${path}/deployments`, 3);
  const [doing, setDoing] = useState<"traffic" | "delete" | "deployment" | null>(null);
  const endpoint = seen.value.value;
  if (!endpoint) return <Stale fault={seen.value.fault} />;
  const deployments = list.value.value?.value ?? [];
  const again = (): void => {
    seen.again();
    list.again();
  };
  const names = deployments.map((each) => each.name);
  return (
    <>
      <Stale fault={seen.value.fault} />
      <div class="row">
        <h1>{name}</h1>
        <State of={endpoint.properties.provisioningState} />
        <span class="grow" />
        <button type="button" class="primary" onClick={() => setDoing("deployment")}>
          {t("New deployment")}
        </button>
        <button type="button" disabled={!names.length} onClick={() => setDoing("traffic")}>
          {t("Change traffic")}
        </button>
        <button type="button" onClick={() => setDoing("delete")}>
          {t("Delete")}
        </button>
      </div>
      {endpoint.properties.description && <p>{endpoint.properties.description}</p>}
      <Tabs
        label={name}
        tabs={[
          { id: "details", name: t("Details"), show: () => <Details endpoint={endpoint} deployments={deployments} again={again} /> },
          { id: "test", name: t("Test"), show: () => <Test endpoint={endpoint} deployments={names} /> },
          { id: "consume", name: t("Consume"), show: () => <Consume endpoint={endpoint} /> },
          { id: "logs", name: t("Logs"), show: () => <LogsOf path={path} deployments={names} /> },
          { id: "metrics", name: t("Metrics"), show: () => <Metrics path={path} /> },
        ]}
      />
      {doing === "traffic" && (
        <ChangeTraffic endpoint={endpoint} deployments={names} onClose={() => setDoing(null)} onDone={again} />
      )}
      {doing === "deployment" && (
        <NewOnlineDeployment endpoint={name} onClose={() => setDoing(null)} onDone={again} />
      )}
      {doing === "delete" && (
        <Ask
          title={t("Delete {name}?", { name })}
          act={t("Delete")}
          danger
          command={`mle online-endpoint delete -n ${name} --yes`}
          onClose={() => setDoing(null)}
          onAct={async (told) => {
            await change("DELETE", path, undefined, told);
            go(to());
          }}
        >
          <p>
            {names.length
              ? t("Its URL and keys end, and so do its deployments: {names}. Requests under way are answered.", {
                  names: names.join(", "),
                })
              : t("Its URL and keys end.")}
          </p>
        </Ask>
      )}
    </>
  );
}

function Details(props: { endpoint: OnlineEndpoint; deployments: readonly OnlineDeployment[]; again(): void }) {
  const { endpoint, deployments } = props;
  const properties = endpoint.properties;
  return (
    <>
      <section class="card">
        <dl>
          <dt>{t("Scoring URI")}</dt>
          <dd>
            <Copied text={properties.scoringUri} label={t("scoring URI")} />
          </dd>
          <dt>{t("Traffic")}</dt>
          <dd>
            <Traffic shares={properties.traffic} />
          </dd>
          {Object.keys(properties.mirrorTraffic ?? {}).length > 0 && (
            <>
              <dt>{t("Mirrored to")}</dt>
              <dd>
                <Traffic shares={properties.mirrorTraffic} />
              </dd>
            </>
          )}
          <dt>{t("Authentication")}</dt>
          <dd>{properties.authMode}</dd>
          {properties.authMode === "Key" && <Keys endpoint={endpoint} />}
          <dt>{t("Changed")}</dt>
          <dd>{time(endpoint.systemData?.lastModifiedAt)}</dd>
        </dl>
      </section>
      {properties.rolloutStatus && <Rollout name={endpoint.name} status={properties.rolloutStatus} again={props.again} />}
      <h2>{t("Deployments")}</h2>
      <div class="cards">
        {deployments.map((each) => (
          <DeploymentCard
            key={each.name}
            endpoint={endpoint.name}
            deployment={each}
            share={properties.traffic[each.name] ?? 0}
            again={props.again}
          />
        ))}
      </div>
      {deployments.length === 0 && (
        <p class="quiet">{t("No deployment yet: it is what runs a model, and what traffic goes to.")}</p>
      )}
    </>
  );
}

interface KeyPair {
  primaryKey: string;
  secondaryKey: string;
}

function Keys({ endpoint }: { endpoint: OnlineEndpoint }) {
  const path = `onlineEndpoints/${encodeURIComponent(endpoint.name)}`;
  const [keys, setKeys] = useState<KeyPair | null>(null);
  const [fault, setFault] = useState<Error | null>(null);
  const [rotates, setRotates] = useState<"Primary" | "Secondary" | null>(null);
  async function show(): Promise<void> {
    try {
      setKeys((await call<KeyPair>("POST", `${path}/listKeys`)).body);
    } catch (error) {
      setFault(error instanceof Error ? error : new Error(String(error)));
    }
  }
  return (
    <>
      <dt>{t("Keys")}</dt>
      <dd>
        {!keys && (
          <button type="button" class="plain" onClick={() => void show()}>
            {t("Ask for the keys")}
          </button>
        )}
        {keys &&
          (["Primary", "Secondary"] as const).map((which) => (
            <p key={which} class="row">
              {t(which)}
              <Copied secret text={which === "Primary" ? keys.primaryKey : keys.secondaryKey} label={t(which)} />
              <button type="button" class="plain" onClick={() => setRotates(which)}>
                {t("Make anew")}
              </button>
            </p>
          ))}
        <Told fault={fault} />
      </dd>
      {rotates && (
        <Ask
          title={t("Make the key anew?")}
          act={t("Make anew")}
          danger
          command={`mle online-endpoint regenerate-keys -n ${endpoint.name} --key-type ${rotates.toLowerCase()}`}
          onClose={() => setRotates(null)}
          onAct={async (told) => {
            await change("POST", `${path}/regenerateKeys`, { keyType: rotates }, told);
            await show();
          }}
        >
          <p>{t("Who calls with the old one is refused from then on. The other key goes on.")}</p>
        </Ask>
      )}
    </>
  );
}

function Rollout({ name, status, again }: { name: string; status: Readonly<Record<string, unknown>>; again(): void }) {
  const [asks, setAsks] = useState(false);
  return (
    <section class="card">
      <h2>{t("Guarded rollout")}</h2>
      <dl>
        {Object.entries(status)
          .filter(([, value]) => value !== null)
          .map(([key, value]) => (
            <>
              <dt key={key}>{key}</dt>
              <dd class="break">{typeof value === "object" ? JSON.stringify(value, null, 1) : String(value)}</dd>
            </>
          ))}
      </dl>
      <button type="button" onClick={() => setAsks(true)}>
        {t("Roll back")}
      </button>
      {asks && (
        <Ask
          title={t("Roll back?")}
          act={t("Roll back")}
          danger
          command={`mle rollback ${name}`}
          onClose={() => setAsks(false)}
          onAct={async (told) => {
            await change("POST", `onlineEndpoints/${encodeURIComponent(name)}/rollBack`, {}, told);
            again();
          }}
        >
          <p>{t("All traffic goes back to where it was before the rollout began.")}</p>
        </Ask>
      )}
    </section>
  );
}

function DeploymentCard(props: { endpoint: string; deployment: OnlineDeployment; share: number; again(): void }) {
  const { endpoint, deployment, share } = props;
  const properties = deployment.properties;
  const path = `onlineEndpoints/${encodeURIComponent(endpoint)}/deployments/${encodeURIComponent(deployment.name)}`;
  const [doing, setDoing] = useState<"scale" | "delete" | null>(null);
  const [count, setCount] = useState(deployment.sku?.capacity ?? 1);
  const unheld = properties.isolation?.filter((each) => !each.held) ?? [];
  return (
    <article class="card">
      <div class="row">
        <h3>{deployment.name}</h3>
        <State of={properties.provisioningState} />
        <span class="grow" />
        <strong>{share} %</strong>
      </div>
      <Told fault={properties.error} />
      <dl>
        <dt>{t("Instances")}</dt>
        <dd>
          {properties.scaleStatus?.instances ?? deployment.sku?.capacity ?? "–"} × {properties.instanceType ?? "–"}
        </dd>
        {properties.model && (
          <>
            <dt>{t("Model")}</dt>
            <dd class="break">{short(properties.model)}</dd>
          </>
        )}
        {properties.codeConfiguration && (
          <>
            <dt>{t("Code")}</dt>
            <dd class="break">
              {short(properties.codeConfiguration.codeId)}, {properties.codeConfiguration.scoringScript}
            </dd>
          </>
        )}
        {properties.environmentId && (
          <>
            <dt>{t("Environment")}</dt>
            <dd class="break">{short(properties.environmentId)}</dd>
          </>
        )}
        {unheld.length > 0 && (
          <>
            <dt>{t("Not isolated")}</dt>
            <dd>{unheld.map((each) => `${each.part}: ${each.detail}`).join("; ")}</dd>
          </>
        )}
      </dl>
      <p class="row">
        <button type="button" onClick={() => setDoing("scale")}>
          {t("Scale")}
        </button>
        <button
          type="button"
          onClick={() => {
            ask("deployment", deployment.name);
            ask("tab", "logs");
          }}
        >
          {t("Logs")}
        </button>
        <button type="button" onClick={() => setDoing("delete")}>
          {t("Delete")}
        </button>
      </p>
      {doing === "scale" && (
        <Ask
          title={t("Scale {name}", { name: deployment.name })}
          act={t("Scale")}
          yaml={yaml({ name: deployment.name, endpoint_name: endpoint, instance_count: count })}
          command={`mle online-deployment update -e ${endpoint} -n ${deployment.name} --set instance_count=${count}`}
          onClose={() => setDoing(null)}
          onAct={async (told) => {
            await change("PATCH", path, { sku: { capacity: count } }, told);
            props.again();
          }}
        >
          <label>
            {t("Instances")}
            <input type="number" min={0} value={count} onInput={(event) => setCount(event.currentTarget.valueAsNumber)} />
          </label>
        </Ask>
      )}
      {doing === "delete" && (
        <Ask
          title={t("Delete {name}?", { name: deployment.name })}
          act={t("Delete")}
          danger
          command={`mle online-deployment delete -e ${endpoint} -n ${deployment.name} --yes`}
          onClose={() => setDoing(null)}
          onAct={async (told) => {
            await change("DELETE", path, undefined, told);
            props.again();
          }}
        >
          <p>
            {share > 0
              ? t("{share} % of the traffic goes to it; move that first.", { share })
              : t("Its instances end; requests under way are answered.")}
          </p>
        </Ask>
      )}
    </article>
  );
}

function LogsOf({ path, deployments }: { path: string; deployments: readonly string[] }) {
  const chosen = place.value.query.get("deployment") ?? deployments[0];
  if (!chosen) return <p class="quiet">{t("No deployment yet.")}</p>;
  return (
    <>
      <label class="inline">
        {t("Deployment")}
        <select value={chosen} onChange={(event) => ask("deployment", event.currentTarget.value)}>
          {deployments.map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </label>
      <Logs key={chosen} path={`${path}/deployments/${encodeURIComponent(chosen)}`} />
    </>
  );
}

/** An asset's id, shortened to its kind, name and version. */
export function short(id: string): string {
  const found = /\/([^/]+)\/([^/]+)\/versions\/([^/]+)$/.exec(id);
  return found ? `${found[2]}:${found[3]}` : id;
}
