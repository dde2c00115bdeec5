/** What something was made of and what uses it. */

import { t, time } from "../language";
import { State } from "../parts/state";
import { type Column, Table } from "../parts/table";
import { Copied } from "../parts/copied";
import { Stale } from "../parts/told";
import { usePolled } from "../polled";
import type { ListOf, Resource } from "../envelope";
import { to } from "../router";

interface Entry {
  id: string;
  name: string;
  relation: "MadeBy" | "UsedBy";
  kind: string;
  endpointName: string | null;
  state: string | null;
  createdAt: string | null;
  createdBy: string | null;
}

const KINDS: Readonly<Record<string, string>> = {
  OnlineDeployment: "online deployment",
  BatchDeployment: "batch deployment",
  Schedule: "schedule",
  EventMapping: "event mapping",
  Job: "job",
};

function page(of: Entry): string {
  const endpoint = of.endpointName ?? "";
  if (of.kind === "OnlineDeployment") return to("online", endpoint, of.name);
  if (of.kind === "BatchDeployment") return to("batch", endpoint);
  return to({ Schedule: "schedules", EventMapping: "eventMappings" }[of.kind] ?? "jobs", of.name);
}

const COLUMNS: readonly Column<Entry>[] = [
  { name: t("How"), by: (row) => row.relation, show: (row) => (row.relation === "MadeBy" ? t("made by") : t("used by")) },
  { name: t("What"), by: (row) => row.kind, show: (row) => t(KINDS[row.kind] ?? row.kind) },
  { name: t("Name"), by: (row) => row.name, show: (row) => <a class="break" href={page(row)}>{[row.endpointName, row.name].filter(Boolean).join("/")}</a> },
  { name: t("State"), by: (row) => row.state, show: (row) => (row.state ? <State of={row.state} /> : "–") },
  { name: t("Since"), by: (row) => row.createdAt, show: (row) => time(row.createdAt) },
  { name: t("By"), by: (row) => row.createdBy, show: (row) => <span class="break">{row.createdBy ?? ""}</span> },
];

/** Of a version: which deployments, jobs, schedules and event mappings use it, and what made it. */
export function Lineage({ path, command }: { path: string; command: string }) {
  const seen = usePolled<ListOf<Entry>>(`${path}/lineage?$top=1000`, 15);
  const rows = [...(seen.value.value?.value ?? [])].sort((one, other) => (other.createdAt ?? "").localeCompare(one.createdAt ?? ""));
  return (
    <section aria-label={t("Lineage")}>
      <h2>{t("Where it is used, and what made it")}</h2>
      <Stale fault={seen.value.fault} />
      {seen.value.value &&
        (rows.length ? (
          <Table label={t("lineage")} rows={rows} columns={COLUMNS} id={(row) => row.id} />
        ) : (
          <p class="quiet">{t("Nothing uses it yet: a deployment, a job, a schedule or an event mapping that does stands here.")}</p>
        ))}
      <details>
        <summary>{t("The same in a terminal")}</summary>
        <Copied text={command} label={t("command")} />
      </details>
    </section>
  );
}

type JobLineageOf = Resource<{
  modelId: string | null;
  codeId: string | null;
  environmentId: string | null;
  inputs: Record<string, { assetId: string | null }>;
  retryOf: string | null;
  registered: { id: string; name: string; version: string }[];
}>;

/** Of a job: what it ran and read, and what was registered of what it wrote. */
export function JobLineage({ name }: { name: string }) {
  const seen = usePolled<JobLineageOf>(`jobs/${encodeURIComponent(name)}/lineage`, 30);
  const of = seen.value.value?.properties;
  if (!of) return null;
  const made = [
    { what: t("Model"), id: of.modelId },
    { what: t("Code"), id: of.codeId },
    { what: t("Environment"), id: of.environmentId },
    ...Object.entries(of.inputs).map(([input, { assetId }]) => ({ what: t("Data of {input}", { input }), id: assetId })),
  ].filter(({ id }) => id);
  const retried = of.retryOf?.split("/").at(-1);
  return (
    <section class="card">
      <h2>{t("Made of")}</h2>
      <dl>
        {made.map(({ what, id }) => (
          <>
            <dt key={what}>{what}</dt>
            <dd class="break">
              <Version id={id ?? ""} />
            </dd>
          </>
        ))}
        {retried && (
          <>
            <dt>{t("Retry of")}</dt>
            <dd>
              <a href={to("jobs", retried)}>{retried}</a>
            </dd>
          </>
        )}
        <dt>{t("Registered of it")}</dt>
        <dd>{of.registered.length ? of.registered.map((each) => <Version key={each.id} id={each.id} />) : t("nothing yet")}</dd>
      </dl>
    </section>
  );
}

/** `NAME:VERSION`, linked to its page. */
export function Version({ id }: { id: string }) {
  const [, kind, name, version] = /\/([^/]+)\/([^/]+)\/versions\/([^/]+)$/.exec(id) ?? [];
  if (!kind || !name || !version) return <>{id}</>;
  const [named, numbered] = [decodeURIComponent(name), decodeURIComponent(version)];
  return <a href={to(kind, named, numbered)}>{`${named}:${numbered}`}</a>;
}
