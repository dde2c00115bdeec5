import { number, t, time } from "../../language";
import { type Column, Table } from "../../parts/table";
import { Empty, Stale } from "../../parts/told";
import { usePolled } from "../../polled";
import type { ListOf } from "../../envelope";
import { ask, place, to } from "../../router";

/** A request, with the columns of Azure Monitor's AmlOnlineEndpointTrafficLog. */
type Kept = Readonly<Record<string, string | number | null>>;

const STATUSES: readonly (readonly [string, string])[] = [
  ["", "any"],
  ["2xx", "answered"],
  ["4xx,5xx", "refused or failed"],
  ["429", "too many at once"],
  ["424", "failed by the model"],
  ["5xx", "failed here"],
];

/** An endpoint's requests one by one, where they are kept. */
export function Requests({ path, deployments }: { path: string; deployments: readonly string[] }) {
  const asked = place.value.query;
  const [status, deployment, slow] = ["status", "of", "slow"].map((name) => asked.get(name) ?? "");
  const query = new URLSearchParams({ $top: "200" });
  if (status) query.set("status", status);
  if (deployment) query.set("deployment", deployment);
  if (slow) query.set("minDurationMs", slow);
  const seen = usePolled<ListOf<Kept>>(`${path}/trafficLog?${query.toString()}`, 4);
  const rows = seen.value.value?.value ?? [];
  const endpoint = decodeURIComponent(path.split("/")[1] ?? "");
  return (
    <>
      <div class="row">
        <Chosen label={t("Status")} value={status ?? ""} options={STATUSES} onChange={(next) => ask("status", next)} />
        <Chosen
          label={t("Deployment")}
          value={deployment ?? ""}
          options={[["", "any"], ...deployments.map((name): [string, string] => [name, name])]}
          onChange={(next) => ask("of", next)}
        />
        <label class="inline">
          {t("Slower than, in ms")}
          <input type="number" min={0} value={slow} onChange={(event) => ask("slow", event.currentTarget.value)} />
        </label>
      </div>
      <Stale fault={seen.value.fault} />
      {seen.value.value && !rows.length && <Empty title={t("No such request yet")} />}
      {rows.length > 0 && <Table label={t("requests")} rows={rows} columns={columns(endpoint)} id={(row) => `${row["XRequestId"]}${row["RequestStartTime"] ?? row["TimeGenerated"]}`} />}
    </>
  );
}

function columns(endpoint: string): readonly Column<Kept>[] {
  const when = (row: Kept): string => String(row["TimeGenerated"] ?? "");
  return [
    { name: t("When"), by: when, show: (row) => time(when(row)) },
    {
      name: t("Deployment"),
      by: (row) => row["DeploymentName"],
      show: (row) => {
        const name = String(row["DeploymentName"] ?? "");
        return name ? <a href={`${to("online", endpoint, name)}?tab=logs`}>{name}</a> : "–";
      },
    },
    { name: t("Status"), by: (row) => row["ResponseCode"], show: (row) => `${row["ResponseCode"] ?? ""} ${row["ResponseCodeReason"] ?? ""}` },
    { name: t("Took"), right: true, by: (row) => row["TotalDurationMs"], show: (row) => `${number(Number(row["TotalDurationMs"]))} ms` },
    { name: t("Caller"), by: (row) => row["Caller"], show: (row) => String(row["Caller"] ?? "") },
    { name: t("Request"), by: (row) => row["XRequestId"], show: (row) => <Told endpoint={endpoint} row={row} /> },
  ];
}

/** Its id, which leads to what was printed while it was answered. */
function Told({ endpoint, row }: { endpoint: string; row: Kept }) {
  const [name, request] = [String(row["DeploymentName"] ?? ""), String(row["XRequestId"] ?? "")];
  if (!name || !request) return <code class="break">{request}</code>;
  return (
    <a class="break" href={`${to("online", endpoint, name)}?tab=logs&request=${encodeURIComponent(request)}`}>
      <code>{request}</code>
    </a>
  );
}

function Chosen(props: { label: string; value: string; options: readonly (readonly [string, string])[]; onChange(value: string): void }) {
  return (
    <label class="inline">
      {props.label}
      <select value={props.value} onChange={(event) => props.onChange(event.currentTarget.value)}>
        {props.options.map(([value, name]) => (
          <option key={value} value={value}>
            {t(name)}
          </option>
        ))}
      </select>
    </label>
  );
}
