import { useState } from "preact/hooks";
import { t, time } from "../language";
import { May } from "../parts/may";
import { type Column, Table } from "../parts/table";
import { Empty, Stale } from "../parts/told";
import { usePolled } from "../polled";
import type { ListOf, Resource } from "../envelope";
import { go, to } from "../router";
import { word } from "../yaml";
import { DeleteAsset, Document, Particulars, TOLD_BELOW } from "./particulars";
import { Lineage } from "./lineage";
import { type AssetKind, NOUNS, RegisterAsset } from "./wizards/asset";
import { EventMapping } from "./wizards/event-mapping";
import { NewSchedule } from "./wizards/schedule";
import { NewSubscription } from "./wizards/subscription";

interface Kind {
  title: string;
  /** What one is for, where there is none yet. */
  about: string;
  versions: boolean;
}

/** By collection. */
export const ASSETS: Readonly<Record<string, Kind>> = {
  models: { title: "Models", about: "A model is files that a deployment serves: register some from this machine, or by mle model create.", versions: true },
  environments: { title: "Environments", about: "An environment is what a scoring script needs, by a conda file or an image.", versions: true },
  data: { title: "Data", about: "Data is what batch jobs read: files of this machine, or a place where they are.", versions: true },
  codes: { title: "Code", about: "Deployments made by mle register their code here.", versions: true },
  computes: { title: "Computes", about: "The local one is always there.", versions: false },
  schedules: { title: "Schedules", about: "A schedule invokes a batch endpoint by the clock.", versions: false },
  eventSubscriptions: { title: "Subscriptions", about: "A webhook, or a topic of Service Bus, is told what happens to endpoints, deployments and jobs.", versions: false },
  eventMappings: { title: "Event mappings", about: "An event mapping starts a batch job for each event of another system, such as Event Grid, that fits.", versions: false },
  connections: { title: "Connections", about: "mle connection create -f feed.yml opens an index of packages.", versions: false },
};

type Any = Resource<Record<string, unknown>>;

function columns(kind: string): readonly Column<Any>[] {
  return [
    { name: t("Name"), by: (row) => row.name, show: (row) => <a href={to(kind, row.name)}>{row.name}</a> },
    {
      name: t("Description"),
      by: (row) => text(row.properties["description"]),
      show: (row) => text(row.properties["description"]),
    },
    {
      name: ASSETS[kind]?.versions ? t("Latest version") : t("State"),
      by: (row) => text(row.properties["latestVersion"] ?? row.properties["provisioningState"] ?? row.properties["state"]),
      show: (row) => text(row.properties["latestVersion"] ?? row.properties["provisioningState"] ?? row.properties["state"]),
    },
    { name: t("Made"), by: (row) => row.systemData?.createdAt, show: (row) => time(row.systemData?.createdAt) },
  ];
}

/** What the button says that makes one. */
const NEW: Readonly<Record<string, string>> = {
  models: "Register a model",
  environments: "Register an environment",
  data: "Register data",
  codes: "Register code",
  schedules: "New schedule",
  eventSubscriptions: "New event subscription",
  eventMappings: "New event mapping",
};

/** Of which files, or a conda file, become a version. */
const VERSIONED: Readonly<Record<AssetKind, true>> = { models: true, environments: true, data: true, codes: true };

