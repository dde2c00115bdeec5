import { t } from "../../language";
import { Table } from "../../parts/table";
import { Empty, Stale } from "../../parts/told";
import { usePolled } from "../../polled";
import type { Job } from "../../api";
import type { ListOf } from "../../envelope";
import { ask, place } from "../../router";
import { JOB_COLUMNS } from "./columns";

const STATUSES = ["NotStarted", "Preparing", "Queued", "Running", "Finalizing", "CancelRequested", "Completed", "Failed", "Canceled"];

export function Jobs() {
  const status = place.value.query.get("status") ?? "";
  const query = status ? `&status=${encodeURIComponent(status)}` : "";
  const jobs = usePolled<ListOf<Job>>(`jobs?$top=200${query}`, 3);
  return (
    <>
      <div class="row">
        <h1>{t("Jobs")}</h1>
        <span class="grow" />
        <label class="inline">
          {t("Status")}
          <select value={status} onChange={(event) => ask("status", event.currentTarget.value)}>
            <option value="">{t("any")}</option>
            {STATUSES.map((each) => (
              <option key={each} value={each}>
                {t(each)}
              </option>
            ))}
          </select>
        </label>
      </div>
      <Stale fault={jobs.value.fault} />
      {jobs.value.value?.value.length === 0 ? (
        <Empty title={status ? t("No job has this status") : t("No job yet")}>
          <p>{t("Invoke a batch endpoint, or drop files into its folder of the inbox: each makes a job here.")}</p>
        </Empty>
      ) : (
        <Table label={t("jobs")} rows={jobs.value.value?.value ?? []} columns={JOB_COLUMNS} id={(row) => row.name} />
      )}
    </>
  );
}
