import { useState } from "preact/hooks";
import { call, change } from "../host";
import { ago, number, t, time } from "../language";
import { Chart } from "../parts/chart";
import { Command } from "../parts/command";
import { Ask } from "../parts/dialog";
import { May } from "../parts/may";
import { State } from "../parts/state";
import { type Column, Table } from "../parts/table";
import { Empty, Stale, Told } from "../parts/told";
import { usePolled } from "../polled";
import type { ListOf, Resource } from "../envelope";
import { go, to } from "../router";
import { word } from "../yaml";
import { AlertRule } from "./wizards/alert";

export interface Criterion {
  name: string;
  metricName: string;
  timeAggregation: string;
  operator: string;
  threshold: number;
  dimensions?: { name: string; operator: string; values: string[] }[];
}

export type Alert = Resource<{
  description?: string | null;
  severity: number;
  enabled: boolean;
  status: string;
  scopes: string[];
  windowSize: string;
  evaluationFrequency: string;
  lookedAt: string | null;
  criteria: { allOf: Criterion[] };
}>;

interface Fired {
  name: string;
  properties: {
    status: string;
    timestamp: string | null;
    resource?: string;
    dimensions: Record<string, string>;
    values?: Record<string, number>;
  };
}

const SIGNS: Readonly<Record<string, string>> = {
  GreaterThan: ">",
  GreaterThanOrEqual: "≥",
  LessThan: "<",
  LessThanOrEqual: "≤",
  Equals: "=",
};

const COLUMNS: readonly Column<Alert>[] = [
  { name: t("Alert"), by: (row) => row.name, show: (row) => <a href={to("alerts", row.name)}>{row.name}</a> },
  { name: t("Status"), by: (row) => row.properties.status, show: (row) => <State of={row.properties.status} /> },
  { name: t("Fires when"), by: said, show: (row) => <span class="break">{said(row)}</span> },
  { name: t("Of"), by: (row) => row.properties.scopes.map(below).join(), show: (row) => <Scopes of={row.properties.scopes} /> },
  { name: t("Severity"), right: true, by: (row) => row.properties.severity, show: (row) => number(row.properties.severity) },
];

const FIRED: readonly Column<Fired>[] = [
  { name: t("Status"), by: (row) => row.properties.status, show: (row) => <State of={row.properties.status} /> },
  { name: t("Of"), by: (row) => below(row.properties.resource ?? ""), show: (row) => <Scopes of={[row.properties.resource ?? ""]} /> },
  {
    name: t("Series"),
    by: (row) => Object.values(row.properties.dimensions).join(),
    show: (row) => <span class="break">{Object.entries(row.properties.dimensions).map(([name, value]) => `${name} ${value}`).join(", ") || "–"}</span>,
  },
  {
    name: t("Value"),
    right: true,
    by: (row) => Object.values(row.properties.values ?? {})[0],
    show: (row) => Object.values(row.properties.values ?? {}).map(number).join(", ") || "–",
  },
  { name: t("Since"), by: (row) => row.properties.timestamp, show: (row) => `${time(row.properties.timestamp)} (${ago(row.properties.timestamp)})` },
];

/** The rule in words. */
function said(alert: Alert): string {
  return alert.properties.criteria.allOf
    .map((each) => `${each.metricName} (${each.timeAggregation}) ${SIGNS[each.operator] ?? each.operator} ${number(each.threshold)}`)
    .join(t(" and "));
}

/** A scope's path below the workspace. */
function below(scope: string): string {
  return scope.split("/workspaces/")[1]?.split("/").slice(1).join("/") ?? "";
}

function Scopes({ of }: { of: readonly string[] }) {
  return (
    <>
      {of.map((scope) => {
        const [kind, endpoint, , deployment] = below(scope).split("/");
        const page = kind === "onlineEndpoints" ? "online" : kind === "batchEndpoints" ? "batch" : null;
        const parts = deployment && page === "online" ? [deployment] : [];
        return page && endpoint ? (
          <a key={scope} class="break" href={to(page, endpoint, ...parts)}>
            {[endpoint, deployment].filter(Boolean).join("/")}
          </a>
        ) : (
          <span key={scope}>{t("the workspace")}</span>
        );
      })}
    </>
  );
}

/** Rules over figures, those that have fired first. */
export function Alerts() {
  const seen = usePolled<ListOf<Alert>>("metricAlerts", 10);
  const [making, setMaking] = useState(false);
  const rows = [...(seen.value.value?.value ?? [])].sort((one, other) => order(one) - order(other));
  return (
    <>
      <div class="row">
        <h1>{t("Alerts")}</h1>
        <span class="grow" />
        <May act="metricAlerts/write">
          <button type="button" class="primary" onClick={() => setMaking(true)}>
            {t("New alert")}
          </button>
        </May>
      </div>
      <Stale fault={seen.value.fault} />
      {seen.value.value && !rows.length ? (
        <Empty title={t("No alert yet")}>
          <p>{t("An alert watches a figure, such as the 95th percentile of an endpoint, and tells event subscriptions when it passes a threshold.")}</p>
        </Empty>
      ) : (
        <Table label={t("alerts")} rows={rows} columns={COLUMNS} id={(row) => row.name} />
      )}
      {making && <AlertRule onClose={() => setMaking(false)} onDone={(name) => go(to("alerts", name))} />}
    </>
  );
}

function order(alert: Alert): number {
  return ["Unhealthy", "Healthy", "Disabled"].indexOf(alert.properties.status);
}

