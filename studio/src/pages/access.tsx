import { ago, t } from "../language";
import { type Column, Table } from "../parts/table";
import { Stale } from "../parts/told";
import { usePolled } from "../polled";
import type { ListOf, Resource } from "../resources";

type Client = Resource<{ clientId?: string; role?: string }>;

interface Act {
  id?: string;
  eventTimestamp: string;
  caller?: string;
  claims?: Record<string, string>;
  operationName?: { value: string } | string;
  resourceId?: string;
  status?: { value: string } | string;
  httpRequest?: { clientIpAddress?: string };
}

const CLIENTS: readonly Column<Client>[] = [
  { name: t("Client"), by: (row) => row.name, show: (row) => row.name },
  { name: t("Roles"), by: (row) => row.properties.role, show: (row) => row.properties.role ?? "" },
  { name: t("Id"), by: (row) => row.properties.clientId, show: (row) => <code>{row.properties.clientId ?? row.name}</code> },
];

const ACTS: readonly Column<Act>[] = [
  { name: t("When"), by: (row) => row.eventTimestamp, show: (row) => ago(row.eventTimestamp) },
  { name: t("Who"), by: (row) => row.caller, show: (row) => row.caller ?? "" },
  { name: t("What"), by: (row) => word(row.operationName), show: (row) => word(row.operationName) },
  {
    name: t("Where"),
    by: (row) => row.resourceId,
    show: (row) => <span class="break">{row.resourceId?.split("/workspaces/")[1]?.split("/").slice(1).join("/") ?? row.resourceId ?? ""}</span>,
  },
  { name: t("Result"), by: (row) => word(row.status), show: (row) => word(row.status) },
  { name: t("From"), by: (row) => row.httpRequest?.clientIpAddress, show: (row) => row.httpRequest?.clientIpAddress ?? "" },
];

export function Access() {
  const clients = usePolled<ListOf<Client>>("clients", 20);
  const acts = usePolled<ListOf<Act>>("providers/Microsoft.Insights/eventtypes/management/values?$top=200", 10);
  return (
    <>
      <h1>{t("Who may do what")}</h1>
      <Stale fault={clients.value.fault} />
      {clients.value.value && <Table label={t("clients")} rows={clients.value.value.value} columns={CLIENTS} id={(row) => row.name} />}
      <h1>{t("What was done")}</h1>
      <Stale fault={acts.value.fault} />
      {acts.value.value && (
        <Table
          label={t("acts")}
          rows={acts.value.value.value}
          columns={ACTS}
          id={(row) => `${row.id ?? ""}${row.eventTimestamp}${row.resourceId ?? ""}`}
        />
      )}
    </>
  );
}

function word(value: { value: string } | string | undefined): string {
  return typeof value === "string" ? value : (value?.value ?? "");
}
