/** Who is signed in. Where `mle studio` serves the page it holds the token, and the page has
 * a cookie and, because every port of a machine gets its cookies, a second secret. Elsewhere the page
 * has a token of the host, in this tab alone. */

import { signal } from "@preact/signals";

export interface Settings {
  workspace: string;
  /** `code`: `mle studio` has put a one-time code into the address. `issuer`: the host has a session in
   * a cookie, and gives the page a token of it. `client`: an id and a secret. */
  signIn: "code" | "issuer" | "client";
  signInLink?: string | null;
  tokenPath?: string | null;
}

export type Standing = "unknown" | "in" | "out";

export const standing = signal<Standing>("unknown");
export const settings = signal<Settings | null>(null);

const KEPT = "studio-credential";
const SECOND_SECRET = "X-Studio-Secret";

let headers: Readonly<Record<string, string>> = {};

/** What each call carries. */
export function credential(): Readonly<Record<string, string>> {
  return headers;
}

/** Why signing in at the issuer came to nothing. */
export const refused = signal<string | null>(null);

const SESSION = "/studio/session";
/** No other site's page may send it unasked. */
const OWN_PAGE = { "X-Studio": "1" };

/** Ends the session at the host too, where it has one. */
export async function leave(): Promise<void> {
  if (settings.value?.signIn === "issuer") await fetch(SESSION, { method: "DELETE", headers: OWN_PAGE });
  signedOut();
}

export function signedOut(): void {
  headers = {};
  sessionStorage.removeItem(KEPT);
  standing.value = "out";
}

function keep(fresh: Readonly<Record<string, string>>): void {
  headers = fresh;
  sessionStorage.setItem(KEPT, JSON.stringify(fresh));
  standing.value = "in";
}

/** Begins with what the address has, or what this tab has kept. Rejects when no host answers. */
export async function begin(): Promise<void> {
  const told = await fetch("/studio/settings", { cache: "no-store" });
  if (!told.ok) throw new Error(`The host answered ${told.status}.`);
  settings.value = (await told.json()) as Settings;
  const code = /^#code=([\w-]+)$/.exec(location.hash)?.[1];
  if (code && settings.value.signIn === "code") {
    history.replaceState(null, "", location.pathname + location.search);
    const answer = await fetch("/studio/session", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ code }),
    });
    if (answer.ok) {
      keep({ [SECOND_SECRET]: ((await answer.json()) as { secret: string }).secret });
      return;
    }
  }
  const fault = /^#fault=(.*)$/.exec(location.hash)?.[1];
  if (fault) {
    history.replaceState(null, "", location.pathname + location.search);
    refused.value = decodeURIComponent(fault);
  }
  if (settings.value.signIn === "issuer" && (await ofHost())) return;
  const kept = sessionStorage.getItem(KEPT);
  if (kept) {
    headers = JSON.parse(kept) as Record<string, string>;
    standing.value = "in";
  } else {
    standing.value = "out";
  }
}

/** With the token of the host's session, which is kept in this page's memory alone. */
async function ofHost(): Promise<boolean> {
  const answer = await fetch(SESSION, { method: "POST", headers: OWN_PAGE });
  if (!answer.ok) return false;
  const told = (await answer.json()) as { accessToken: string };
  headers = { Authorization: `Bearer ${told.accessToken}` };
  standing.value = "in";
  return true;
}

/** Signs in with a client's id and secret. Rejects with the host's reason. */
export async function signIn(client: string, secret: string): Promise<void> {
  const answer = await fetch(settings.value?.tokenPath ?? "", {
    method: "POST",
    body: new URLSearchParams({
      grant_type: "client_credentials",
      client_id: client,
      client_secret: secret,
    }),
  });
  const told = (await answer.json()) as {
    access_token?: string;
    error_description?: string;
    error?: string | { message?: string };
  };
  if (!told.access_token) {
    const fault = typeof told.error === "string" ? told.error : told.error?.message;
    throw new Error(told.error_description ?? fault ?? `The host answered ${answer.status}.`);
  }
  keep({ Authorization: `Bearer ${told.access_token}` });
}
