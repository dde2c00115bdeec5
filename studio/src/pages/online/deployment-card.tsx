import { useState } from "preact/hooks";
import { t } from "../../language";
import { May } from "../../parts/may";
import { State } from "../../parts/state";
import { Told } from "../../parts/told";
import type { OnlineDeployment } from "../../api";
import { to } from "../../router";
import { DeleteDeployment, ScaleDeployment } from "./deployment-acts";

/** A deployment at a glance, among those of its endpoint. */
export function DeploymentCard(props: { endpoint: string; deployment: OnlineDeployment; share: number; again(): void }) {
  const { endpoint, deployment, share, again } = props;
  const properties = deployment.properties;
  const [doing, setDoing] = useState<"scale" | "delete" | null>(null);
  const unheld = properties.isolation?.filter((each) => !each.held) ?? [];
  const close = (): void => setDoing(null);
  return (
    <article class="card">
      <div class="row">
        <h3>
          <a href={to("online", endpoint, deployment.name)}>{deployment.name}</a>
        </h3>
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
        <Parts of={deployment} />
        {unheld.length > 0 && (
          <>
            <dt>{t("Not isolated")}</dt>
            <dd>{unheld.map((each) => `${each.part}: ${each.detail}`).join("; ")}</dd>
          </>
        )}
      </dl>
      <p class="row">
        <a class="button" href={to("online", endpoint, deployment.name)}>
          {t("Open")}
        </a>
        <May act="onlineEndpoints/deployments/write" at={`onlineEndpoints/${encodeURIComponent(endpoint)}`}>
          <button type="button" onClick={() => setDoing("scale")}>
            {t("Scale")}
          </button>
        </May>
        <a class="button" href={`${to("online", endpoint, deployment.name)}?tab=logs`}>
          {t("Logs")}
        </a>
        <May act="onlineEndpoints/deployments/delete" at={`onlineEndpoints/${encodeURIComponent(endpoint)}`}>
          <button type="button" onClick={() => setDoing("delete")}>
            {t("Delete")}
          </button>
        </May>
      </p>
      {doing === "scale" && <ScaleDeployment endpoint={endpoint} deployment={deployment} onClose={close} onDone={again} />}
      {doing === "delete" && <DeleteDeployment endpoint={endpoint} name={deployment.name} share={share} onClose={close} onDone={again} />}
    </article>
  );
}

/** What it is made of. */
export function Parts({ of }: { of: OnlineDeployment }) {
  const { model, codeConfiguration, environmentId } = of.properties;
  return (
    <>
      {model && (
        <>
          <dt>{t("Model")}</dt>
          <dd class="break">{asset("models", model)}</dd>
        </>
      )}
      {codeConfiguration?.codeId && (
        <>
          <dt>{t("Code")}</dt>
          <dd class="break">
            {asset("codes", codeConfiguration.codeId)}, {codeConfiguration.scoringScript}
          </dd>
        </>
      )}
      {environmentId && (
        <>
          <dt>{t("Environment")}</dt>
          <dd class="break">{asset("environments", environmentId)}</dd>
        </>
      )}
    </>
  );
}

function asset(kind: string, id: string) {
  const found = /\/([^/]+)\/versions\/([^/]+)$/.exec(id);
  if (!found) return id;
  const [name, version] = [decodeURIComponent(found[1] ?? ""), decodeURIComponent(found[2] ?? "")];
  return <a href={to(kind, name, version)}>{`${name}:${version}`}</a>;
}
