import { ago, lasted, number, t } from "../../language";
import { State } from "../../parts/state";
import type { Column } from "../../parts/table";
import type { Job, JobProgress } from "../../api";
import { to } from "../../router";

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

export function Bar({ of }: { of: JobProgress | null }) {
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
