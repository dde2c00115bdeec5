import { useMemo, useState } from "preact/hooks";
import { ago, number, t } from "../language";
import { money } from "../parts/estimate";
import { May } from "../parts/may";
import { State } from "../parts/state";
import { type Column, Table } from "../parts/table";
import { Empty, Stale } from "../parts/told";
import { Traffic } from "../parts/traffic";
import { usePolled } from "../polled";
import type { Overview as Whole, OverviewProperties, SeenBatchEndpoint as Batch, SeenJob as Job, SeenOnlineEndpoint as Online } from "../api";
import { to } from "../router";
import { Bar } from "./jobs/columns";
import { NewEndpoint } from "./wizards/endpoint";

const EMPTY: Pick<OverviewProperties, "onlineEndpoints" | "batchEndpoints" | "jobs"> & { costsToday: Priced } = {
  onlineEndpoints: [],
  batchEndpoints: [],
  jobs: [],
  costsToday: { currency: "USD", isSample: true },
};

type Priced = Pick<OverviewProperties["costsToday"], "currency" | "isSample">;

/** An endpoint's own state, or the worst of its deployments'. */
function state(row: Online | Batch): string {
  if (row.provisioningState !== "Succeeded") return row.provisioningState;
  const states = row.deployments.map((each) => each.provisioningState);
  return states.find((each) => each === "Failed") ?? states.find((each) => each !== "Succeeded") ?? "Succeeded";
}

function States({ of }: { of: Online | Batch }) {
  const troubled = of.deployments.find((each) => each.provisioningState === "Failed");
  return (
    <>
      <State of={state(of)} />
      {troubled && of.provisioningState === "Succeeded" && (
        <span class="quiet" title={troubled.error?.message}>
          {" "}
          {troubled.name}
        </span>
      )}
    </>
  );
}

const ONLINE: readonly Column<Online>[] = [
  { name: t("Name"), by: (row) => row.name, show: (row) => <a href={to("online", row.name)}>{row.name}</a> },
  { name: t("State"), by: state, show: (row) => <States of={row} /> },
  {
    name: t("Traffic"),
    by: (row) => Object.keys(row.traffic).join(" "),
    show: (row) => (
      <>
        <Traffic shares={row.traffic} />
        {row.rolloutStatus?.state === "Running" && (
          <span class="quiet">
            {" "}
            {t("rollout, step {step} of {steps}", { step: row.rolloutStatus.step, steps: row.rolloutStatus.steps })}
          </span>
        )}
      </>
    ),
  },
  { name: t("Instances"), right: true, by: instances, show: (row) => number(instances(row)) },
  { name: t("Requests/min"), right: true, by: (row) => row.requestsPerMinute, show: (row) => number(row.requestsPerMinute) },
  {
    name: t("Errors/min"),
    right: true,
    by: (row) => row.failuresPerMinute,
    show: (row) => <span class={row.failuresPerMinute > 0 ? "bad" : ""}>{number(row.failuresPerMinute)}</span>,
  },
  { name: t("p95"), right: true, by: (row) => row.latencyP95, show: (row) => (row.latencyP95 === null ? "–" : `${number(row.latencyP95)} ms`) },
];

const BATCH: readonly Column<Batch>[] = [
  { name: t("Name"), by: (row) => row.name, show: (row) => <a href={to("batch", row.name)}>{row.name}</a> },
  { name: t("State"), by: state, show: (row) => <States of={row} /> },
  { name: t("Default deployment"), by: (row) => row.defaultDeployment, show: (row) => row.defaultDeployment ?? "–" },
  { name: t("Deployments"), by: (row) => row.deployments.length, right: true, show: (row) => number(row.deployments.length) },
];

const JOBS: readonly Column<Job>[] = [
  { name: t("Job"), by: (row) => row.name, show: (row) => <a href={to("jobs", row.name)}>{row.name}</a> },
  { name: t("Status"), by: (row) => row.status, show: (row) => <State of={row.status} /> },
  { name: t("Endpoint"), by: (row) => row.endpointName, show: (row) => <a href={to("batch", row.endpointName)}>{row.endpointName}</a> },
  { name: t("Progress"), show: (row) => <Bar of={row.progress} /> },
  { name: t("Done"), show: (row) => (row.progress?.estimatedEndTime ? ago(row.progress.estimatedEndTime) : "–") },
];

/** By the price sheet, since midnight UTC. */
function spent({ currency, isSample }: Priced): Column<Online | Batch> {
  return {
    name: isSample ? t("Cost today, by a sample's prices") : t("Cost today"),
    right: true,
    by: (row) => row.costToday,
    show: (row) => money(row.costToday, currency),
  };
}

