import { lasted, number, t } from "../../language";
import { money } from "../../parts/estimate";
import { usePolled } from "../../polled";
import type { Job } from "../../api";
import type { ListOf, Resource } from "../../envelope";

interface Priced {
  properties: { currency: string; perHour: number | null; prices: { isSample: boolean } };
}

type Cluster = Resource<{ properties?: { vmSize?: string } }>;

interface Told {
  resources?: { instanceCount?: number } | null;
}

const LOOKED_AT = 5;

/** By how the endpoint's last jobs went: how long so many files take on so many instances, and what
 * that costs on that compute, where there is a price. */
export function JobEstimate(props: { endpoint: string; deployment: string; files: number | null; instances: number; compute: string }) {
  const { endpoint, deployment, files, instances, compute } = props;
  const jobs = usePolled<ListOf<Job>>(`batchEndpoints/${encodeURIComponent(endpoint)}/jobs?status=Completed&$top=50`, 60);
  const cluster = usePolled<Cluster>(`computes/${encodeURIComponent(compute)}`, 600);
  const size = cluster.value.value?.properties.properties?.vmSize;
  const query = new URLSearchParams({ instanceType: size ?? "", instanceCount: String(Math.max(1, instances)) });
  const priced = usePolled<Priced>(size ? `costEstimate?${query.toString()}` : null, 600);
  const done = [...(jobs.value.value?.value ?? [])]
    .filter((each) => (!deployment || each.properties.deploymentName === deployment) && each.properties.startTime && each.properties.endTime)
    .sort((one, other) => (other.properties.endTime ?? "").localeCompare(one.properties.endTime ?? ""))
    .slice(0, LOOKED_AT);
  const [scored, worked] = done.reduce(
    ([all, time], each) => {
      const took = new Date(each.properties.endTime ?? 0).getTime() - new Date(each.properties.startTime ?? 0).getTime();
      const had = (each.properties.settings as Told).resources?.instanceCount ?? 1;
      return [all + (each.properties.progress?.totalFiles ?? 0), time + (took / 1000) * had];
    },
    [0, 0],
  );
  if (!jobs.value.value) return null;
  if (!scored || !worked) {
    return <p class="quiet">{t("How long it takes is not known yet: it is reckoned from jobs that have completed.")}</p>;
  }
  const each = worked / scored;
  const perHour = priced.value.value?.properties.perHour ?? null;
  const currency = priced.value.value?.properties.currency ?? "USD";
  const sample = priced.value.value?.properties.prices.isSample ? ` (${t("by the sample's prices, not yours")})` : "";
  const by = t("By its last jobs that completed ({n})", { n: done.length });
  if (files === null) {
    const rate = number((instances * 60) / each);
    const thousand = perHour === null ? "" : `, ${t("and {cost} for 1,000 files", { cost: money((perHour * each * 1000) / 3600 / Math.max(1, instances), currency) })}${sample}`;
    return (
      <p class="quiet" role="status">
        {by}: {t("{rate} files a minute", { rate })}
        {thousand}.
      </p>
    );
  }
  const seconds = (files * each) / Math.max(1, instances);
  const cost = perHour === null ? "" : `, ${t("and {cost}", { cost: money((perHour * seconds) / 3600, currency) })}${sample}`;
  return (
    <p class="quiet" role="status">
      {by}: {t("{files} files take about {time}", { files: number(files), time: lasted(new Date(0).toISOString(), new Date(seconds * 1000).toISOString()) })}
      {cost}.
    </p>
  );
}
