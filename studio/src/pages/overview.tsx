import { useState } from "preact/hooks";
import { change } from "../host";
import { ago, t } from "../language";
import { Ask } from "../parts/dialog";
import { State } from "../parts/state";
import { type Column, Table } from "../parts/table";
import { Empty, Stale } from "../parts/told";
import { Traffic } from "../parts/traffic";
import { usePolled } from "../polled";
import type { BatchEndpoint, Job, ListOf, OnlineEndpoint } from "../resources";
import { ENDED } from "../resources";
import { go, to } from "../router";
import { word, yaml } from "../yaml";
import { JOB_COLUMNS } from "./jobs";

const ONLINE: readonly Column<OnlineEndpoint>[] = [
  { name: t("Name"), by: (row) => row.name, show: (row) => <a href={to("online", row.name)}>{row.name}</a> },
  {
    name: t("State"),
    by: (row) => row.properties.provisioningState,
    show: (row) => <State of={row.properties.provisioningState} />,
  },
  { name: t("Traffic"), show: (row) => <Traffic shares={row.properties.traffic} /> },
  { name: t("Authentication"), by: (row) => row.properties.authMode, show: (row) => row.properties.authMode },
  {
    name: t("Changed"),
    by: (row) => row.systemData?.lastModifiedAt,
    show: (row) => ago(row.systemData?.lastModifiedAt),
  },
];

const BATCH: readonly Column<BatchEndpoint>[] = [
  { name: t("Name"), by: (row) => row.name, show: (row) => <a href={to("batch", row.name)}>{row.name}</a> },
  {
    name: t("State"),
    by: (row) => row.properties.provisioningState,
    show: (row) => <State of={row.properties.provisioningState} />,
  },
  {
    name: t("Default deployment"),
    by: (row) => row.properties.defaults?.deploymentName,
    show: (row) => row.properties.defaults?.deploymentName ?? "–",
  },
  {
    name: t("Changed"),
    by: (row) => row.systemData?.lastModifiedAt,
    show: (row) => ago(row.systemData?.lastModifiedAt),
  },
];

export function Overview() {
  const online = usePolled<ListOf<OnlineEndpoint>>("onlineEndpoints", 4);
  const batch = usePolled<ListOf<BatchEndpoint>>("batchEndpoints", 6);
  const jobs = usePolled<ListOf<Job>>("jobs?$top=50", 3);
  const [making, setMaking] = useState<"online" | "batch" | null>(null);
  const running = jobs.value.value?.value.filter((job) => !ENDED.has(job.properties.status)) ?? [];
  return (
    <>
      <Stale fault={online.value.fault} />
      <h1>{t("Online endpoints")}</h1>
      {online.value.value?.value.length === 0 ? (
        <Empty title={t("No online endpoint yet")}>
          <p>{t("An online endpoint answers each request at once: it has a URI, keys and deployments that share its traffic.")}</p>
          <button type="button" class="primary" onClick={() => setMaking("online")}>
            {t("New online endpoint")}
          </button>
        </Empty>
      ) : (
        <Table label={t("online endpoints")} rows={online.value.value?.value ?? []} columns={ONLINE} id={(row) => row.name}>
          <button type="button" class="primary" onClick={() => setMaking("online")}>
            {t("New online endpoint")}
          </button>
        </Table>
      )}
      <h1>{t("Batch endpoints")}</h1>
      {batch.value.value?.value.length === 0 ? (
        <Empty title={t("No batch endpoint yet")}>
          <p>{t("A batch endpoint scores whole folders of files: each invocation is a job with an output.")}</p>
          <button type="button" onClick={() => setMaking("batch")}>
            {t("New batch endpoint")}
          </button>
        </Empty>
      ) : (
        <Table label={t("batch endpoints")} rows={batch.value.value?.value ?? []} columns={BATCH} id={(row) => row.name}>
          <button type="button" onClick={() => setMaking("batch")}>
            {t("New batch endpoint")}
          </button>
        </Table>
      )}
      {running.length > 0 && (
        <>
          <h1>{t("Jobs under way")}</h1>
          <Table label={t("jobs under way")} rows={running} columns={JOB_COLUMNS} id={(row) => row.name} />
        </>
      )}
      {making && <NewEndpoint kind={making} onClose={() => setMaking(null)} />}
    </>
  );
}

function NewEndpoint({ kind, onClose }: { kind: "online" | "batch"; onClose(): void }) {
  const [name, setName] = useState("");
  const [auth, setAuth] = useState(kind === "online" ? "Key" : "AADToken");
  const [description, setDescription] = useState("");
  const written = yaml({
    name,
    auth_mode: { Key: "key", AMLToken: "aml_token", AADToken: "aad_token" }[auth],
    description: description || undefined,
  });
  return (
    <Ask
      title={kind === "online" ? t("New online endpoint") : t("New batch endpoint")}
      act={t("Create")}
      yaml={written}
      command={`mle ${kind}-endpoint create -n ${word(name || "NAME")} -f endpoint.yml`}
      onClose={onClose}
      onAct={async (told) => {
        const properties = { authMode: auth, ...(description && { description }) };
        await change("PUT", `${kind}Endpoints/${encodeURIComponent(name)}`, { location: "local", properties }, told);
        go(to(kind, name));
      }}
    >
      <label>
        {t("Name")}
        <input value={name} required pattern="[A-Za-z][A-Za-z0-9\-]{1,30}[A-Za-z0-9]" onInput={(event) => setName(event.currentTarget.value)} />
        <span class="quiet">{t("3 to 32 letters, digits and hyphens, a letter first")}</span>
      </label>
      <label>
        {t("Authentication")}
        <select value={auth} onChange={(event) => setAuth(event.currentTarget.value)}>
          <option value="Key">{t("Keys")}</option>
          {kind === "online" && <option value="AMLToken">{t("Tokens of this endpoint, an hour each")}</option>}
          <option value="AADToken">{t("Tokens of clients and their roles")}</option>
        </select>
      </label>
      <label>
        {t("Description")}
        <input value={description} onInput={(event) => setDescription(event.currentTarget.value)} />
      </label>
    </Ask>
  );
}
