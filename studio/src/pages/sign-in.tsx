import { useState } from "preact/hooks";
import { t } from "../language";
import { Told } from "../parts/told";
import { refused, settings, signIn } from "../session";

/** With a client's id and secret, or by `mle studio`. */
export function SignIn() {
  const [fault, setFault] = useState<Error | null>(null);
  async function submit(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    const data = new FormData(event.currentTarget as HTMLFormElement);
    setFault(null);
    try {
      await signIn(String(data.get("client")), String(data.get("secret")));
    } catch (error) {
      setFault(error instanceof Error ? error : new Error(String(error)));
    }
  }
  return (
    <main class="alone">
      <h1>ml-endpoints</h1>
      {refused.value && <Told fault={new Error(refused.value)} />}
      {settings.value?.signInLink && (
        <p>
          {/* Not a page of the studio: the host leads from there to the issuer. */}
          <a class="button primary" target="_self" href={settings.value.signInLink}>
            {t("Sign in with your account")}
          </a>
        </p>
      )}
      {settings.value?.signIn !== "code" && settings.value?.tokenPath ? (
        <form onSubmit={(event) => void submit(event)}>
          <label>
            {t("Client id")}
            <input name="client" required autocomplete="username" />
          </label>
          <label>
            {t("Client secret")}
            <input name="secret" type="password" required autocomplete="current-password" />
          </label>
          <Told fault={fault} />
          <button type="submit" class="primary">
            {t("Sign in")}
          </button>
          <p class="quiet">
            {t("An owner makes a client with")} <code>mle</code> {t("or")} <code>PUT clients/NAME</code>.{" "}
            {t("On the host's own machine, mle studio signs you in by itself.")}
          </p>
        </form>
      ) : settings.value?.signIn === "code" ? (
        <>
          <p>{t("This session has ended, or its one-time code was used already.")}</p>
          <p>
            {t("Run this again:")} <code>mle studio</code>
          </p>
        </>
      ) : (
        !settings.value?.signInLink && (
          <p>
            {t("Tokens come from elsewhere here; on your own machine this signs you in:")} <code>mle studio</code>
          </p>
        )
      )}
    </main>
  );
}
