import { t } from "../language";
import { Acts } from "../parts/acts";
import { type Column, Table } from "../parts/table";
import { Stale } from "../parts/told";
import { usePolled } from "../polled";
import type { ListOf, Resource } from "../resources";

type Client = Resource<{ clientId?: string; role?: string }>;

const CLIENTS: readonly Column<Client>[] = [
  { name: t("Client"), by: (row) => row.name, show: (row) => row.name },
  { name: t("Roles"), by: (row) => row.properties.role, show: (row) => row.properties.role ?? "" },
  { name: t("Id"), by: (row) => row.properties.clientId, show: (row) => <code>{row.properties.clientId ?? row.name}</code> },
];

export function Access() {
  const clients = usePolled<ListOf<Client>>("clients", 20);
  return (
    <>
      <h1>{t("Who may do what")}</h1>
      <Stale fault={clients.value.fault} />
      {clients.value.value && <Table label={t("clients")} rows={clients.value.value.value} columns={CLIENTS} id={(row) => row.name} />}
      <h1>{t("What was done")}</h1>
      <Acts />
    </>
  );
}
