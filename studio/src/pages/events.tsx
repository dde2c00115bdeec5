/** Events on their way out, by subscriptions, and in, by mappings. */

import { useState } from "preact/hooks";
import { call } from "../host";
import { number, t } from "../language";
import { Act } from "../parts/act";
import { Copied } from "../parts/copied";
import { Keys } from "../parts/keys";
import { State } from "../parts/state";
import { type Column, Table } from "../parts/table";
import { Stale } from "../parts/told";
import { usePolled } from "../polled";
import type { ListOf, Resource } from "../envelope";
import { to } from "../router";
import { May } from "../parts/may";
import { EventMapping, type MappingProperties } from "./wizards/event-mapping";
import { word } from "../yaml";
import type { Props } from "./particulars";

const REDELIVER = "eventSubscriptions/redeliver/action";

interface Letter {
  event: { id: string; type: string; subject?: string };
  reason: string;
  attempts: number;
  lastFault?: string | null;
}

/** How deliveries go, and what could not be delivered. */
export function Subscription({ path, of, again }: Props) {
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
  const redelivery = `mle event-subscription redeliver -n ${word(of.name)}`;
  const columns: readonly Column<Letter>[] = [
    { name: t("Event"), by: (row) => row.event.type, show: (row) => <span class="break">{row.event.type}</span> },
    { name: t("About"), by: (row) => row.event.subject, show: (row) => <span class="break">{row.event.subject ?? ""}</span> },
    { name: t("Why"), by: (row) => row.reason, show: (row) => <span class="break">{row.lastFault ?? row.reason}</span> },
    { name: t("Tries"), by: (row) => row.attempts, right: true, show: (row) => number(row.attempts) },
    { name: t("Again"), show: (row) => <Act may={REDELIVER} label={t("Deliver it")} command={`${redelivery} --event-id ${word(row.event.id)}`} act={() => redeliver({ eventId: row.event.id })} /> },
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
            may="eventSubscriptions/write"
            label={t("Ask it again")}
            command={`mle event-subscription validate -n ${word(of.name)}`}
            act={async () => {
              await call("POST", `${path}/validate`, {});
              again();
            }}
          />
        )}
        {found.length > 0 && <Act may={REDELIVER} label={t("Deliver all dead letters")} command={`${redelivery} --all`} act={() => redeliver({})} />}
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
export function Mapping({ path, of, again }: Props) {
  const [changes, setChanges] = useState(false);
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
      <May act="eventMappings/write">
        <p class="row">
          <button type="button" onClick={() => setChanges(true)}>
            {t("Change")}
          </button>
        </p>
      </May>
      {changes && <EventMapping mapping={of as unknown as Resource<MappingProperties>} onClose={() => setChanges(false)} onDone={again} />}
      <section class="card">
        <dl>
          <dt>{t("Events go to")}</dt>
          <dd>
            <Copied text={properties.eventsUri} label={t("Events go to")} />
          </dd>
          <Keys path={path} at="" command={(which) => `mle event-mapping regenerate-keys -n ${word(of.name)} --key-type ${which}`} />
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
