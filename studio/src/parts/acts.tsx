import { ago, t, time } from "../language";
import type { Act, Said } from "../api";
import type { ListOf } from "../envelope";
import { type Column, Table } from "./table";
import { Stale } from "./told";
import { usePolled } from "../polled";

const COLUMNS: readonly Column<Act>[] = [
  { name: t("When"), by: (row) => row.eventTimestamp, show: (row) => <span title={time(row.eventTimestamp)}>{ago(row.eventTimestamp)}</span> },
  { name: t("Who"), by: who, show: (row) => <span title={row.caller ?? ""}>{who(row)}</span> },
  { name: t("What"), by: what, show: what },
  { name: t("Where"), by: where, show: (row) => <span class="break">{where(row)}</span> },
  { name: t("Result"), by: (row) => word(row.status), show: (row) => `${word(row.status)} ${word(row.subStatus)}` },
  { name: t("From"), by: (row) => row.httpRequest.clientIpAddress, show: (row) => row.httpRequest.clientIpAddress ?? "" },
];

/** Who did what, newest first; of what is below `resource`, where one is named. */
export function Acts({ resource }: { resource?: string }) {
  const filter = resource ? `&$filter=${encodeURIComponent(`resourceUri eq '${resource}'`)}` : "";
  const acts = usePolled<ListOf<Act>>(`providers/Microsoft.Insights/eventtypes/management/values?$top=200${filter}`, 10);
  return (
    <>
      <Stale fault={acts.value.fault} />
      {acts.value.value && (
        <Table
          label={t("acts")}
          rows={acts.value.value.value}
          columns={COLUMNS}
          id={(row) => `${row.id ?? ""}${row.eventTimestamp}${row.resourceId ?? ""}`}
        />
      )}
    </>
  );
}

export function who(row: Act): string {
  return row.properties.client || row.caller || "";
}

/** Without what all of them begin with. */
export function what(row: Act): string {
  return word(row.operationName).replace(/^Microsoft\.MachineLearningServices\/workspaces\//, "");
}

export function where(row: Act): string {
  return row.resourceId?.split("/workspaces/")[1]?.split("/").slice(1).join("/") ?? row.resourceId ?? "";
}

function word(said: Said): string {
  return said.value;
}
