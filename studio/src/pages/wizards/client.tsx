import { useState } from "preact/hooks";
import { call } from "../../host";
import { t, time } from "../../language";
import { Copied } from "../../parts/copied";
import { Ask } from "../../parts/dialog";
import { Choice, Input, useForm } from "../../parts/form";

interface Props {
  /** Of whom; "" for somebody new. */
  name: string;
  role: string;
  onClose(): void;
  onDone(): void;
}

/** A link, told this once. */
export interface Made {
  /** Of whom. */
  name: string;
  link: string;
  expiresAt: string;
}

const EXPIRES: Readonly<Record<string, string>> = { PT1H: "an hour", P1D: "a day", P7D: "a week" };
const SESSIONS: Readonly<Record<string, string>> = { PT12H: "12 hours", P7D: "a week", P30D: "30 days" };
const MLE: Readonly<Record<string, string>> = { PT1H: "1h", PT12H: "12h", P1D: "1d", P7D: "7d", P30D: "30d" };

/** Somebody is given a role, and a link that signs him in to the studio, once. */
export function Invite({ name, role, onClose, onDone, onMade }: Props & { onMade(made: Made): void }) {
  const [form, set] = useForm({ name, role: role || "reader", expires: "P1D", session: "P7D" });
  const commands = [
    ...(name ? [] : [`mle client set --name ${form.name || "NAME"} --role ${form.role}`]),
    `mle client link --name ${form.name || "NAME"} --expires-in ${MLE[form.expires]} --session ${MLE[form.session]}`,
  ];
  return (
    <Ask
      title={name ? t("A sign-in link for {name}", { name }) : t("Invite somebody")}
      act={t("Make the link")}
      command={commands.join("\n")}
      onClose={onClose}
      onAct={async () => {
        const at = `clients/${encodeURIComponent(form.name)}`;
        if (!name) {
          // Not over somebody who is there: he would have another role by a slip of the pen.
          await call("PUT", at, { properties: { role: form.role } }, { "If-None-Match": "*" });
          onDone();
        }
        const properties = { expiresIn: form.expires, sessionLength: form.session };
        const answer = await call<{ properties: Made }>("POST", `${at}/createSignInLink`, { properties });
        onMade({ ...answer.body.properties, name: form.name });
      }}
    >
      {!name && (
        <>
          <Input label={t("Name")} required autofocus value={form.name} target="name" onChange={(value) => set({ name: value })} />
          <Input
            label={t("Role")}
            required
            value={form.role}
            target="properties.role"
            hint={t("reader, contributor, scorer or owner; for a part alone, such as scorer/onlineEndpoints/iris")}
            onChange={(value) => set({ role: value })}
          />
        </>
      )}
      <Choice label={t("The link may wait for")} value={form.expires} options={options(EXPIRES)} onChange={(expires) => set({ expires })} />
      <Choice label={t("It signs in for")} value={form.session} options={options(SESSIONS)} onChange={(session) => set({ session })} />
    </Ask>
  );
}

function options(texts: Readonly<Record<string, string>>) {
  return Object.entries(texts).map(([value, name]) => ({ value, name: t(name) }));
}

export function Handed({ made, onClose }: { made: Made; onClose(): void }) {
  const { name } = made;
  return (
    <Ask title={t("Hand this to {name}", { name })} act={t("Done")} onClose={onClose} onAct={async () => undefined}>
      <p>
        <Copied label={t("the link")} text={made.link} />
      </p>
      <p>{t("Whoever opens it first is signed in as {name}; after that it is good for nothing. It is told this once, and waits until {at}.", { name, at: time(made.expiresAt) })}</p>
    </Ask>
  );
}

/** Another role for somebody. */
export function ChangeRole({ name, role, onClose, onDone }: Props) {
  const [wanted, setWanted] = useState(role);
  return (
    <Ask
      title={t("The role of {name}", { name })}
      act={t("Change")}
      command={`mle client set --name ${name} --role ${wanted}`}
      onClose={onClose}
      onAct={async () => {
        await call("PATCH", `clients/${encodeURIComponent(name)}`, { properties: { role: wanted } });
        onDone();
      }}
    >
      <Input label={t("Role")} required autofocus value={wanted} target="properties.role" onChange={setWanted} />
      <p>{t("What {name} has now ends within two seconds: tokens, links and who is signed in by one.", { name })}</p>
    </Ask>
  );
}
