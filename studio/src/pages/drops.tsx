/** Files that have come for batch endpoints, and wait to become jobs. */

import { ago, bytes, number, t, time } from "../language";
import { Copied } from "../parts/copied";
import { State } from "../parts/state";
import { type Column, Table } from "../parts/table";
import { Empty, Stale } from "../parts/told";
import { usePolled } from "../polled";
import type { ListOf, Resource } from "../envelope";
import { to } from "../router";
import { word, type Yaml, yaml } from "../yaml";

export type Drop = Resource<{
  endpointName: string;
  state: "Idle" | "Gathering" | "Sealed";
  files: number;
  bytes: number;
  isComplete: boolean;
  firstArrivalAt: string | null;
  lastArrivalAt: string | null;
  sealsAt: string | null;
  marker: string | null;
  waitingFor: string | null;
  jobName: string | null;
  deploymentName: string | null;
  options: Record<string, unknown> | null;
}>;

interface Arrived {
  name: string;
  size: number;
  arrivedAt: string;
}

const COLUMNS: readonly Column<Drop>[] = [
  { name: t("Endpoint"), by: (row) => row.name, show: (row) => <a href={to("drops", row.name)}>{row.name}</a> },
  { name: t("State"), by: (row) => row.properties.state, show: (row) => <State of={row.properties.state} /> },
  { name: t("Files"), right: true, by: (row) => row.properties.files, show: counted },
  { name: t("Size"), right: true, by: (row) => row.properties.bytes, show: (row) => bytes(row.properties.bytes) },
  { name: t("First came"), by: (row) => row.properties.firstArrivalAt, show: (row) => <When at={row.properties.firstArrivalAt} /> },
  { name: t("Last came"), by: (row) => row.properties.lastArrivalAt, show: (row) => <When at={row.properties.lastArrivalAt} /> },
  { name: t("Becomes a job"), by: (row) => row.properties.sealsAt, show: (row) => <span class="break">{becomes(row)}</span> },
];

function counted(of: Drop): string {
  return `${number(of.properties.files)}${of.properties.isComplete ? "" : "+"}`;
}

function When({ at }: { at: string | null }) {
  return <span title={time(at)}>{ago(at)}</span>;
}

/** When, and what it waits for otherwise. */
function becomes({ properties }: Drop): string {
  const { waitingFor, state, sealsAt, marker } = properties;
  if (waitingFor) return t("waits: {why}", { why: waitingFor });
  if (state === "Sealed") return t("its job is being started");
  if (marker) return t("now: {file} has come", { file: marker.split("/").at(-1) ?? "" });
  if (sealsAt && new Date(sealsAt) > new Date()) return t("{when}, if nothing else comes", { when: ago(sealsAt) });
  return t("now");
}

/** What gathers now, endpoint by endpoint. */
export function Drops() {
  const seen = usePolled<ListOf<Drop>>("drops?$top=1000", 5);
  const rows = seen.value.value?.value ?? [];
  return (
    <>
      <h1>{t("Drops")}</h1>
      <p class="quiet">{t("Files that land in a batch endpoint's folder of the inbox gather here until the folder is quiet for a while, or _SUCCESS lands; then one job scores them all.")}</p>
      <Stale fault={seen.value.fault} />
      {seen.value.value &&
        (rows.length ? (
          <Table label={t("drops")} rows={rows} columns={COLUMNS} id={(row) => row.name} />
        ) : (
          <Empty title={t("Nothing waits to become a job")}>
            <p>{t("Put files into batch-inbox/ENDPOINT/, in nested folders if you like: each drop becomes a job of that endpoint's default deployment. _endpoint.yaml beside them chooses another, and when.")}</p>
          </Empty>
        ))}
      <Same command="mle drop list" />
    </>
  );
}

