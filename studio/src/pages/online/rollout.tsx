import { ago, number, t, time } from "../../language";
import { State } from "../../parts/state";
import { type Step, Steps } from "../../parts/steps";
import { Traffic } from "../../parts/traffic";
import type { Observed, RolloutPlan, RolloutStatus } from "../../api";
import { secondsOf } from "../wizards/durations";

const WORDS: Readonly<Record<string, string>> = {
  errorRate: "a share of errors up to {value}",
  p95LatencyMs: "a 95th percentile up to {value} ms",
  relativeErrorRate: "errors up to {value} times the incumbent's",
  relativeP95Latency: "a 95th percentile up to {value} times the incumbent's",
  minimumRequests: "judged from {value} requests on",
};

/** A rollout's steps with what each was judged by, and why it is where it is. */
export function Rollout({ plan, status }: { plan: RolloutPlan | null; status: RolloutStatus }) {
  const limits = Object.entries(plan?.limits ?? {}).filter(([, value]) => value !== null);
  return (
    <section class="card" aria-label={t("Guarded rollout")}>
      <div class="row">
        <h2>{t("Guarded rollout")}</h2>
        <State of={status.state} />
        <span class="grow" />
        <span class="quiet">
          {status.endedAt ? t("ended {when}", { when: ago(status.endedAt) }) : t("began {when}", { when: ago(status.startedAt) })}
        </span>
      </div>
      {status.reason && <p class={status.state === "RolledBack" ? "told bad" : "told"}>{status.reason}</p>}
      <Steps label={t("Steps of the rollout")} steps={plan ? plan.steps.map((_, index) => step(plan, status, index)) : [alone(status)]} />
      <p class="quiet">
        {limits.length > 0 &&
          t("Its limits: {limits}.", {
            limits: limits.map(([name, value]) => t(WORDS[name] ?? `${name} {value}`, { value: number(value) })).join(", "),
          })}{" "}
        {t("Before it: {traffic}.", { traffic: shares(status.before) })}
      </p>
    </section>
  );
}

function step(plan: RolloutPlan, status: RolloutStatus, index: number): Step {
  const at = index + 1;
  const planned = plan.steps[index];
  const isOver = at < status.step || (at === status.step && status.state === "Completed");
  const seconds = Number(secondsOf(planned?.duration));
  const ends = new Date(new Date(status.stepSince).getTime() + seconds * 1000);
  let state: Step["state"] = "next";
  let words = t("for {n} s", { n: number(seconds) });
  if (isOver) {
    state = "done";
    words = t("kept its limits");
  } else if (at === status.step && status.state === "Running") {
    state = "active";
    words = ends > new Date() ? t("until {when}", { when: time(ends.toISOString()) }) : t("its time is over: it waits for requests");
  } else if (at === status.step) {
    state = status.state === "RolledBack" ? "failed" : "off";
    words = status.state === "RolledBack" ? t("went back here") : t("ended here");
  }
  return {
    name: t("Step {n}", { n: at }),
    state,
    words,
    detail: (
      <>
        <Traffic shares={{ ...none(status.before), ...planned?.traffic }} />
        <Judged status={status} step={at} />
      </>
    ),
  };
}

/** Where the plan is gone, the step that it was at. */
function alone(status: RolloutStatus): Step {
  return {
    name: t("Step {n}", { n: status.step }),
    state: status.state === "RolledBack" ? "failed" : status.state === "Running" ? "active" : "done",
    words: t("of {n}", { n: status.steps }),
    detail: <Traffic shares={status.traffic} />,
  };
}

function Judged({ status, step: at }: { status: RolloutStatus; step: number }) {
  const found = (status.compared ?? []).filter((each) => each.step === at);
  if (!found.length) return null;
  return (
    <ul class="plain">
      {found.map((each) => (
        <li key={each.deployment}>
          <strong>{each.deployment}</strong>: {figures(each.observed)}
          {each.incumbent && (
            <>
              {"; "}
              {t("beside it {names}: {figures}", {
                names: each.incumbent.deployments.join(", "),
                figures: figures(each.incumbent.observed),
              })}
            </>
          )}
          . <span class="quiet">{each.outcome}</span>
        </li>
      ))}
    </ul>
  );
}

function figures(of: Observed): string {
  const wait = of.p95LatencyMs === null ? "" : t(", p95 {ms} ms", { ms: number(of.p95LatencyMs) });
  return t("{requests} requests, {errors} errors", { requests: number(of.requests), errors: number(of.errors) }) + wait;
}

/** So that a deployment has the same colour in every step. */
function none(traffic: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.keys(traffic).map((name) => [name, 0]));
}

function shares(traffic: Readonly<Record<string, number>>): string {
  return Object.entries(traffic)
    .filter(([, share]) => share > 0)
    .map(([name, share]) => `${name} ${share} %`)
    .join(", ");
}
