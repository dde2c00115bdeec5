import { t } from "../../language";
import { Chart, type Line } from "../../parts/chart";
import { Stale } from "../../parts/told";
import { Happenings, useHappenings } from "../../parts/happenings";
import { secondsOf } from "../wizards/durations";
import { id } from "../../host";
import { usePolled } from "../../polled";
import { ask, place } from "../../router";

interface Metrics {
  value: {
    name: { value: string; localizedValue?: string };
    unit: string;
    timeseries: {
      metadatavalues: { name: { value: string }; value: string }[];
      data: { timeStamp: string; average?: number; total?: number; count?: number; maximum?: number }[];
    }[];
  }[];
}

const SPANS: readonly [string, string, string, number][] = [
  ["PT15M", "PT10S", "15 minutes", 5],
  ["PT1H", "PT1M", "An hour", 15],
  ["P1D", "PT15M", "A day", 60],
  ["P7D", "PT1H", "A week", 60],
];

const OF_ENDPOINT = ["RequestsPerMinute", "RequestFailures", "RequestLatency_P50", "RequestLatency_P95"];
const OF_DEPLOYMENT = [
  ...["RequestsPerMinute", "RequestLatency_P50", "RequestLatency_P95", "DeploymentCapacity"],
  ...["CpuUtilizationPercentage", "CpuMemoryUtilizationPercentage", "RequestsInProgress"],
];

/** An endpoint's figures over time, by deployment. */
export function Metrics({ path }: { path: string }) {
  return <Charts path={path} drawn={OF_ENDPOINT} filter="deployment eq '*'" />;
}

/** A deployment's figures over time. */
export function DeploymentMetrics({ path }: { path: string }) {
  return <Charts path={path} drawn={OF_DEPLOYMENT} />;
}

function Charts({ path, drawn, filter }: { path: string; drawn: readonly string[]; filter?: string }) {
  const wanted = place.value.query.get("span") ?? "PT1H";
  const [span, interval, , every] = SPANS.find(([each]) => each === wanted) ?? SPANS[1] ?? ["PT1H", "PT1M", "", 15];
  const query = new URLSearchParams({
    metricnames: drawn.join(","),
    timespan: span,
    interval,
    ...(filter && { $filter: filter }),
  });
  const seen = usePolled<Metrics>(`${path}/providers/Microsoft.Insights/metrics?${query.toString()}`, every);
  // To the minute, so that what happened stays the same from one drawing to the next.
  const begun = Math.floor(Date.now() / 60_000) * 60_000 - (Number(secondsOf(span)) || 7 * 86_400) * 1000;
  const marks = useHappenings(id(path).split("/").map(decodeURIComponent).join("/"), new Date(begun));
  return (
    <>
      <div class="row">
        <label class="inline">
          {t("The last")}
          <select value={span} onChange={(event) => ask("span", event.currentTarget.value)}>
            {SPANS.map(([each, , name]) => (
              <option key={each} value={each}>
                {t(name)}
              </option>
            ))}
          </select>
        </label>
      </div>
      <Stale fault={seen.value.fault} />
      <div class="charts">
        {seen.value.value?.value.map((metric) => {
          const times = metric.timeseries[0]?.data.map((point) => new Date(point.timeStamp).getTime() / 1000) ?? [];
          const lines: Line[] = metric.timeseries.map((series) => ({
            name: series.metadatavalues.map((each) => each.value).join(", ") || (filter ? t("no deployment") : (metric.name.localizedValue ?? metric.name.value)),
            values: series.data.map((point) => point.average ?? point.total ?? point.count ?? point.maximum ?? null),
          }));
          return lines.length ? (
            <Chart key={metric.name.value} title={metric.name.localizedValue ?? metric.name.value} unit={metric.unit} times={times} lines={lines} marks={marks} />
          ) : (
            <figure key={metric.name.value} class="chart">
              <figcaption>{metric.name.localizedValue ?? metric.name.value}</figcaption>
              <p class="quiet">{t("Nothing came in this time.")}</p>
            </figure>
          );
        })}
      </div>
      <Happenings of={marks} />
    </>
  );
}
