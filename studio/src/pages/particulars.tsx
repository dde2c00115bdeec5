/** What there is to see and do of an asset beyond its fields. */

import { useState } from "preact/hooks";
import { call, change, Refusal } from "../host";
import { ago, number, t, time } from "../language";
import { Code, Copied } from "../parts/copied";
import { Ask } from "../parts/dialog";
import { Keys } from "../parts/keys";
import { State } from "../parts/state";
import { type Column, Table } from "../parts/table";
import { Stale, Told } from "../parts/told";
import { usePolled } from "../polled";
import type { ListOf, Resource } from "../resources";
import { go, to } from "../router";
import { word } from "../yaml";

type Any = Resource<Record<string, unknown>>;

interface Props {
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

/** A button that does something at once, and tells why it was not done. */
function Act({ label, act, primary = false }: { label: string; act(): Promise<void>; primary?: boolean }) {
  const [fault, setFault] = useState<Error | null>(null);
  const [busy, setBusy] = useState(false);
  async function run(): Promise<void> {
    setFault(null);
    setBusy(true);
    try {
      await act();
    } catch (error) {
      setFault(error instanceof Error ? error : new Error(String(error)));
    } finally {
      setBusy(false);
    }
  }
  return (
    <>
      <button type="button" class={primary ? "primary" : ""} disabled={busy} onClick={() => void run()}>
        {label}
      </button>
      <Told fault={fault} />
    </>
  );
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
          label={t("Run it now")}
          act={async () => {
            const begun = await call<{ submissionId: string }>("POST", `${path}/trigger`, {});
            go(to("jobs", begun.body.submissionId));
          }}
        />
        <Act
          label={properties.isEnabled ? t("Switch it off") : t("Switch it on")}
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

interface Letter {
  event: { id: string; type: string; subject?: string };
  reason: string;
  attempts: number;
  lastFault?: string | null;
}

function Subscription({ path, of, again }: Props) {
  const letters = usePolled<ListOf<Letter>>(`${path}/deadLetters`, 5);
  const properties = of.properties as {
    state: string;
    reason: string | null;
    destination: { endpointType: string; properties: { endpointUrl?: string; entityName?: string } };
    deliveries?: Record<string, number | string | null>;
  };
  const found = letters.value.value?.value ?? [];
  const redeliver = async (body: unknown): Promise<void> => {
    await call("POST", `${path}/redeliver`, body);
    letters.again();
    again();
  };
  const columns: readonly Column<Letter>[] = [
    { name: t("Event"), by: (row) => row.event.type, show: (row) => <span class="break">{row.event.type}</span> },
    { name: t("About"), by: (row) => row.event.subject, show: (row) => <span class="break">{row.event.subject ?? ""}</span> },
    { name: t("Why"), by: (row) => row.reason, show: (row) => <span class="break">{row.lastFault ?? row.reason}</span> },
    { name: t("Tries"), by: (row) => row.attempts, right: true, show: (row) => number(row.attempts) },
    { name: t("Again"), show: (row) => <Act label={t("Deliver it")} act={() => redeliver({ eventId: row.event.id })} /> },
  ];
  return (
    <section class="card">
      <div class="row">
        <State of={properties.state} />
        <span class="break">{properties.destination.properties.endpointUrl ?? properties.destination.properties.entityName}</span>
        <span class="grow" />
        {properties.state !== "Active" && (
          <Act
            primary
            label={t("Ask it again")}
            act={async () => {
              await call("POST", `${path}/validate`, {});
              again();
            }}
          />
        )}
        {found.length > 0 && <Act label={t("Deliver all dead letters")} act={() => redeliver({})} />}
      </div>
      {properties.reason && <p class="told">{properties.reason}</p>}
      <dl>
        {Object.entries(properties.deliveries ?? {}).map(([name, value]) => (
          <>
            <dt key={name}>{name}</dt>
            <dd>{typeof value === "number" ? number(value) : (value ?? "–")}</dd>
          </>
        ))}
      </dl>
      <h2>{t("Dead letters")}</h2>
      {found.length ? (
        <Table label={t("dead letters")} rows={found} columns={columns} id={(row) => row.event.id} />
      ) : (
        <p class="quiet">{t("None: what could not be delivered would be kept here for a week.")}</p>
      )}
    </section>
  );
}

interface Taken {
  eventId: string;
  source: string;
  type: string;
  subject: string;
  status: string;
  job: string | null;
  error: { message: string } | null;
}

const TAKEN: readonly Column<Taken>[] = [
  { name: t("Event"), by: (row) => row.type, show: (row) => <span class="break">{row.type}</span> },
  { name: t("About"), by: (row) => row.subject, show: (row) => <span class="break">{row.subject}</span> },
  { name: t("Status"), by: (row) => row.status, show: (row) => <State of={row.status} /> },
  { name: t("Job"), by: (row) => row.job, show: (row) => (row.job ? <a href={to("jobs", row.job)}>{row.job}</a> : "–") },
  { name: t("Why not"), by: (row) => row.error?.message, show: (row) => <span class="break">{row.error?.message ?? ""}</span> },
];

/** Where events go that start jobs, and what became of those that came. */
function Mapping({ path, of }: Props) {
  const events = usePolled<ListOf<Taken>>(`${path}/events`, 5);
  const properties = of.properties as {
    eventsUri: string;
    endpointName: string;
    deploymentName?: string | null;
    filter?: { includedEventTypes?: string[] | null; subjectBeginsWith?: string | null; subjectEndsWith?: string | null };
    received?: Record<string, number>;
  };
  const { filter, received } = properties;
  const found = events.value.value?.value ?? [];
  return (
    <>
      <section class="card">
        <dl>
          <dt>{t("Events go to")}</dt>
          <dd>
            <Copied text={properties.eventsUri} label={t("Events go to")} />
          </dd>
          <Keys path={path} />
          <dt>{t("Invokes")}</dt>
          <dd>
            <a href={to("batch", properties.endpointName)}>{[properties.endpointName, properties.deploymentName].filter(Boolean).join("/")}</a>
          </dd>
          <dt>{t("Of the types")}</dt>
          <dd>{filter?.includedEventTypes?.join(", ") || t("all")}</dd>
          {(filter?.subjectBeginsWith || filter?.subjectEndsWith) && (
            <>
              <dt>{t("About")}</dt>
              <dd>
                <code>
                  {filter.subjectBeginsWith}…{filter.subjectEndsWith}
                </code>
              </dd>
            </>
          )}
          {Object.entries(received ?? {}).map(([name, count]) => (
            <>
              <dt key={name}>{name}</dt>
              <dd>{number(count)}</dd>
            </>
          ))}
        </dl>
      </section>
      <h2>{t("Events of the last week")}</h2>
      <Stale fault={events.value.fault} />
      {found.length ? (
        <Table label={t("events")} rows={found} columns={TAKEN} id={(row) => `${row.source}/${row.eventId}`} />
      ) : (
        <p class="quiet">{t("None has come.")}</p>
      )}
    </>
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
const NOUNS: Readonly<Record<string, string>> = { models: "model", computes: "compute", schedules: "schedule", connections: "connection" };

/** Asks first; of a version says that it is one. */
export function DeleteAsset({ kind, name, path, version, onClose }: { kind: string; name: string; path: string; version: string | undefined; onClose(): void }) {
  const noun = NOUNS[kind];
  const which = version === undefined ? "" : ` -v ${word(version)}`;
  const command = noun && `mle ${noun} delete -n ${word(name)}${which} --yes`;
  return (
    <Ask
      title={version === undefined ? t("Delete {name}?", { name }) : t("Delete version {version} of {name}?", { name, version })}
      act={t("Delete")}
      danger
      command={command}
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
