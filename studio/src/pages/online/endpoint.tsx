import { useState } from "preact/hooks";
import { change } from "../../host";
import { t, time } from "../../language";
import { Acts } from "../../parts/acts";
import { Copied } from "../../parts/copied";
import { Ask } from "../../parts/dialog";
import { Keys } from "../../parts/keys";
import { Logs } from "../../parts/logs";
import { May } from "../../parts/may";
import { State } from "../../parts/state";
import { Tabs } from "../../parts/tabs";
import { Stale } from "../../parts/told";
import { Traffic } from "../../parts/traffic";
import { usePolled } from "../../polled";
import type { OnlineDeployment, OnlineEndpoint } from "../../api";
import type { ListOf } from "../../envelope";
import { ask, go, place, to } from "../../router";
import { word } from "../../yaml";
import { DeployOnline } from "../wizards/online-deployment";
import { BeginRollout } from "../wizards/rollout";
import { Consume } from "./consume";
import { DeploymentCard } from "./deployment-card";
import { Metrics } from "./metrics";
import { Requests } from "./requests";
import { Rollout } from "./rollout";
import { Shadows } from "./shadows";
import { Test } from "./test";
import { ChangeTraffic } from "./traffic";

type Doing = "traffic" | "delete" | "deployment" | "rollout" | "back";

export function OnlineEndpointPage({ name }: { name: string }) {
  const path = `onlineEndpoints/${encodeURIComponent(name)}`;
  const seen = usePolled<OnlineEndpoint>(path, 3);
  const list = usePolled<ListOf<OnlineDeployment>>(`${path}/deployments`, 3);
  const [doing, setDoing] = useState<Doing | null>(null);
  const endpoint = seen.value.value;
  if (!endpoint) return <Stale fault={seen.value.fault} />;
  const deployments = list.value.value?.value ?? [];
  const again = (): void => {
    seen.again();
    list.again();
  };
  const close = (): void => setDoing(null);
  const names = deployments.map((each) => each.name);
  const running = endpoint.properties.rolloutStatus?.state === "Running";
  return (
    <>
      <Stale fault={seen.value.fault} />
      <div class="row">
        <h1>{name}</h1>
        <State of={endpoint.properties.provisioningState} />
        <span class="grow" />
        <May act="onlineEndpoints/deployments/write" at={path}>
          <button type="button" class="primary" onClick={() => setDoing("deployment")}>
            {t("New deployment")}
          </button>
        </May>
        <May act="onlineEndpoints/write" at={path}>
          <button type="button" disabled={!names.length} onClick={() => setDoing("traffic")}>
            {t("Change traffic")}
          </button>
          <button type="button" disabled={names.length < 2 || running} onClick={() => setDoing("rollout")}>
            {t("Guarded rollout")}
          </button>
          <button type="button" disabled={!names.length} onClick={() => setDoing("back")}>
            {t("Roll back")}
          </button>
        </May>
        <May act="onlineEndpoints/delete" at={path}>
          <button type="button" onClick={() => setDoing("delete")}>
            {t("Delete")}
          </button>
        </May>
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
          { id: "requests", name: t("Requests"), show: () => <Requests path={path} deployments={names} /> },
          { id: "activity", name: t("Activity"), show: () => <Acts resource={endpoint.id} /> },
        ]}
      />
      {doing === "traffic" && <ChangeTraffic endpoint={endpoint} deployments={names} onClose={close} onDone={again} />}
      {doing === "deployment" && <DeployOnline endpoint={endpoint} deployments={names} onClose={close} onDone={again} />}
      {doing === "rollout" && <BeginRollout endpoint={endpoint} deployments={names} onClose={close} onDone={again} />}
      {doing === "back" && (
        <Ask
          title={t("Roll back?")}
          act={t("Roll back")}
          danger
          command={`mle rollback ${word(name)}`}
          onClose={close}
          onAct={async (told) => {
            await change("POST", `${path}/rollBack`, {}, told);
            again();
          }}
        >
          <p>
            {running
              ? t("All traffic goes back to where it was before the rollout began, at once.")
              : t("All traffic goes back to where it was before it was last changed, at once.")}
          </p>
        </Ask>
      )}
      {doing === "delete" && (
        <Ask
          title={t("Delete {name}?", { name })}
          act={t("Delete")}
          danger
          command={`mle online-endpoint delete -n ${word(name)} --yes`}
          onClose={close}
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
  const mirrored = Object.values(properties.mirrorTraffic ?? {}).some((share) => share > 0);
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
          {mirrored && (
            <>
              <dt>{t("Mirrored to")}</dt>
              <dd>
                <Traffic shares={properties.mirrorTraffic} />
              </dd>
            </>
          )}
          <dt>{t("Authentication")}</dt>
          <dd>{properties.authMode}</dd>
          {properties.authMode === "Key" && (
            <Keys
              path={`onlineEndpoints/${encodeURIComponent(endpoint.name)}`}
              command={(which) => `mle online-endpoint regenerate-keys -n ${word(endpoint.name)} --key-type ${which}`}
            />
          )}
          <dt>{t("Changed")}</dt>
          <dd>{time(endpoint.systemData?.lastModifiedAt)}</dd>
        </dl>
      </section>
      {properties.rolloutStatus && <Rollout plan={properties.rollout ?? null} status={properties.rolloutStatus} />}
      <Shadows path={`onlineEndpoints/${encodeURIComponent(endpoint.name)}`} mirrored={mirrored} />
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
