import { useState } from "preact/hooks";
import { call, refusal, send } from "../host";
import { ago, lasted, number, t, time } from "../language";
import { Ask } from "../parts/dialog";
import { State } from "../parts/state";
import { type Column, Table } from "../parts/table";
import { Empty, Stale, Told } from "../parts/told";
import { usePolled } from "../polled";
import type { Job, JobProperties, ListOf, Progress } from "../resources";
import { ENDED } from "../resources";
import { go, to } from "../router";

export const JOB_COLUMNS: readonly Column<Job>[] = [
  {
    name: t("Job"),
    by: (row) => row.properties.displayName || row.name,
    show: (row) => <a href={to("jobs", row.name)}>{row.properties.displayName || row.name}</a>,
  },
  { name: t("Status"), by: (row) => row.properties.status, show: (row) => <State of={row.properties.status} /> },
  {
    name: t("Endpoint"),
    by: (row) => row.properties.endpointName,
    show: (row) => <a href={to("batch", row.properties.endpointName)}>{row.properties.endpointName}</a>,
  },
  { name: t("Progress"), show: (row) => <Bar of={row.properties.progress} /> },
  { name: t("Began"), by: (row) => row.systemData?.createdAt, show: (row) => ago(row.systemData?.createdAt) },
  { name: t("Took"), show: (row) => lasted(row.properties.startTime, row.properties.endTime) },
];

export function Jobs() {
  const jobs = usePolled<ListOf<Job>>("jobs?$top=200", 3);
  return (
    <>
      <h1>{t("Jobs")}</h1>
      <Stale fault={jobs.value.fault} />
      {jobs.value.value?.value.length === 0 ? (
        <Empty title={t("No job yet")}>
          <p>{t("Invoke a batch endpoint, or drop files into its folder of the inbox: each makes a job here.")}</p>
        </Empty>
      ) : (
        <Table label={t("jobs")} rows={jobs.value.value?.value ?? []} columns={JOB_COLUMNS} id={(row) => row.name} />
      )}
    </>
  );
}

function Bar({ of }: { of: Progress | null }) {
  if (!of?.totalMiniBatches) return <span class="quiet">–</span>;
  const done = of.succeededMiniBatches + of.failedMiniBatches;
  return (
    <span class="traffic">
      <progress max={of.totalMiniBatches} value={done} aria-label={t("Mini-batches done")} />
      <span>
        {t("{done} of {all}", { done: number(done), all: number(of.totalMiniBatches) })}
        {of.failedMiniBatches > 0 && `, ${t("{n} failed", { n: number(of.failedMiniBatches) })}`}
      </span>
    </span>
  );
}

type Act = "cancel" | "retry" | "delete";

export function JobPage({ name }: { name: string }) {
  const path = `jobs/${encodeURIComponent(name)}`;
  const seen = usePolled<Job>(path, 2);
  const [act, setAct] = useState<Act | null>(null);
  const job = seen.value.value;
  if (!job) return <Stale fault={seen.value.fault} />;
  const properties = job.properties;
  const ended = ENDED.has(properties.status);
  return (
    <>
      <Stale fault={seen.value.fault} />
      <div class="row">
        <h1>{properties.displayName || name}</h1>
        <State of={properties.status} />
        <span class="grow" />
        {!ended && (
          <button type="button" onClick={() => setAct("cancel")}>
            {t("Cancel")}
          </button>
        )}
        {ended && (properties.progress?.failedFiles ?? 0) > 0 && (
          <button type="button" class="primary" onClick={() => setAct("retry")}>
            {t("Retry what failed")}
          </button>
        )}
        {ended && (
          <button type="button" onClick={() => setAct("delete")}>
            {t("Delete")}
          </button>
        )}
      </div>
      <Told fault={properties.error} />
      <Progressed of={properties} />
      <Output job={job} />
      <div class="cards">
        <section class="card">
          <h2>{t("Inputs")}</h2>
          <dl>
            {Object.entries(properties.inputs).map(([input, told]) => (
              <Entry key={input} name={input} value={told.uri ?? String(told.value ?? "")} />
            ))}
          </dl>
        </section>
        <section class="card">
          <h2>{t("Settings")}</h2>
          <dl>
            <dt>{t("Endpoint")}</dt>
            <dd>
              <a href={to("batch", properties.endpointName)}>{properties.endpointName}</a> / {properties.deploymentName}
            </dd>
            <Entry name={t("Made")} value={time(job.systemData?.createdAt)} />
            <Entry name={t("Took")} value={lasted(properties.startTime, properties.endTime)} />
            {Object.entries(properties.settings).map(([setting, value]) => (
              <Entry key={setting} name={setting} value={typeof value === "object" ? JSON.stringify(value) : String(value)} />
            ))}
          </dl>
        </section>
      </div>
      {act && <JobAct act={act} job={job} onClose={() => setAct(null)} onDone={() => seen.again()} />}
    </>
  );
}