/** What gathers for one endpoint, file by file. */
export function DropPage({ endpoint }: { endpoint: string }) {
  const path = `batchEndpoints/${encodeURIComponent(endpoint)}/drop`;
  const seen = usePolled<Drop>(path, 3);
  const files = usePolled<ListOf<Arrived>>(`${path}/files?$top=500`, 5);
  const drop = seen.value.value;
  const rows = files.value.value?.value ?? [];
  return (
    <>
      <p>
        <a href={to("drops")}>{t("Drops")}</a>
      </p>
      <div class="row">
        <h1>{endpoint}</h1>
        {drop && <State of={drop.properties.state} />}
        <span class="grow" />
        <a class="button" href={to("batch", endpoint)}>
          {t("To the endpoint")}
        </a>
      </div>
      <Stale fault={seen.value.fault} />
      {drop && drop.properties.state === "Idle" && (
        <Empty title={t("Nothing has come that no job has taken")}>
          <p>{t("Files that land in batch-inbox/{endpoint}/ gather here, and become one job.", { endpoint })}</p>
        </Empty>
      )}
      {drop && drop.properties.state !== "Idle" && <Gathered of={drop} />}
      {rows.length > 0 && (
        <>
          <h2>{t("What has come")}</h2>
          <Table label={t("files")} rows={rows} columns={FILES} id={(row) => `${row.name}${row.arrivedAt}`} />
          {files.value.value?.nextLink && <p class="quiet">{t("The first {n} are shown.", { n: number(rows.length) })}</p>}
        </>
      )}
      <Same command={`mle drop show -e ${word(endpoint)}`} />
    </>
  );
}

const FILES: readonly Column<Arrived>[] = [
  { name: t("File"), by: (row) => row.name, show: (row) => <code class="break">{row.name}</code> },
  { name: t("Size"), right: true, by: (row) => row.size, show: (row) => bytes(row.size) },
  { name: t("Came"), by: (row) => row.arrivedAt, show: (row) => <When at={row.arrivedAt} /> },
];

/** How much, since when, and what it will become. */
function Gathered({ of }: { of: Drop }) {
  const { properties } = of;
  return (
    <section class="card">
      {properties.waitingFor && (
        <p class="told bad">
          {properties.waitingFor} {t("The files stay where they are, and are scored once that is mended.")}
        </p>
      )}
      <dl>
        <dt>{t("Files")}</dt>
        <dd>
          {counted(of)}, {bytes(properties.bytes)}
        </dd>
        <dt>{t("First came")}</dt>
        <dd>
          {time(properties.firstArrivalAt)} ({ago(properties.firstArrivalAt)})
        </dd>
        <dt>{t("Last came")}</dt>
        <dd>
          {time(properties.lastArrivalAt)} ({ago(properties.lastArrivalAt)})
        </dd>
        <dt>{t("Becomes a job")}</dt>
        <dd>{becomes(of)}</dd>
        <dt>{t("Scored by")}</dt>
        <dd>{properties.deploymentName ?? t("no deployment yet: the endpoint has no default")}</dd>
        <dt>{t("The job's name")}</dt>
        <dd>{properties.jobName && <Copied text={properties.jobName} label={t("The job's name")} />}</dd>
      </dl>
      {properties.options && (
        <details>
          <summary>{t("By the options in its folder")}</summary>
          <pre tabIndex={0}>{yaml(properties.options as Yaml)}</pre>
        </details>
      )}
    </section>
  );
}

/** Of an endpoint's page: that something has come for it. */
export function DropOf({ endpoint }: { endpoint: string }) {
  const seen = usePolled<Drop>(`batchEndpoints/${encodeURIComponent(endpoint)}/drop`, 5);
  const drop = seen.value.value;
  if (!drop || drop.properties.state === "Idle") return null;
  return (
    <p class="told" role="status">
      {t("{files} files ({size}) have been dropped and wait to become a job: {when}.", {
        files: counted(drop),
        size: bytes(drop.properties.bytes),
        when: becomes(drop),
      })}{" "}
      <a href={to("drops", endpoint)}>{t("What has come")}</a>
    </p>
  );
}

function Same({ command }: { command: string }) {
  return (
    <details>
      <summary>{t("The same in a terminal")}</summary>
      <Copied text={command} label={t("command")} />
    </details>
  );
}
