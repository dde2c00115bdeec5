/** What a deployment was before: who asked for what, what differs between two, and going back to one. */

import { useState } from "preact/hooks";
import { change } from "../host";
import { ago, t, time } from "../language";
import { Ask } from "../parts/dialog";
import { changed, Differences } from "../parts/differences";
import { May } from "../parts/may";
import { type Column, Table } from "../parts/table";
import { Stale } from "../parts/told";
import { usePolled } from "../polled";
import type { ListOf, Resource } from "../envelope";
import { ask, place } from "../router";
import { word } from "../yaml";

interface Revision extends Resource<Record<string, unknown>> {
  sku: { capacity: number } | null;
  isCurrent: boolean;
  hasSucceeded: boolean;
}

interface Props {
  /** Of the deployment, below the workspace. */
  path: string;
  endpoint: string;
  name: string;
  /** What is put again with a revision's settings. */
  now: { location?: string; kind?: string | null };
  again(): void;
}

/** Newest first, with what each changed; any two side by side. */
export function Revisions({ path, endpoint, name, now, again }: Props) {
  const seen = usePolled<ListOf<Revision>>(`${path}/revisions`, 10);
  const [back, setBack] = useState<Revision | null>(null);
  const all = seen.value.value?.value ?? [];
  const wanted = (which: string, otherwise: Revision | undefined): Revision | undefined =>
    all.find((each) => each.name === place.value.query.get(which)) ?? otherwise;
  const [one, other] = [wanted("one", all[1] ?? all[0]), wanted("other", all[0])];
  const older = (of: Revision): Revision | undefined => all[all.indexOf(of) + 1];
  const columns: readonly Column<Revision>[] = [
    {
      name: t("Revision"),
      by: (row) => Number(row.name),
      show: (row) => (
        <>
          {row.name} {row.isCurrent && <strong>{t("now")}</strong>}
        </>
      ),
    },
    {
      name: t("Since"),
      by: (row) => row.systemData?.createdAt,
      show: (row) => <span title={time(row.systemData?.createdAt)}>{ago(row.systemData?.createdAt)}</span>,
    },
    { name: t("By"), by: (row) => row.systemData?.createdBy, show: (row) => <span class="break">{row.systemData?.createdBy ?? ""}</span> },
    {
      name: t("What it changed"),
      by: (row) => what(row, older(row)),
      show: (row) => <span class="break">{what(row, older(row))}</span>,
    },
    {
      name: t("Do"),
      show: (row) =>
        row.isCurrent ? (
          ""
        ) : (
          <May act={`${path.split("/")[0]}/deployments/write`} at={path.split("/").slice(0, 2).join("/")}>
            <button type="button" class="plain" aria-label={t("Go back to revision {n}", { n: row.name })} onClick={() => setBack(row)}>
              {t("Go back to it")}
            </button>
          </May>
        ),
    },
  ];
  return (
    <>
      <Stale fault={seen.value.fault} />
      {all.length > 0 && <Table label={t("revisions")} rows={all} columns={columns} id={(row) => row.name} />}
      {all.length === 1 && <p class="quiet">{t("It has not been changed yet: each change stands here, with who asked for it, and can be taken back.")}</p>}
      {one && other && all.length > 1 && (
        <>
          <h2>{t("What differs")}</h2>
          <p class="row">
            <Chosen label={t("Between")} value={one.name} all={all} onChange={(next) => ask("one", next)} />
            <Chosen label={t("and")} value={other.name} all={all} onChange={(next) => ask("other", next)} />
          </p>
          <Differences one={{ name: t("revision {n}", { n: one.name }), of: asked(one) }} other={{ name: t("revision {n}", { n: other.name }), of: asked(other) }} />
        </>
      )}
      {back && <GoBack path={path} endpoint={endpoint} name={name} now={now} to={back} onClose={() => setBack(null)} onDone={() => (again(), seen.again())} />}
    </>
  );
}

function Chosen({ label, value, all, onChange }: { label: string; value: string; all: readonly Revision[]; onChange(value: string): void }) {
  return (
    <label class="inline">
      {label}
      <select value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        {all.map((each) => (
          <option key={each.name} value={each.name}>
            {`${each.name} (${time(each.systemData?.createdAt)})`}
          </option>
        ))}
      </select>
    </label>
  );
}

function asked(of: Revision): Record<string, unknown> {
  return { instances: of.sku?.capacity, ...of.properties, tags: of.tags ?? {} };
}

function what(of: Revision, older: Revision | undefined): string {
  return older ? changed(asked(older), asked(of)).join(", ") : t("the oldest that is kept");
}

interface GoBackProps extends Omit<Props, "again"> {
  to: Revision;
  onClose(): void;
  onDone(): void;
}

function GoBack({ path, endpoint, name, now, to, onClose, onDone }: GoBackProps) {
  const body = {
    ...now,
    tags: to.tags ?? {},
    ...(to.sku && { sku: to.sku }),
    properties: to.properties,
  };
  const kind = path.startsWith("batch") ? "batch" : "online";
  return (
    <Ask
      title={t("Go back to revision {n} of {name}?", { n: to.name, name })}
      act={t("Go back")}
      command={`mle ${kind}-deployment restore -e ${word(endpoint)} -n ${word(name)} --revision ${to.name}`}
      tries={{ method: "PUT", path, body }}
      onClose={onClose}
      onAct={async (told) => {
        await change("PUT", path, body, told);
        onDone();
      }}
    >
      <p>
        {kind === "online"
          ? t("It is made what it was then, as a new revision. Where instances are to run something else, new ones start beside those that serve, and take over once they answer.")
          : t("It is made what it was then, as a new revision; jobs that have begun go on as they are.")}
      </p>
    </Ask>
  );
}