function instances(row: Online): number {
  return row.deployments.reduce((sum, each) => sum + each.instances, 0);
}

/** All endpoints and what is under way, read at once and again by its ETag. */
export function Overview() {
  const seen = usePolled<Whole>("overview", 2);
  const [making, setMaking] = useState<"online" | "batch" | null>(null);
  const found = seen.value.value?.properties;
  const { onlineEndpoints, batchEndpoints, jobs, costsToday } = found ?? EMPTY;
  const { currency, isSample } = costsToday;
  const [online, batch] = useMemo((): [readonly Column<Online>[], readonly Column<Batch>[]] => {
    const cost = spent({ currency, isSample });
    return [
      [...ONLINE, cost],
      [...BATCH, cost],
    ];
  }, [currency, isSample]);
  return (
    <>
      <Stale fault={seen.value.fault} />
      {found && <Figures of={found} />}
      <h1>{t("Online endpoints")}</h1>
      {found?.onlineEndpoints.length === 0 ? (
        <Empty title={t("No online endpoint yet")}>
          <p>{t("An online endpoint answers each request at once: it has a URI, keys and deployments that share its traffic.")}</p>
          <May act="onlineEndpoints/write">
            <button type="button" class="primary" onClick={() => setMaking("online")}>
              {t("New online endpoint")}
            </button>
          </May>
        </Empty>
      ) : (
        <Table label={t("online endpoints")} rows={onlineEndpoints} columns={online} id={(row) => row.name}>
          <May act="onlineEndpoints/write">
            <button type="button" class="primary" onClick={() => setMaking("online")}>
              {t("New online endpoint")}
            </button>
          </May>
        </Table>
      )}
      <h1>{t("Batch endpoints")}</h1>
      {found?.batchEndpoints.length === 0 ? (
        <Empty title={t("No batch endpoint yet")}>
          <p>{t("A batch endpoint scores whole folders of files: each invocation is a job with an output.")}</p>
          <May act="batchEndpoints/write">
            <button type="button" onClick={() => setMaking("batch")}>
              {t("New batch endpoint")}
            </button>
          </May>
        </Empty>
      ) : (
        <Table label={t("batch endpoints")} rows={batchEndpoints} columns={batch} id={(row) => row.name}>
          <May act="batchEndpoints/write">
            <button type="button" onClick={() => setMaking("batch")}>
              {t("New batch endpoint")}
            </button>
          </May>
        </Table>
      )}
      {jobs.length > 0 && (
        <>
          <h1>{t("Jobs under way")}</h1>
          <Table label={t("jobs under way")} rows={jobs} columns={JOBS} id={(row) => row.name} />
        </>
      )}
      {making && <NewEndpoint kind={making} onClose={() => setMaking(null)} />}
    </>
  );
}

/** The whole in a line of figures. */
function Figures({ of }: { of: typeof EMPTY }) {
  const sums = useMemo(() => {
    const online = of.onlineEndpoints;
    const waits = online.flatMap((each) => each.latencyP95 ?? []);
    return {
      rate: online.reduce((sum, each) => sum + each.requestsPerMinute, 0),
      failures: online.reduce((sum, each) => sum + each.failuresPerMinute, 0),
      slowest: waits.reduce<number | null>((most, each) => Math.max(most ?? 0, each), null),
      instances: online.reduce((sum, each) => sum + instances(each), 0),
      failed: [...online, ...of.batchEndpoints].filter((each) => state(each) === "Failed").length,
    };
  }, [of]);
  return (
    <dl class="tiles" aria-label={t("In all")}>
      <Tile name={t("Requests a minute")} value={number(sums.rate)} />
      <Tile name={t("Errors a minute")} value={number(sums.failures)} bad={sums.failures > 0} />
      <Tile name={t("Slowest p95")} value={sums.slowest === null ? "–" : `${number(sums.slowest)} ms`} />
      <Tile name={t("Instances")} value={number(sums.instances)} />
      <Tile name={t("In trouble")} value={number(sums.failed)} bad={sums.failed > 0} />
      <Tile name={t("Jobs under way")} value={number(of.jobs.length)} />
    </dl>
  );
}

function Tile({ name, value, bad = false }: { name: string; value: string; bad?: boolean }) {
  return (
    <div class="tile">
      <dt>{name}</dt>
      <dd class={bad ? "bad" : ""}>{value}</dd>
    </div>
  );
}
