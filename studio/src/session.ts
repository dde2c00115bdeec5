/** Who is signed in. Where `mle studio` serves the page it holds the token, and the page has
 * a cookie and, because every port of a machine gets its cookies, a second secret. Elsewhere the page
 * has a token of the host: of an account of the issuer's or by an owner's link, for whom the host has a session
 * that gives another when that one ends, or of a client whose secret was typed, in this tab alone. */

import { signal } from "@preact/signals";

export interface Settings {
  workspace: string;
  /** `code`: `mle studio` has put a one-time code into the address. `issuer`: the host has a session in
   * a cookie, and gives the page a token of it. `client`: an id and a secret, or an owner's link. */
  signIn: "code" | "issuer" | "client";
  signInLink?: string | null;
  tokenPath?: string | null;
}

export type Standing = "unknown" | "in" | "out";

export const standing = signal<Standing>("unknown");
export const settings = signal<Settings | null>(null);

const KEPT = "studio-credential";
/** The second secret of a link's session: unlike a cookie it is this origin's alone, and every tab has it. */
const LINKED = "studio-link";
const PLACE = "studio-place";
const SECOND_SECRET = "X-Studio-Secret";
const EARLY = 30_000;

/** What came of asking for another token; `unknown` is no answer. */
type Renewal = "renewed" | "over" | "unknown";

let headers: Readonly<Record<string, string>> = {};
/** When another token is due, where the host's session gives one; milliseconds. */
let due = Infinity;
let renewing: Promise<Renewal> | null = null;

/** What each call carries; a token that is about to end is renewed before. */
export async function credential(): Promise<Readonly<Record<string, string>>> {
  if (Date.now() >= due && (await renew()) === "over") lost();
  return headers;
}

/** Why signing in came to nothing. */
export const refused = signal<string | null>(null);
/** Whether this page was signed in before: a session that has ended is told from none. */
export const ended = signal(false);
/** The code of an owner's link, which signs in once somebody wants to: what only looks at a link uses nothing up. */
export const link = signal<string | null>(null);

const SESSION = "/studio/session";
/** No other site's page may send it unasked. */
const OWN_PAGE = { "X-Studio": "1" };

function sessionHeaders(): Record<string, string> {
  const secret = localStorage.getItem(LINKED);
  return secret ? { ...OWN_PAGE, [SECOND_SECRET]: secret } : OWN_PAGE;
}

function hasSession(): boolean {
  return settings.value?.signIn === "issuer" || localStorage.getItem(LINKED) !== null;
}

/** Ends the session at the host too, where it has one. */
export async function leave(): Promise<void> {
  if (hasSession()) await fetch(SESSION, { method: "DELETE", headers: sessionHeaders() });
  localStorage.removeItem(LINKED);
  signedOut();
}

/** Remembers where the reader is, for when he is back from the issuer. */
export function remember(): void {
  sessionStorage.setItem(PLACE, location.pathname + location.search);
}

export function signedOut(): void {
  headers = {};
  due = Infinity;
  sessionStorage.removeItem(KEPT);
  standing.value = "out";
}

/** What the host's answer of 401 means: true if another token was to be had, and the call may be made
 * again; else nobody is signed in any more. */
export async function renewed(): Promise<boolean> {
  if (hasSession() && (await renew()) === "renewed") return true;
  lost();
  return false;
}

/** The host takes nothing of this page's any more. */
export function lost(): void {
  if (standing.value === "in") ended.value = true;
  signedOut();
}

function keep(fresh: Readonly<Record<string, string>>): void {
  headers = fresh;
  due = Infinity;
  sessionStorage.setItem(KEPT, JSON.stringify(fresh));
  signedIn();
}

function signedIn(): void {
  refused.value = null;
  ended.value = false;
  standing.value = "in";
}

/** Begins with what the address has, or what this browser has kept. Rejects when no host answers. */
export async function begin(): Promise<void> {
  const told = await fetch("/studio/settings", { cache: "no-store" });
  if (!told.ok) throw new Error(`The host answered ${told.status}.`);
  settings.value = (await told.json()) as Settings;
  const [, kind, value = ""] = /^#(code|link|fault)=(.*)$/.exec(location.hash) ?? [];
  if (kind) history.replaceState(null, "", location.pathname + location.search);
  if (kind === "code" && settings.value.signIn === "code" && (await byCode(value))) return;
  if (kind === "fault") refused.value = decodeURIComponent(value);
  if (kind === "link") {
    link.value = value;
    standing.value = "out";
    return;
  }
  if (hasSession() && (await renew()) === "renewed") {
    back();
    return;
  }
  const kept = sessionStorage.getItem(KEPT);
  if (kept) {
    headers = JSON.parse(kept) as Record<string, string>;
    standing.value = "in";
  } else {
    standing.value = "out";
  }
}

/** To where the reader was before he signed in. */
function back(): void {
  const place = sessionStorage.getItem(PLACE);
  sessionStorage.removeItem(PLACE);
  if (place?.startsWith("/studio") && location.pathname === "/studio") {
    history.replaceState(null, "", place);
    dispatchEvent(new PopStateEvent("popstate"));
  }
}

async function byCode(code: string): Promise<boolean> {
  const answer = await fetch(SESSION, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ code }),
  });
  if (answer.ok) keep({ [SECOND_SECRET]: ((await answer.json()) as { secret: string }).secret });
  return answer.ok;
}

interface Token {
  accessToken: string;
  /** Seconds from now, whatever this machine's clock says. */
  expiresIn: number;
}

function holds({ accessToken, expiresIn }: Token): void {
  headers = { Authorization: `Bearer ${accessToken}` };
  const left = expiresIn * 1000;
  // An issuer's token is as old as its session: asked for early it is the same again.
  due = Date.now() + (left > 2 * EARLY ? left - EARLY : left);
  signedIn();
}

/** Another token of the host's session, kept in this page's memory alone. One is asked for at a time. */
function renew(): Promise<Renewal> {
  renewing ??= (async () => {
    try {
      const answer = await fetch(SESSION, { method: "POST", headers: sessionHeaders() });
      if (answer.ok) {
        holds((await answer.json()) as Token);
        return "renewed";
      }
      if (answer.status !== 401) return "unknown";
      localStorage.removeItem(LINKED);
      return "over";
    } catch {
      return "unknown"; // No host answers: whoever asks it is told so.
    } finally {
      renewing = null;
    }
  })();
  return renewing;
}

/** Uses the link up. Rejects with the host's reason. */
export async function byLink(): Promise<void> {
  const code = link.value;
  const answer = await fetch("/studio/link", {
    method: "POST",
    headers: { ...OWN_PAGE, "Content-Type": "application/json" },
    body: JSON.stringify({ code }),
  });
  const told = (await answer.json()) as Token & { secret: string; error?: { message: string } };
  if (!answer.ok) throw new Error(told.error?.message ?? `The host answered ${answer.status}.`);
  sessionStorage.removeItem(KEPT);
  localStorage.setItem(LINKED, told.secret);
  link.value = null;
  holds(told);
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
