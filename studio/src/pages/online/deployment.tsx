import { useState } from "preact/hooks";
import { t, time } from "../../language";
import { Logs, useLog } from "../../parts/logs";
import { May } from "../../parts/may";
import { State } from "../../parts/state";
import { Steps } from "../../parts/steps";
import { Tabs } from "../../parts/tabs";
import { Stale, Told } from "../../parts/told";
import { usePolled } from "../../polled";
import type { OnlineDeployment, OnlineEndpoint } from "../../api";
import type { ListOf } from "../../envelope";
import { go, to } from "../../router";
import { Revisions } from "../revisions";
import { DeployOnline } from "../wizards/online-deployment";
import { Compare } from "./compare";
import { DeleteDeployment, ScaleDeployment } from "./deployment-acts";
import { Parts } from "./deployment-card";
import { DeploymentMetrics } from "./metrics";
import { progress } from "./provisioning-steps";

type Doing = "scale" | "change" | "delete";

/** One deployment of an online endpoint: how far it is and why, what it is, what it prints. */
export function DeploymentPage({ endpoint, name }: { endpoint: string; name: string }) {
  const place = `onlineEndpoints/${encodeURIComponent(endpoint)}`;
  const path = `${place}/deployments/${encodeURIComponent(name)}`;
  const whole = usePolled<OnlineEndpoint>(place, 5);
  const list = usePolled<ListOf<OnlineDeployment>>(`${place}/deployments`, 2);
  const [doing, setDoing] = useState<Doing | null>(null);
  const all = list.value.value?.value ?? [];
  const deployment = all.find((each) => each.name === name);
  const close = (): void => setDoing(null);
  if (!list.value.value) return <Stale fault={list.value.fault} />;
  if (!deployment) {
    return (
      <p class="told">
        {t("{endpoint} has no deployment {name}.", { endpoint, name })} <a href={to("online", endpoint)}>{t("To the endpoint")}</a>
      </p>
    );
  }
  const share = whole.value.value?.properties.traffic[name] ?? 0;
  const again = (): void => {
    list.again();
    whole.again();
  };
  return (
    <>
      <Stale fault={list.value.fault} />
      <p>
        <a href={to("online", endpoint)}>{endpoint}</a>
      </p>
      <div class="row">
        <h1>{name}</h1>
        <State of={deployment.properties.provisioningState} />
        <span class="quiet">{t("{share} % of the traffic", { share })}</span>
        <span class="grow" />
        <May act="onlineEndpoints/deployments/write" at={path}>
          <button type="button" onClick={() => setDoing("scale")}>
            {t("Scale")}
          </button>
          <button type="button" onClick={() => setDoing("change")}>
            {t("Change settings")}
          </button>
        </May>
        <May act="onlineEndpoints/deployments/delete" at={path}>
          <button type="button" onClick={() => setDoing("delete")}>
            {t("Delete")}
          </button>
        </May>
      </div>
      <Tabs
        label={name}
        tabs={[
          { id: "state", name: t("State"), show: () => <Progressed path={path} deployment={deployment} /> },
          { id: "settings", name: t("Settings"), show: () => <Settings of={deployment} /> },
          { id: "compare", name: t("Compare"), show: () => <Compare one={deployment} all={all} /> },
          {
            id: "revisions",
            name: t("Revisions"),
            show: () => <Revisions path={path} endpoint={endpoint} name={name} now={kept(deployment)} again={again} />,
          },
          { id: "logs", name: t("Logs"), show: () => <Logs path={path} /> },
          { id: "metrics", name: t("Metrics"), show: () => <DeploymentMetrics path={path} /> },
        ]}
      />
      {doing === "scale" && <ScaleDeployment endpoint={endpoint} deployment={deployment} onClose={close} onDone={again} />}
      {doing === "change" && whole.value.value && (
        <DeployOnline endpoint={whole.value.value} deployments={all.map((each) => each.name)} changes={deployment} onClose={close} onDone={again} />
      )}
      {doing === "delete" && (
        <DeleteDeployment endpoint={endpoint} name={name} share={share} onClose={close} onDone={() => go(to("online", endpoint))} />
      )}
    </>
  );
}