function Entry({ name, value }: { name: string; value: string }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </>
  );
}

function Progressed({ of }: { of: JobProperties }) {
  const progress = of.progress;
  if (!progress) return <p class="quiet">{t("It is being planned: its files are found and divided.")}</p>;
  return (
    <section class="card">
      <Bar of={progress} />
      <dl class="figures">
        <Entry name={t("Files")} value={`${number(progress.succeededFiles)} / ${number(progress.totalFiles)}`} />
        <Entry name={t("Files failed")} value={number(progress.failedFiles)} />
        <Entry name={t("Rows")} value={number(progress.rows)} />
        <Entry name={t("Mini-batches in flight")} value={number(progress.inFlight)} />
        <Entry name={t("Mini-batches a second")} value={number(progress.miniBatchesPerSecond)} />
        <Entry
          name={t("Done")}
          value={progress.estimatedEndTime && !of.endTime ? ago(progress.estimatedEndTime) : time(of.endTime)}
        />
      </dl>
    </section>
  );
}

const FIRST = 16 * 1024;

/** Its first rows, and the whole of it as a file. */
function Output({ job }: { job: Job }) {
  const [rows, setRows] = useState<string | null>(null);
  const [fault, setFault] = useState<Error | null>(null);
  const output = job.properties.outputs["score"];
  const store = output && /^azureml:\/\/datastores\/([^/]+)\/paths\/(.+)$/.exec(output.uri);

  async function url(): Promise<string> {
    const [, datastore = "", path = ""] = store ?? [];
    const told = await call<{ sasToken?: string }>("POST", `datastores/${datastore}/listSecrets`, {});
    const about = await call<{ properties: { containerName: string } }>("GET", `datastores/${datastore}`);
    const place = path.split("/").map(encodeURIComponent).join("/");
    return `/blobs/${about.body.properties.containerName}/${place}?${(told.body.sasToken ?? "").replace(/^\?/, "")}`;
  }

  async function preview(): Promise<void> {
    setFault(null);
    try {
      const response = await send(await url(), { headers: { Range: `bytes=0-${FIRST - 1}` } });
      if (response.status >= 400) throw await refusal(response);
      const text = await response.text();
      setRows(text.length >= FIRST ? text.slice(0, text.lastIndexOf("\n")) : text);
    } catch (error) {
      setFault(error instanceof Error ? error : new Error(String(error)));
    }
  }

  async function download(): Promise<void> {
    setFault(null);
    try {
      const response = await send(await url());
      if (response.status >= 400) throw await refusal(response);
      const link = document.createElement("a");
      link.href = URL.createObjectURL(await response.blob());
      link.download = String(output?.uri.split("/").at(-1));
      link.click();
      URL.revokeObjectURL(link.href);
    } catch (error) {
      setFault(error instanceof Error ? error : new Error(String(error)));
    }
  }

  if (!output) return null;
  return (
    <section class="card">
      <h2>{t("Output")}</h2>
      <p class="break">
        <code>{output.uri}</code>
      </p>
      {output.isComplete ? (
        <p class="row">
          <button type="button" onClick={() => void preview()}>
            {t("First rows")}
          </button>
          <button type="button" onClick={() => void download()}>
            {t("Download")}
          </button>
        </p>
      ) : (
        <p class="quiet">{t("It is joined when the last mini-batch is done.")}</p>
      )}
      <Told fault={fault} />
      {rows !== null && (
        <pre tabIndex={0} class="rows">
          {rows}
        </pre>
      )}
    </section>
  );
}

function JobAct({ act, job, onClose, onDone }: { act: Act; job: Job; onClose(): void; onDone(): void }) {
  const path = `jobs/${encodeURIComponent(job.name)}`;
  const texts = {
    cancel: [t("Cancel this job?"), t("Cancel the job"), t("What is in flight is stopped; what is done stays counted, and no output is joined.")],
    retry: [t("Retry what failed?"), t("Retry"), t("A new job scores the files that failed, with the same settings.")],
    delete: [t("Delete this job?"), t("Delete"), t("Its record goes, and its output with it.")],
  } as const;
  const [title, word, what] = texts[act];
  return (
    <Ask
      title={title}
      act={word}
      danger={act !== "retry"}
      command={act === "retry" ? `mle jobs retry ${job.name}` : `mle job ${act} -n ${job.name}`}
      onClose={onClose}
      onAct={async () => {
        if (act === "retry") {
          const retried = await call<Job>("POST", `${path}/retryFailed`, {});
          go(to("jobs", retried.body.name));
        } else if (act === "cancel") {
          await call("POST", `${path}/cancel`);
          onDone();
        } else {
          await call("DELETE", path);
          go(to("jobs"));
        }
      }}
    >
      <p>{what}</p>
    </Ask>
  );
}

