/** What there is to see and do of an asset beyond its fields. */

import { call, change, Refusal } from "../host";
import { ago, t, time } from "../language";
import { Act } from "../parts/act";
import { Code } from "../parts/copied";
import { Ask } from "../parts/dialog";
import { State } from "../parts/state";
import { type Column, Table } from "../parts/table";
import { Told } from "../parts/told";
import { usePolled } from "../polled";
import type { Resource } from "../envelope";
import { go, to } from "../router";
import { word } from "../yaml";
import { Mapping, Subscription } from "./events";

type Any = Resource<Record<string, unknown>>;

export interface Props {
  path: string;
  of: Any;
  again(): void;
}

const OF: Readonly<Record<string, (props: Props) => preact.JSX.Element>> = {
  schedules: Schedule,
  eventSubscriptions: Subscription,
  eventMappings: Mapping,
  environments: Build,
};

/** Of which the part below says all that a reader wants. */
export const TOLD_BELOW: ReadonlySet<string> = new Set(["schedules", "eventSubscriptions", "eventMappings"]);

/** By the collection that it is of. */
export function Particulars({ kind, ...props }: Props & { kind: string }) {
  const Part = OF[kind];
  return Part ? <Part {...props} /> : null;
}

interface Run {
  triggerTime: string;
  status: string;
  jobName: string | null;
  error: string | null;
}

const RUNS: readonly Column<Run>[] = [
  { name: t("Due"), by: (row) => row.triggerTime, show: (row) => time(row.triggerTime) },
  { name: t("Status"), by: (row) => row.status, show: (row) => <State of={row.status} /> },
  { name: t("Job"), by: (row) => row.jobName, show: (row) => (row.jobName ? <a href={to("jobs", row.jobName)}>{row.jobName}</a> : "–") },
  { name: t("Why not"), by: (row) => row.error, show: (row) => <span class="break">{row.error ?? ""}</span> },
];

function Schedule({ path, of, again }: Props) {
  const properties = of.properties as {
    isEnabled: boolean;
    nextTriggerTime: string | null;
    lastRuns?: Run[];
    trigger: { expression?: string; timeZone?: string };
    action: { endpointInvocationDefinition?: { endpointName: string } };
  };
  const endpoint = properties.action.endpointInvocationDefinition?.endpointName;
  return (
    <section class="card">
      <div class="row">
        <State of={properties.isEnabled ? "Enabled" : "Disabled"} />
        <span class="grow" />
        <Act
          primary
          may="schedules/trigger/action"
          at={path}
          label={t("Run it now")}
          command={`mle schedule trigger -n ${word(of.name)}`}
          act={async () => {
            const begun = await call<{ submissionId: string }>("POST", `${path}/trigger`, {});
            go(to("jobs", begun.body.submissionId));
          }}
        />
        <Act
          may="schedules/write"
          at={path}
          label={properties.isEnabled ? t("Switch it off") : t("Switch it on")}
          command={`mle schedule ${properties.isEnabled ? "disable" : "enable"} -n ${word(of.name)}`}
          act={async () => {
            await change("PATCH", path, { properties: { isEnabled: !properties.isEnabled } });
            again();
          }}
        />
      </div>
      <dl>
        <dt>{t("When")}</dt>
        <dd>
          <code>{properties.trigger.expression}</code> {properties.trigger.timeZone}
        </dd>
        <dt>{t("Next")}</dt>
        <dd>{properties.nextTriggerTime ? `${time(properties.nextTriggerTime)} (${ago(properties.nextTriggerTime)})` : "–"}</dd>
        {endpoint && (
          <>
            <dt>{t("Invokes")}</dt>
            <dd>
              <a href={to("batch", endpoint)}>{endpoint}</a>
            </dd>
          </>
        )}
      </dl>
      {properties.lastRuns && properties.lastRuns.length > 0 ? (
        <Table label={t("runs")} rows={properties.lastRuns} columns={RUNS} id={(row) => row.triggerTime} />
      ) : (
        <p class="quiet">{t("It has not run yet.")}</p>
      )}
    </section>
  );
}

/** What building it came to, where it was built. */
function Build({ path }: Props) {
  const seen = usePolled<Resource<{ log?: string; lock?: string; image?: string | null }>>(`${path}/build`, 5);
  const built = seen.value.value?.properties;
  return (
    <section class="card">
      <h2>{t("Build")}</h2>
      {built?.image && <p class="break">{built.image}</p>}
      {built?.lock && (
        <details>
          <summary>{t("Packages")}</summary>
          <pre tabIndex={0}>{built.lock}</pre>
        </details>
      )}
      {built?.log ? (
        <pre tabIndex={0} aria-label={t("Log")}>
          {built.log}
        </pre>
      ) : (
        <p class="quiet">{t("It has not been built yet: that is done for the first deployment that runs in it.")}</p>
      )}
      {seen.value.fault && !(seen.value.fault instanceof Refusal && seen.value.fault.status === 404) && <Told fault={seen.value.fault} />}
    </section>
  );
}

/** By collection, what `mle` calls those that it deletes. */
const NOUNS: Readonly<Record<string, string>> = { models: "model", computes: "compute", schedules: "schedule", connections: "connection", environments: "environment", data: "data", eventMappings: "event-mapping", eventSubscriptions: "event-subscription" };

/** Asks first; of a version says that it is one. */
export function DeleteAsset({ kind, name, path, version, onClose }: { kind: string; name: string; path: string; version: string | undefined; onClose(): void }) {
  const noun = NOUNS[kind];
  const which = version === undefined ? "" : ` -v ${word(version)}`;
  const command = noun ? `mle ${noun} delete -n ${word(name)}${which} --yes` : `mle rest DELETE ${path}`;
  return (
    <Ask
      title={version === undefined ? t("Delete {name}?", { name }) : t("Delete version {version} of {name}?", { name, version })}
      act={t("Delete")}
      danger
      command={command}
      tries={{ method: "DELETE", path }}
      onClose={onClose}
      onAct={async (told) => {
        await change("DELETE", path, undefined, told);
        go(to(kind));
      }}
    >
      <p>{t("What uses it keeps it: the host refuses this while anything does.")}</p>
    </Ask>
  );
}

export function Document({ of }: { of: Any }) {
  return (
    <details>
      <summary>{t("As the API has it")}</summary>
      <Code label="JSON" text={JSON.stringify(of, null, 2)} />
    </details>
  );
}
