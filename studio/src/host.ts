/** Calls to the host that serves the studio, or to the one behind `mle studio`. */

import { credential, lost, renewed } from "./session";

export const API_VERSION = "2024-10-01";

export interface Fault {
  code: string;
  message: string;
  target?: string | null;
  details?: Fault[];
}

/** The host's refusal, in its words; `status` 0 is no answer at all. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly details: readonly Fault[] = [],
    readonly target: string | null = null,
  ) {
    super(message);
  }

  /** Each of its faults by itself. */
  get faults(): readonly Fault[] {
    return this.details.length ? this.details : [{ code: this.code, message: this.message, target: this.target }];
  }
}

export interface Answer<T> {
  status: number;
  headers: Headers;
  body: T;
}

let workspace = "";

/** Which workspace the paths of `call` are below. */
export function setWorkspace(path: string): void {
  workspace = path;
}

/** The path of the subscription that the workspace is in. */
export function subscription(): string {
  return workspace.split("/").slice(0, 3).join("/");
}

/** The id of what stands at a path below the workspace. */
export function id(path: string): string {
  return `${workspace}/${path}`;
}

/** A path below the workspace, or from the host's root where it begins with a slash, as a URL. */
export function address(path: string): string {
  const url = path.startsWith("/") ? path : `${workspace}/${path}`;
  return `${url}${url.includes("?") ? "&" : "?"}api-version=${API_VERSION}`;
}

/** A URL that the host has told, from this page's own origin: it may know itself by another name. */
export function here(url: string): string {
  const told = new URL(url, location.origin);
  return told.pathname + told.search;
}

const SIGNED = "/blobs/";

/** A request with who asks; once more with another token, where the one that it had has ended and the
 * host's session has another. Rejects with Refusal where nobody answers. */
export async function send(url: string, options: RequestInit = {}): Promise<Response> {
  const first = await ask(url, options);
  // A signed address is refused for itself, and says nothing of who is signed in.
  if (first.status !== 401 || url.startsWith(SIGNED) || new Headers(options.headers).has("Authorization")) return first;
  if (!(await renewed())) return first;
  const second = await ask(url, options);
  if (second.status === 401) lost();
  return second;
}

async function ask(url: string, options: RequestInit): Promise<Response> {
  const headers = new Headers(options.headers);
  for (const [name, value] of Object.entries(await credential())) {
    // Where the address itself is signed, a token beside it is refused.
    if (!headers.has(name) && !(url.startsWith(SIGNED) && name === "Authorization")) headers.set(name, value);
  }
  try {
    return await fetch(url, { ...options, headers, cache: "no-store" });
  } catch (error) {
    throw new Refusal(0, "NoAnswer", `The host does not answer (${String(error)}).`);
  }
}

/** One call of the control plane. Rejects with Refusal. */
export async function call<T>(
  method: string,
  path: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer<T>> {
  const options: RequestInit = { method, headers: { ...headers } };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers = { "Content-Type": "application/json", ...headers };
  }
  const response = await send(address(path), options);
  if (response.status >= 400) throw await refusal(response);
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    body: (text ? JSON.parse(text) : null) as T,
  };
}

export async function get<T>(path: string): Promise<T> {
  return (await call<T>("GET", path)).body;
}

interface Page<T> {
  value: T[];
  nextLink?: string | null;
}

/** Every entry of a list, page after page; at most `limit`. */
export async function list<T>(path: string, limit = 10_000): Promise<T[]> {
  const found: T[] = [];
  let page = await get<Page<T>>(path);
  for (;;) {
    found.push(...page.value);
    if (!page.nextLink || found.length >= limit) return found;
    const response = await send(here(page.nextLink));
    if (response.status >= 400) throw await refusal(response);
    page = (await response.json()) as Page<T>;
  }
}

interface OperationStatus {
  status: string;
  error?: Fault | null;
}

/** A change, followed to its end: `told` hears each status. Rejects with Refusal. */
export async function change(
  method: string,
  path: string,
  body?: unknown,
  told: (status: string) => void = () => undefined,
): Promise<void> {
  const answer = await call<unknown>(method, path, body);
  const url = answer.headers.get("Azure-AsyncOperation");
  if (!url) return;
  for (;;) {
    const response = await send(here(url));
    if (response.status >= 400) throw await refusal(response);
    const { status, error } = (await response.json()) as OperationStatus;
    told(status);
    if (status === "Succeeded") return;
    if (status === "Failed" || status === "Canceled") {
      throw new Refusal(200, error?.code ?? status, error?.message ?? status, error?.details, error?.target);
    }
    await new Promise((resume) => setTimeout(resume, 1000));
  }
}

export async function refusal(response: Response): Promise<Refusal> {
  const text = await response.text();
  let fault: Fault = { code: String(response.status), message: text.slice(0, 2000) || response.statusText };
  try {
    const parsed = (JSON.parse(text) as { error?: Fault }).error;
    if (parsed?.message) fault = parsed;
  } catch {
    // It is no envelope: its text says what there is to say.
  }
  return new Refusal(response.status, fault.code, fault.message, fault.details ?? [], fault.target ?? null);
}
