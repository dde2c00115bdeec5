/** What pages show is read again and again, by ETag: one request a second for a whole page at most,
 * one in fifteen while nobody looks. */

import { type Signal, signal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { address, Refusal, refusal, send } from "./host";

export interface Seen<T> {
  value: T | null;
  fault: Refusal | null;
  /** Whether the host answered at the last look. */
  fresh: boolean;
}

interface Look {
  due: number;
  every: number;
  run(): Promise<void>;
}

const BEAT = 1000;
/** Timers come a little early or late. */
const SLACK = 20;
const HIDDEN = 15;
const looks = new Set<Look>();
let busy = false;
/** When a page last asked by itself. */
let last = -Infinity;

/** Waits until a page may ask by itself again, and counts as its asking. */
export async function paced(): Promise<void> {
  for (;;) {
    const left = last + BEAT - performance.now();
    if (left <= 0) break;
    await new Promise((resume) => setTimeout(resume, left));
  }
  last = performance.now();
}

async function beat(): Promise<void> {
  const now = performance.now();
  if (busy || now - last < BEAT - SLACK) return;
  const slower = document.hidden ? HIDDEN : 1;
  let next: Look | null = null;
  for (const look of looks) {
    const due = look.due + (slower - 1) * look.every;
    if (due <= now && (!next || look.due < next.due)) next = look;
  }
  if (!next) return;
  last = now;
  busy = true;
  try {
    await next.run();
  } finally {
    next.due = performance.now() + next.every;
    busy = false;
  }
}

setInterval(() => void beat(), BEAT);

/** Reads `path` now and every so many seconds while the component stands. `null` reads nothing. */
export function usePolled<T>(path: string | null, every = 3): Signal<Seen<T>> & { again(): void } {
  const seen = useMemo(() => {
    const state = signal<Seen<T>>({ value: null, fault: null, fresh: true });
    return Object.assign(state, { again: (): void => undefined });
  }, [path]);
  useEffect(() => {
    if (path === null) return undefined;
    let etag: string | null = null;
    let gone = false;
    const look: Look = {
      due: performance.now() + every * 1000,
      every: every * 1000,
      async run() {
        try {
          const response = await send(address(path), { headers: etag ? { "If-None-Match": etag } : {} });
          if (gone) return;
          if (response.status === 304) {
            if (!seen.value.fresh) seen.value = { ...seen.value, fresh: true };
            return;
          }
          if (response.status >= 400) throw await refusal(response);
          etag = response.headers.get("ETag");
          const value = (await response.json()) as T;
          if (!gone) seen.value = { value, fault: null, fresh: true };
        } catch (error) {
          if (gone) return;
          const fault = error instanceof Refusal ? error : new Refusal(0, "Unread", String(error));
          // What was seen stays while a host restarts.
          seen.value = { value: fault.status === 404 ? null : seen.value.value, fault, fresh: false };
        }
      },
    };
    looks.add(look);
    seen.again = () => void look.run();
    void look.run();
    return () => {
      gone = true;
      looks.delete(look);
    };
  }, [path]);
  return seen;
}