function kept({ location, kind }: OnlineDeployment): { location?: string; kind?: string } {
  return { ...(location && { location }), ...(kind && { kind }) };
}

/** Its steps, and beside them the log that tells of the one it is at. */
function Progressed({ path, deployment }: { path: string; deployment: OnlineDeployment }) {
  const { properties } = deployment;
  const isMoving = !properties.error && properties.provisioningState !== "Succeeded";
  const build = useLog(path, "StorageInitializer", 200, isMoving);
  const script = useLog(path, "InferenceServer", 200, isMoving);
  const { steps, log, words } = progress(properties, build.text, script.text);
  const shown = log === "StorageInitializer" ? build : script;
  return (
    <div class="halves">
      <section class="card">
        <h2>{t("How far it is")}</h2>
        <Steps label={t("Steps of the deployment")} steps={steps} />
        {words && <p>{words}</p>}
        <Told fault={properties.error} />
        <dl class="figures">
          <dt>{t("Instances")}</dt>
          <dd>
            {properties.scaleStatus?.instances ?? deployment.sku?.capacity ?? "–"} × {properties.instanceType ?? "–"}
          </dd>
          {properties.scaleStatus?.lastDecision && (
            <>
              <dt>{t("Last scaled")}</dt>
              <dd>
                {time(properties.scaleStatus.lastDecision.at)}: {properties.scaleStatus.lastDecision.reason}
              </dd>
            </>
          )}
          <Parts of={deployment} />
        </dl>
      </section>
      <section class="card">
        <h2>{log === "StorageInitializer" ? t("Log of build and fetch") : t("Log of the scoring script")}</h2>
        <Told fault={shown.fault} />
        <pre class="log part" tabIndex={0} aria-label={t("Log")}>
          {shown.text.trim() || t("Nothing yet.")}
        </pre>
      </section>
    </div>
  );
}

function Settings({ of }: { of: OnlineDeployment }) {
  const { properties } = of;
  const variables = Object.entries(properties.environmentVariables);
  return (
    <div class="cards">
      <section class="card">
        <h2>{t("Made of")}</h2>
        <dl>
          <Parts of={of} />
          <Entry name={t("Instance type")} value={properties.instanceType} />
          <Entry name={t("Made")} value={time(of.systemData?.createdAt)} />
          <Entry name={t("Changed")} value={time(of.systemData?.lastModifiedAt)} />
        </dl>
      </section>
      <Values title={t("Scale")} of={{ instances: of.sku?.capacity, ...properties.scaleSettings }} />
      <Values title={t("Requests")} of={{ ...properties.requestSettings }} />
      <Values title={t("Readiness probe")} of={{ ...properties.readinessProbe }} />
      <Values title={t("Liveness probe")} of={{ ...properties.livenessProbe }} />
      <section class="card">
        <h2>{t("Environment variables")}</h2>
        {variables.length === 0 && <p class="quiet">{t("none")}</p>}
        <dl>
          {variables.map(([name, value]) => (
            <Entry key={name} name={name} value={value} />
          ))}
        </dl>
      </section>
      <section class="card">
        <h2>{t("Isolation")}</h2>
        <dl>
          {(properties.isolation ?? []).map((each) => (
            <Entry key={each.part} name={each.part} value={`${each.held ? "✓" : "✕"} ${each.detail}`} />
          ))}
        </dl>
      </section>
    </div>
  );
}

function Values({ title, of }: { title: string; of: Readonly<Record<string, unknown>> }) {
  return (
    <section class="card">
      <h2>{title}</h2>
      <dl>
        {Object.entries(of)
          .filter(([, value]) => value !== null && value !== undefined)
          .map(([name, value]) => (
            <Entry key={name} name={name} value={String(value)} />
          ))}
      </dl>
    </section>
  );
}

function Entry({ name, value }: { name: string; value: string | null | undefined }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{value ?? "–"}</dd>
    </>
  );
}
