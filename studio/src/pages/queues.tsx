/** Messages that the host's queues have put aside, and having them handled after all. */

import { useState } from "preact/hooks";
import { call, change } from "../host";
import { ago, number, t, time } from "../language";
import { Code, Copied } from "../parts/copied";
import { Ask } from "../parts/dialog";
import { May } from "../parts/may";
import { type Column, Table } from "../parts/table";
import { Empty, Stale } from "../parts/told";
import { usePolled } from "../polled";
import type { ListOf, Resource } from "../envelope";
import { ask, place } from "../router";
import { word } from "../yaml";

type Queue = Resource<{ deadLetters: number; isComplete: boolean }>;

type Letter = Resource<{
  messageId: string;
  reason: string;
  description: string | null;
  deliveryCount: number;
  enqueuedAt: string;
  deadLetteredAt: string | null;
  bodyBytes: number;
  body: unknown;
}>;

type Doing = { act: "replay" | "delete"; letter: Letter } | { act: "all" };

/** Every queue with how many it has put aside, and those of one of them. */
export function Queues() {
  const queues = usePolled<ListOf<Queue>>("queues", 10);
  const found = queues.value.value?.value ?? [];
  const wanted = place.value.query.get("queue");
  const chosen = found.find((each) => each.name === wanted) ?? found.find((each) => each.properties.deadLetters > 0) ?? found[0];
  const all = found.reduce((sum, each) => sum + each.properties.deadLetters, 0);
  return (
    <>
      <h1>{t("Dead letters")}</h1>
      <p class="quiet">
        {t("What the host could not handle after several tries is put aside by its queue. What it was about goes on without it where it can; mend what it failed by, then replay it.")}
      </p>
      <Stale fault={queues.value.fault} />
      {queues.value.value && !all && (
        <Empty title={t("No queue has put anything aside")}>
          <p>{t("Looked at: {names}.", { names: found.map((each) => each.name).join(", ") })}</p>
        </Empty>
      )}
      {chosen && all > 0 && (
        <>
          <label class="inline">
            {t("Queue")}
            <select value={chosen.name} onChange={(event) => ask("queue", event.currentTarget.value)}>
              {found.map((each) => (
                <option key={each.name} value={each.name}>
                  {`${each.name} (${number(each.properties.deadLetters)}${each.properties.isComplete ? "" : "+"})`}
                </option>
              ))}
            </select>
          </label>
          <Letters key={chosen.name} queue={chosen.name} again={() => queues.again()} />
        </>
      )}
    </>
  );
}

function Letters({ queue, again }: { queue: string; again(): void }) {
  const path = `queues/${encodeURIComponent(queue)}`;
  const seen = usePolled<ListOf<Letter>>(`${path}/deadLetters?$top=200`, 5);
  const [doing, setDoing] = useState<Doing | null>(null);
  const rows = seen.value.value?.value ?? [];
  const columns: readonly Column<Letter>[] = [
    { name: t("Number"), by: (row) => Number(row.name), show: (row) => row.name },
    { name: t("Reason"), by: (row) => row.properties.reason, show: (row) => <Why of={row} /> },
    { name: t("Tries"), right: true, by: (row) => row.properties.deliveryCount, show: (row) => number(row.properties.deliveryCount) },
    {
      name: t("Put aside"),
      by: (row) => row.properties.deadLetteredAt ?? row.properties.enqueuedAt,
      show: (row) => {
        const when = row.properties.deadLetteredAt ?? row.properties.enqueuedAt;
        return <span title={time(when)}>{ago(when)}</span>;
      },
    },
    {
      name: t("Do"),
      show: (row) => (
        <span class="row">
          <May act="queues/replay/action">
            <button type="button" class="plain" onClick={() => setDoing({ act: "replay", letter: row })}>
              {t("Replay")}
            </button>
          </May>
          <May act="queues/deadLetters/delete">
            <button type="button" class="plain" onClick={() => setDoing({ act: "delete", letter: row })}>
              {t("Delete")}
            </button>
          </May>
        </span>
      ),
    },
  ];
  return (
    <>
      <Stale fault={seen.value.fault} />
      {rows.length > 0 ? (
        <Table label={t("dead letters")} rows={rows} columns={columns} id={(row) => row.name}>
          <May act="queues/replay/action">
            <button type="button" onClick={() => setDoing({ act: "all" })}>
              {t("Replay all")}
            </button>
          </May>
        </Table>
      ) : (
        <p class="quiet">{t("This queue has put nothing aside.")}</p>
      )}
      {doing && (
        <Handle
          queue={queue}
          doing={doing}
          letters={rows}
          onClose={() => setDoing(null)}
          onDone={() => {
            seen.again();
            again();
          }}
        />
      )}
    </>
  );
}

function Why({ of }: { of: Letter }) {
  const { reason, description, body, bodyBytes, messageId } = of.properties;
  return (
    <details>
      <summary class="break">
        {reason} {description && <span class="quiet">{description.split("\n")[0]}</span>}
      </summary>
      <p class="quiet">
        <Copied text={messageId} label={t("id")} />
      </p>
      {body === null ? (
        <p class="quiet">{t("It has {n} bytes; mle dead-letter show has them.", { n: number(bodyBytes) })}</p>
      ) : (
        <Code label={t("Message")} text={typeof body === "string" ? body : JSON.stringify(body, null, 2)} />
      )}
    </details>
  );
}

interface HandleProps {
  queue: string;
  doing: Doing;
  letters: readonly Letter[];
  onClose(): void;
  onDone(): void;
}

function Handle({ queue, doing, letters, onClose, onDone }: HandleProps) {
  const path = `queues/${encodeURIComponent(queue)}`;
  const isDelete = doing.act === "delete";
  const name = doing.act === "all" ? null : doing.letter.name;
  const which = name ? `-n ${name}` : "--all";
  return (
    <Ask
      title={isDelete ? t("Delete message {name}?", { name: name ?? "" }) : name ? t("Replay message {name}?", { name }) : t("Replay all messages?")}
      act={isDelete ? t("Delete") : t("Replay")}
      danger={isDelete}
      command={isDelete ? `mle dead-letter delete --queue ${word(queue)} -n ${name} --yes` : `mle dead-letter replay --queue ${word(queue)} ${which}`}
      onClose={onClose}
      onAct={async (told) => {
        if (isDelete) await change("DELETE", `${path}/deadLetters/${name}`, undefined, told);
        else await call("POST", `${path}/replay`, { names: name ? [name] : letters.map((each) => each.name) });
        onDone();
      }}
    >
      <p>
        {isDelete
          ? t("It is gone for good; nothing that it asked for is done.")
          : t("It is delivered once more, and put aside again if it still can't be handled.")}
      </p>
    </Ask>
  );
}
