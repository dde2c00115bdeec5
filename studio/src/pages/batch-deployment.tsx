import { useState } from "preact/hooks";
import { change } from "../host";
import { t, time } from "../language";
import { Ask } from "../parts/dialog";
import { May } from "../parts/may";
import { said } from "../parts/said";
import { State } from "../parts/state";
import { Tabs } from "../parts/tabs";
import { Stale, Told } from "../parts/told";
import { usePolled } from "../polled";
import type { BatchDeployment } from "../api";
import { go, to } from "../router";
import { word } from "../yaml";
import { Document } from "./particulars";
import { Revisions } from "./revisions";

/** One deployment of a batch endpoint: what it is, what it was, and how it is taken away. */
export function BatchDeploymentPage({ endpoint, name }: { endpoint: string; name: string }) {
  const place = `batchEndpoints/${encodeURIComponent(endpoint)}`;
  const path = `${place}/deployments/${encodeURIComponent(name)}`;
  const seen = usePolled<BatchDeployment>(path, 5);
  const [deletes, setDeletes] = useState(false);
  const found = seen.value.value;
  if (!found) return <Stale fault={seen.value.fault} />;
  const { location, kind } = found;
  const now = { ...(location && { location }), ...(kind && { kind }) };
  return (
    <>
      <Stale fault={seen.value.fault} />
      <p>
        <a href={to("batch", endpoint)}>{endpoint}</a>
      </p>
      <div class="row">
        <h1>{name}</h1>
        <State of={found.properties.provisioningState} />
        <span class="grow" />
        <May act="batchEndpoints/deployments/delete" at={place}>
          <button type="button" onClick={() => setDeletes(true)}>
            {t("Delete")}
          </button>
        </May>
      </div>
      <Told fault={found.properties.error} />
      <Tabs
        label={name}
        tabs={[
          { id: "settings", name: t("Settings"), show: () => <Settings of={found} /> },
          {
            id: "revisions",
            name: t("Revisions"),
            show: () => <Revisions path={path} endpoint={endpoint} name={name} now={now} again={() => seen.again()} />,
          },
        ]}
      />
      {deletes && (
        <Ask
          title={t("Delete {name}?", { name })}
          act={t("Delete")}
          danger
          command={`mle batch-deployment delete -e ${word(endpoint)} -n ${word(name)} --yes`}
          tries={{ method: "DELETE", path }}
          onClose={() => setDeletes(false)}
          onAct={async (told) => {
            await change("DELETE", path, undefined, told);
            go(to("batch", endpoint));
          }}
        >
          <p>{t("Jobs that have begun go on; the host refuses it while it is the default.")}</p>
        </Ask>
      )}
    </>
  );
}

const ASIDE = new Set(["provisioningState", "error", "isolation", "properties"]);

function Settings({ of }: { of: BatchDeployment }) {
  const told = Object.entries(of.properties)
    .map(([name, value]): [string, string] => [name, said(value)])
    .filter(([name, value]) => !ASIDE.has(name) && value);
  return (
    <>
      <section class="card">
        <dl>
          {told.map(([name, value]) => (
            <>
              <dt key={name}>{name}</dt>
              <dd class={value.includes("\n") ? "lines" : "break"}>{value}</dd>
            </>
          ))}
          <dt>{t("Made")}</dt>
          <dd>{time(of.systemData?.createdAt)}</dd>
        </dl>
      </section>
      <Document of={of as never} />
    </>
  );
}
