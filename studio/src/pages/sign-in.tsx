import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { t } from "../language";
import { Told } from "../parts/told";
import { byLink, ended, link, refused, remember, settings, signIn } from "../session";

/** By an account of the issuer's, an owner's link, a client's id and secret, or `mle studio`. */
export function SignIn() {
  const at = settings.value;
  return (
    <main class="alone">
      <h1>ml-endpoints</h1>
      {refused.value && <Told fault={new Error(refused.value)} />}
      {ended.value && <p role="status">{t("Your session has ended. Sign in again, and you are back where you were.")}</p>}
      {link.value ? (
        <ByLink />
      ) : (
        <>
          {at?.signInLink && (
            <p>
              {/* Not a page of the studio: the host leads from there to the issuer. */}
              <a class="button primary" target="_self" href={at.signInLink} onClick={remember}>
                {t("Sign in with your account")}
              </a>
            </p>
          )}
          {at?.signIn === "code" ? (
            <>
              <p>{t("This session has ended, or its one-time code was used already.")}</p>
              <p>
                {t("Run this again:")} <code>mle studio</code>
              </p>
            </>
          ) : at?.tokenPath ? (
            <ByClient />
          ) : (
            !at?.signInLink && (
              <p>
                {t("Tokens come from elsewhere here; on your own machine this signs you in:")} <code>mle studio</code>
              </p>
            )
          )}
        </>
      )}
    </main>
  );
}

/** The link is used up by whoever presses the button, and by nothing that looks at it before. */
function ByLink() {
  return (
    <Signing act={t("Sign in")} onSignIn={byLink}>
      <p>{t("This link signs you in here, once. An owner of this host made it for you.")}</p>
    </Signing>
  );
}

function ByClient() {
  return (
    <Signing act={t("Sign in")} onSignIn={(data) => signIn(String(data.get("client")), String(data.get("secret")))}>
      <label>
        {t("Client id")}
        <input name="client" required autocomplete="username" />
      </label>
      <label>
        {t("Client secret")}
        <input name="secret" type="password" required autocomplete="current-password" />
      </label>
      <p class="quiet">
        {t("An owner makes you a link that signs you in, on the page Access or by")} <code>mle client link</code>{" "}
        {t("or a client, by")} <code>mle client set</code>. {t("On the host's own machine, mle studio signs you in by itself.")}
      </p>
    </Signing>
  );
}

function Signing(props: { act: string; children: ComponentChildren; onSignIn(data: FormData): Promise<void> }) {
  const [fault, setFault] = useState<Error | null>(null);
  async function submit(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    const data = new FormData(event.currentTarget as HTMLFormElement);
    setFault(null);
    try {
      await props.onSignIn(data);
    } catch (error) {
      setFault(error instanceof Error ? error : new Error(String(error)));
    }
  }
  return (
    <form onSubmit={(event) => void submit(event)}>
      {props.children}
      <Told fault={fault} />
      <button type="submit" class="primary">
        {props.act}
      </button>
    </form>
  );
}
