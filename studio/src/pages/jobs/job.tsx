import { useState } from "preact/hooks";
import { call } from "../../host";
import { ago, lasted, number, t, time } from "../../language";
import { Ask } from "../../parts/dialog";
import { Logs } from "../../parts/logs";
import { said } from "../../parts/said";
import { May } from "../../parts/may";
import { State } from "../../parts/state";
import { Stale, Told } from "../../parts/told";
import { usePolled } from "../../polled";
import type { Job, JobProperties } from "../../api";
import { ENDED } from "./ended";
import { go, to } from "../../router";
import { JobLineage } from "../lineage";
import { Bar } from "./columns";
import { Failures, Output } from "./output";

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
          <May act="jobs/cancel/action" at={path}>
            <button type="button" onClick={() => setAct("cancel")}>
              {t("Cancel")}
            </button>
          </May>
        )}
        {ended && (properties.progress?.failedFiles ?? 0) > 0 && (
          <May act="jobs/retryFailed/action" at={path}>
            <button type="button" class="primary" onClick={() => setAct("retry")}>
              {t("Retry what failed")}
            </button>
          </May>
        )}
        {ended && (
          <May act="jobs/delete" at={path}>
            <button type="button" onClick={() => setAct("delete")}>
              {t("Delete")}
            </button>
          </May>
        )}
      </div>
      <Told fault={properties.error} />
      <Progressed of={properties} />
      <Failures job={job} />
      <Output job={job} />
      <May act="jobs/getLogs/action" at={path}>
        <WorkerLog path={path} />
      </May>
      <div class="cards">
        <section class="card">
          <h2>{t("Inputs")}</h2>
          <dl>
            {Object.entries(properties.inputs).map(([input, told]) => (
              <Entry key={input} name={input} value={told.uri} />
            ))}
          </dl>
        </section>
        <section class="card">
          <h2>{t("Settings")}</h2>
          <dl>
            <dt>{t("Endpoint")}</dt>
            <dd>
              <a href={to("batch", properties.endpointName)}>{properties.endpointName}</a> /{" "}
              <a href={to("batch", properties.endpointName, properties.deploymentName)}>{properties.deploymentName}</a>
            </dd>
            <Entry name={t("Made")} value={time(job.systemData?.createdAt)} />
            <Entry name={t("Took")} value={lasted(properties.startTime, properties.endTime)} />
            {Object.entries(properties.settings)
              .filter(([, value]) => said(value))
              .map(([setting, value]) => (
                <Entry key={setting} name={setting} value={said(value)} />
              ))}
          </dl>
        </section>
        <JobLineage name={name} />
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
        <Entry name={t("Workers")} value={workers(of)} />
        <Entry name={t("Rows")} value={number(progress.rows)} />
        <Entry name={t("Mini-batches in flight")} value={number(progress.inFlight)} />
        {of.endTime ? (
          <Entry name={t("Files a second, in all")} value={number(average(of, progress.succeededFiles + progress.failedFiles))} />
        ) : (
          <>
            <Entry name={t("Files a second")} value={number(progress.filesPerSecond)} />
            <Entry name={t("Mini-batches a second")} value={number(progress.miniBatchesPerSecond)} />
          </>
        )}
        <Entry
          name={t("Done")}
          value={progress.estimatedEndTime && !of.endTime ? ago(progress.estimatedEndTime) : time(of.endTime)}
        />
      </dl>
    </section>
  );
}

/** As many as may run at once. */
function workers({ settings }: JobProperties): string {
  const { resources, maxConcurrencyPerInstance } = settings as { resources?: { instanceCount?: number } | null; maxConcurrencyPerInstance?: number };
  const [instances, each] = [resources?.instanceCount ?? 1, maxConcurrencyPerInstance ?? 1];
  return t("up to {all} ({instances} instances of {each})", { all: number(instances * each), instances: number(instances), each: number(each) });
}

function average(of: JobProperties, files: number): number | null {
  const seconds = of.startTime && of.endTime ? (new Date(of.endTime).getTime() - new Date(of.startTime).getTime()) / 1000 : 0;
  return seconds > 0 ? files / seconds : null;
}

/** What its workers print, read when it is asked for. */
function WorkerLog({ path }: { path: string }) {
  const [open, setOpen] = useState(false);
  return (
    <details class="card" open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{t("Log of its workers")}</summary>
      {open && <Logs path={path} />}
    </details>
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
      command={{ retry: `mle jobs retry ${job.name}`, cancel: `mle job cancel -n ${job.name}`, delete: `mle rest DELETE ${path}` }[act]}
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