export function Assets({ kind }: { kind: string }) {
  const [making, setMaking] = useState(false);
  const seen = usePolled<ListOf<Any>>(kind, 10);
  const about = ASSETS[kind];
  if (!about) return null;
  return (
    <>
      <div class="row">
        <h1>{t(about.title)}</h1>
        <span class="grow" />
        {NEW[kind] && (
          <May act={right(kind, "write")}>
            <button type="button" class="primary" onClick={() => setMaking(true)}>
              {t(NEW[kind])}
            </button>
          </May>
        )}
      </div>
      <Stale fault={seen.value.fault} />
      {seen.value.value?.value.length === 0 ? (
        <Empty title={t("None yet")}>
          <p>{t(about.about)}</p>
        </Empty>
      ) : (
        <Table label={t(about.title)} rows={seen.value.value?.value ?? []} columns={columns(kind)} id={(row) => row.name} />
      )}
      {making && kind === "schedules" && <NewSchedule onClose={() => setMaking(false)} onDone={() => seen.again()} />}
      {making && kind === "eventSubscriptions" && <NewSubscription onClose={() => setMaking(false)} onDone={() => seen.again()} />}
      {making && kind === "eventMappings" && <EventMapping onClose={() => setMaking(false)} onDone={(name) => go(to(kind, name))} />}
      {making && kind in VERSIONED && (
        <RegisterAsset kind={kind as AssetKind} onClose={() => setMaking(false)} onDone={(name) => go(to(kind, name))} />
      )}
    </>
  );
}

export function Asset({ kind, name, version }: { kind: string; name: string; version: string | undefined }) {
  const about = ASSETS[kind];
  const [deletes, setDeletes] = useState(false);
  const path = `${kind}/${encodeURIComponent(name)}`;
  const versions = usePolled<ListOf<Any>>(about?.versions ? `${path}/versions` : null, 10);
  const chosen = version ?? versions.value.value?.value[0]?.name;
  const own = about?.versions ? (chosen ? `${path}/versions/${encodeURIComponent(chosen)}` : null) : path;
  const one = usePolled<Any>(own, 5);
  const found = one.value.value;
  return (
    <>
      <p>
        <a href={to(kind)}>{t(about?.title ?? kind)}</a>
      </p>
      <div class="row">
        <h1>{name}</h1>
        <span class="grow" />
        <May act={right(kind, "delete")}>
          <button type="button" disabled={!found} onClick={() => setDeletes(true)}>
            {t("Delete")}
          </button>
        </May>
      </div>
      <Stale fault={versions.value.fault ?? one.value.fault} />
      {about?.versions && (
        <nav class="row" aria-label={t("Versions")}>
          {versions.value.value?.value.map((each) => (
            <a key={each.name} href={to(kind, name, each.name)} aria-current={each.name === chosen ? "page" : undefined}>
              {each.name}
            </a>
          ))}
        </nav>
      )}
      {found && own && (
        <>
          {!TOLD_BELOW.has(kind) && (
          <section class="card">
            <dl>
              {Object.entries(found.properties)
                .filter(([, value]) => typeof value === "string" || typeof value === "number" || typeof value === "boolean")
                .map(([field, value]) => (
                  <>
                    <dt key={field}>{field}</dt>
                    <dd class={String(value).includes("\n") ? "lines" : ""}>{String(value)}</dd>
                  </>
                ))}
              <dt>{t("Made")}</dt>
              <dd>{time(found.systemData?.createdAt)}</dd>
            </dl>
          </section>
          )}
          <Particulars kind={kind} path={own} of={found} again={() => one.again()} />
          {about?.versions && chosen && <Lineage path={own} command={lineage(kind, name, chosen)} />}
          <Document of={found} />
        </>
      )}
      {deletes && own && (
        <DeleteAsset kind={kind} name={name} path={own} version={about?.versions ? chosen : undefined} onClose={() => setDeletes(false)} />
      )}
    </>
  );
}

function lineage(kind: string, name: string, version: string): string {
  return kind === "codes"
    ? `mle rest GET codes/${word(name)}/versions/${word(version)}/lineage`
    : `mle ${NOUNS[kind as AssetKind]} lineage -n ${word(name)} -v ${word(version)}`;
}

/** The action by which one is made or deleted: of assets, a version. */
function right(kind: string, what: string): string {
  return ASSETS[kind]?.versions ? `${kind}/versions/${what}` : `${kind}/${what}`;
}

function text(value: unknown): string {
  return value === null || value === undefined ? "" : String(value);
}
