import { useState } from "preact/hooks";
import { call } from "../host";
import { ago, t, time } from "../language";
import { Act } from "../parts/act";
import { Acts } from "../parts/acts";
import { Ask } from "../parts/dialog";
import { May } from "../parts/may";
import { type Column, Table } from "../parts/table";
import { Stale } from "../parts/told";
import { usePolled } from "../polled";
import type { Client, SignInLink as Link } from "../api";
import type { ListOf } from "../envelope";
import { settings } from "../session";
import { ChangeRole, Handed, Invite, type Made } from "./wizards/client";

type Asked = { what: "invite" | "role" | "links" | "remove"; client: Client | null } | { what: "handed"; made: Made };

const ROLE = "clients/write";
const LINK = "clients/createSignInLink/action";

export function Access() {
  const clients = usePolled<ListOf<Client>>("clients", 20);
  const [asked, setAsked] = useState<Asked | null>(null);
  // A dialog that has ended in another leaves that open.
  const close = (what: Asked["what"]) => (): void => setAsked((now) => (now?.what === what ? null : now));
  const again = (): void => clients.again();
  const client = asked && asked.what !== "handed" ? asked.client : null;
  const name = client?.name ?? "";
  const role = client?.properties.role ?? "";
  // Where the issuer is another, people have accounts there; `mle studio` can't tell, and its host says so.
  const links = settings.value?.signIn !== "issuer";
  const columns: readonly Column<Client>[] = [
    { name: t("Client"), by: (row) => row.name, show: (row) => row.name },
    { name: t("Roles"), by: (row) => row.properties.role, show: (row) => row.properties.role ?? "" },
    { name: t("Id"), by: (row) => row.properties.clientId, show: (row) => <code>{row.properties.clientId ?? row.name}</code> },
    {
      name: t("Change"),
      show: (row) => (
        <span class="row">
          {links && (
            <May act={LINK}>
              <Button name={t("Sign-in link")} of={row} onClick={() => setAsked({ what: "invite", client: row })} />
              <Button name={t("Links")} of={row} onClick={() => setAsked({ what: "links", client: row })} />
            </May>
          )}
          <May act={ROLE}>
            <Button name={t("Role")} of={row} onClick={() => setAsked({ what: "role", client: row })} />
          </May>
          <May act="clients/delete">
            <Button name={t("Remove")} of={row} onClick={() => setAsked({ what: "remove", client: row })} />
          </May>
        </span>
      ),
    },
  ];
  return (
    <>
      <h1>{t("Who may do what")}</h1>
      <Stale fault={clients.value.fault} />
      {clients.value.value && (
        <Table label={t("clients")} rows={clients.value.value.value} columns={columns} id={(row) => row.name}>
          {links && (
            <May act={LINK}>
              <button type="button" class="primary" onClick={() => setAsked({ what: "invite", client: null })}>
                {t("Invite somebody")}
              </button>
            </May>
          )}
        </Table>
      )}
      <h1>{t("What was done")}</h1>
      <Acts />
      {asked?.what === "invite" && <Invite name={name} role={role} onClose={close("invite")} onDone={again} onMade={(made) => setAsked({ what: "handed", made })} />}
      {asked?.what === "handed" && <Handed made={asked.made} onClose={close("handed")} />}
      {asked?.what === "role" && <ChangeRole name={name} role={role} onClose={close("role")} onDone={again} />}
      {asked?.what === "links" && <Links name={name} onClose={close("links")} />}
      {asked?.what === "remove" && (
        <Ask
          title={t("Remove {name}?", { name })}
          act={t("Remove")}
          danger
          command={`mle client delete --name ${name}`}
          onClose={close("remove")}
          onAct={async () => {
            await call("DELETE", `clients/${encodeURIComponent(name)}`);
            again();
          }}
        >
          <p>{t("What {name} has ends within two seconds: the secret, tokens, links and who is signed in by one.", { name })}</p>
        </Ask>
      )}
    </>
  );
}

function Button({ name, of, onClick }: { name: string; of: Client; onClick(): void }) {
  return (
    <button type="button" class="plain" aria-label={`${name}: ${of.name}`} onClick={onClick}>
      {name}
    </button>
  );
}

/** The links of one client, and who is signed in by one. */
function Links({ name, onClose }: { name: string; onClose(): void }) {
  const at = `clients/${encodeURIComponent(name)}/signInLinks`;
  const links = usePolled<ListOf<Link>>(at, 5);
  const found = links.value.value?.value ?? [];
  return (
    <Ask
      title={t("Links of {name}", { name })}
      act={t("Done")}
      command={`mle client links --name ${name}`}
      onClose={onClose}
      onAct={async () => undefined}
    >
      <Stale fault={links.value.fault} />
      {links.value.value && found.length === 0 && <p>{t("There is none.")}</p>}
      <ul class="plain">
        {found.map((link) => (
          <li key={link.name} class="row">
            <span class="grow">{said(link)}</span>
            <Act
              label={t("Revoke")}
              may="clients/signInLinks/delete"
              command={`mle client unlink --name ${name} --link ${link.name}`}
              act={async () => {
                await call("DELETE", `${at}/${link.name}`);
                links.again();
              }}
            />
          </li>
        ))}
      </ul>
    </Ask>
  );
}

function said({ properties }: Link): string {
  const { state, expiresAt, usedAt, usedFrom, endsAt } = properties;
  if (state === "Open") return t("waits until {at}", { at: time(expiresAt) });
  if (state === "Ended") return t("is over");
  return t("signed in {when} from {where}, until {at}", { when: ago(usedAt), where: usedFrom ?? "?", at: time(endsAt) });
}