/** A rule, what of it has fired, and the figure that it watches. */
export function AlertPage({ name }: { name: string }) {
  const path = `metricAlerts/${encodeURIComponent(name)}`;
  const seen = usePolled<Alert>(path, 5);
  const status = usePolled<ListOf<Fired>>(`${path}/status`, 5);
  const [doing, setDoing] = useState<"change" | "delete" | null>(null);
  const [fault, setFault] = useState<Error | null>(null);
  const found = seen.value.value;
  const fired = status.value.value?.value.filter((each) => each.properties.status === "Unhealthy") ?? [];
  async function turn(enabled: boolean): Promise<void> {
    setFault(null);
    try {
      await call("PATCH", path, { properties: { enabled } });
      seen.again();
      status.again();
    } catch (error) {
      setFault(error instanceof Error ? error : new Error(String(error)));
    }
  }
  return (
    <>
      <p>
        <a href={to("alerts")}>{t("Alerts")}</a>
      </p>
      <div class="row">
        <h1>{name}</h1>
        {found && <State of={found.properties.status} />}
        <span class="grow" />
        <May act="metricAlerts/write">
          <button type="button" disabled={!found} onClick={() => setDoing("change")}>
            {t("Change")}
          </button>
          <button type="button" disabled={!found} onClick={() => void turn(!found?.properties.enabled)}>
            {found?.properties.enabled === false ? t("Switch it on") : t("Switch it off")}
          </button>
          <Command
            of={found?.properties.enabled === false ? t("Switch it on") : t("Switch it off")}
            text={`mle rest PATCH ${path} '{"properties": {"enabled": ${String(found?.properties.enabled === false)}}}'`}
          />
        </May>
        <May act="metricAlerts/delete">
          <button type="button" disabled={!found} onClick={() => setDoing("delete")}>
            {t("Delete")}
          </button>
        </May>
      </div>
      <Stale fault={seen.value.fault} />
      <Told fault={fault} />
      {found && (
        <>
          <section class="card">
            {found.properties.description && <p>{found.properties.description}</p>}
            <dl>
              <dt>{t("Fires when")}</dt>
              <dd>{said(found)}</dd>
              <dt>{t("Of")}</dt>
              <dd>
                <Scopes of={found.properties.scopes} />
              </dd>
              <dt>{t("Over")}</dt>
              <dd>{t("{window}, looked at every {every}", { window: found.properties.windowSize, every: found.properties.evaluationFrequency })}</dd>
              <dt>{t("Severity")}</dt>
              <dd>{number(found.properties.severity)}</dd>
              <dt>{t("Last looked at")}</dt>
              <dd>{ago(found.properties.lookedAt)}</dd>
            </dl>
          </section>
          <h2>{t("What has fired")}</h2>
          {fired.length ? <Table label={t("what has fired")} rows={fired} columns={FIRED} id={(row) => row.name} /> : <p class="quiet">{t("Nothing has.")}</p>}
          {found.properties.scopes[0] && found.properties.criteria.allOf[0] && (
            <Figure scope={found.properties.scopes[0]} of={found.properties.criteria.allOf[0]} />
          )}
        </>
      )}
      {doing === "change" && found && <AlertRule alert={found} onClose={() => setDoing(null)} onDone={() => seen.again()} />}
      {doing === "delete" && <DeleteAlert name={name} path={path} onClose={() => setDoing(null)} />}
    </>
  );
}

function DeleteAlert({ name, path, onClose }: { name: string; path: string; onClose(): void }) {
  return (
    <Ask
      title={t("Delete {name}?", { name })}
      act={t("Delete")}
      danger
      command={`mle alert delete -n ${word(name)} --yes`}
      onClose={onClose}
      onAct={async (told) => {
        await change("DELETE", path, undefined, told);
        go(to("alerts"));
      }}
    >
      <p>{t("What of it has fired is told to be resolved.")}</p>
    </Ask>
  );
}

interface Points {
  value: { timeseries: { metadatavalues: { value: string }[]; data: (Record<string, number> & { timeStamp: string })[] }[] }[];
}

/** The last hour of what is watched, with the threshold. */
function Figure({ scope, of }: { scope: string; of: Criterion }) {
  const filter = of.dimensions?.map((each) => series(each)).join(" and ");
  const query = new URLSearchParams({
    metricnames: of.metricName,
    timespan: "PT1H",
    interval: "PT1M",
    aggregation: of.timeAggregation,
    ...(filter && { $filter: filter }),
  });
  const seen = usePolled<Points>(`${scope}/providers/Microsoft.Insights/metrics?${query.toString()}`, 15);
  const found = seen.value.value?.value[0]?.timeseries ?? [];
  const times = found[0]?.data.map((point) => new Date(point.timeStamp).getTime() / 1000) ?? [];
  if (!times.length) return <p class="quiet">{t("Nothing came of {metric} in the last hour.", { metric: of.metricName })}</p>;
  const lines = found.map((each) => ({
    name: each.metadatavalues.map((value) => value.value).join(", ") || of.metricName,
    values: each.data.map((point) => point[of.timeAggregation.toLowerCase()] ?? null),
  }));
  const threshold = { name: t("Threshold"), values: times.map(() => of.threshold) };
  return <Chart title={of.metricName} unit={of.timeAggregation} times={times} lines={[...lines, threshold]} />;
}

function series(of: { name: string; operator: string; values: string[] }): string {
  const [sign, between] = of.operator === "Exclude" ? ["ne", " and "] : ["eq", " or "];
  const every = of.values.map((value) => `${of.name} ${sign} '${value.replaceAll("'", "''")}'`);
  return every.length > 1 ? `(${every.join(between)})` : (every[0] ?? "");
}
