import { t } from "../language";

const LOOKS: Readonly<Record<string, string>> = {
  Succeeded: "good",
  Completed: "good",
  Ready: "good",
  Enabled: "good",
  Healthy: "good",
  Started: "good",
  Failed: "bad",
  Unhealthy: "bad",
  Canceled: "off",
  Deleting: "busy",
  Creating: "busy",
  Updating: "busy",
  Scaling: "busy",
  Running: "busy",
  Gathering: "busy",
  Sealed: "busy",
  Accepted: "busy",
  Queued: "busy",
  NotStarted: "busy",
  Preparing: "busy",
  Finalizing: "busy",
  CancelRequested: "busy",
};

/** A state as a word; its colour is a help, never alone. */
export function State({ of }: { of: string }) {
  return <span class={`state ${LOOKS[of] ?? "off"}`}>{t(of)}</span>;
}
