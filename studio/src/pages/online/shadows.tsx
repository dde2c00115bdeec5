import { number, t } from "../../language";
import { usePolled } from "../../polled";
import type { ShadowReport as Report, ShadowReports } from "../../api";

/** How the mirror's answers compare with those that callers got. */
export function Shadows({ path, mirrored }: { path: string; mirrored: boolean }) {
  const seen = usePolled<ShadowReports>(`${path}/shadowReports`, mirrored ? 5 : 30);
  const reports = seen.value.value?.value ?? [];
  if (!reports.length) {
    return mirrored ? <p class="quiet">{t("Copies of requests go to the mirror; none has been compared yet.")}</p> : null;
  }
  return (
    <>
      {reports.map((report) => (
        <Compared key={`${report.live.deployment}/${report.mirror.deployment}`} report={report} />
      ))}
    </>
  );
}

function Compared({ report }: { report: Report }) {
  const { live, mirror } = report;
  const lost = Object.entries(report.lost).filter(([, count]) => count > 0);
  const rows: readonly (readonly [string, number | null, number | null, string])[] = [
    [t("Errors"), live.errorRate * 100, mirror.errorRate * 100, "%"],
    [t("Median"), live.latencyMs?.p50 ?? null, mirror.latencyMs?.p50 ?? null, "ms"],
    [t("95th percentile"), live.latencyMs?.p95 ?? null, mirror.latencyMs?.p95 ?? null, "ms"],
    [t("99th percentile"), live.latencyMs?.p99 ?? null, mirror.latencyMs?.p99 ?? null, "ms"],
  ];
  return (
    <section class="card" aria-label={t("Shadow comparison")}>
      <h2>{t("{mirror} in the shadow of {live}", { mirror: mirror.deployment, live: live.deployment })}</h2>
      <p class="row">
        <meter min={0} max={1} low={0.9} high={0.99} optimum={1} value={report.agreement ?? 0} aria-label={t("Agreement")} />
        <strong>
          {report.agreement === null ? t("nothing compared yet") : t("{share} % of the answers agree", { share: number(report.agreement * 100) })}
        </strong>
        <span class="quiet">
          {t("{agreed} of {compared} compared, {mirrored} mirrored", {
            agreed: number(report.agreed),
            compared: number(report.compared),
            mirrored: number(report.mirrored),
          })}
        </span>
      </p>
      <div class="scroll" tabIndex={0} role="region" aria-label={t("Figures of both")}>
        <table>
          <thead>
            <tr>
              <th scope="col">{t("Figure")}</th>
              <th scope="col" class="right">
                {live.deployment}
              </th>
              <th scope="col" class="right">
                {mirror.deployment}
              </th>
              <th scope="col" class="right">
                {t("Difference")}
              </th>
            </tr>
          </thead>
          <tbody>
            {rows.map(([name, one, other, unit]) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                <td class="right">{shown(one, unit)}</td>
                <td class="right">{shown(other, unit)}</td>
                <td class={one !== null && other !== null && other > one ? "right bad" : "right"}>
                  {one === null || other === null ? "–" : `${other > one ? "+" : ""}${shown(other - one, unit)}`}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {lost.length > 0 && (
        <p class="quiet">{t("Not compared: {lost}.", { lost: lost.map(([why, count]) => `${why} ${number(count)}`).join(", ") })}</p>
      )}
    </section>
  );
}

function shown(value: number | null, unit: string): string {
  return value === null ? "–" : `${number(value)} ${unit}`;
}
