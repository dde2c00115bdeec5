/** What whoever is signed in may do, as the host tells it of a resource. */

import { effect, type Signal, signal } from "@preact/signals";
import type { Permissions } from "./api";
import { get } from "./host";
import { standing } from "./session";

const PREFIX = "Microsoft.MachineLearningServices/workspaces/";
const FRESH = 60_000;

interface Known {
  at: number;
  /** `null`: it is being asked for; "unknown": it could not be told, so the host says it at each act. */
  allowed: Signal<ReadonlySet<string> | "unknown" | null>;
}

const known = new Map<string, Known>();

effect(() => {
  if (standing.value === "out") known.clear();
});

/** Whether an action, such as `onlineEndpoints/write`, is allowed at a path below the workspace, ""
 * for the workspace; not until it is known. Roles that change are seen within a minute. */
export function may(action: string, at = ""): boolean {
  const allowed = told(at).value;
  return allowed === "unknown" || Boolean(allowed?.has(action));
}

function told(at: string): Known["allowed"] {
  const before = known.get(at);
  if (before && performance.now() - before.at < FRESH) return before.allowed;
  const fresh: Known = { at: performance.now(), allowed: before?.allowed ?? signal(null) };
  known.set(at, fresh);
  void read(at, fresh.allowed);
  return fresh.allowed;
}

async function read(at: string, allowed: Known["allowed"]): Promise<void> {
  try {
    const told = await get<Permissions>(`${at ? `${at}/` : ""}providers/Microsoft.Authorization/permissions`);
    allowed.value = new Set(told.allowedActions.map((each) => each.replace(PREFIX, "")));
  } catch {
    allowed.value ??= "unknown";
  }
}
