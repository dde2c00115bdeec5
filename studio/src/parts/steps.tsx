import type { ComponentChildren } from "preact";
import { t } from "../language";

export interface Step {
  name: string;
  state: "done" | "active" | "failed" | "next" | "off";
  words?: string;
  detail?: ComponentChildren;
}

const MARKS: Readonly<Record<Step["state"], readonly [string, string]>> = {
  done: ["✓", "done"],
  active: ["●", "under way"],
  failed: ["✕", "failed"],
  next: ["○", "yet to come"],
  off: ["–", "ended"],
};

/** What comes one after another, and how far it is. */
export function Steps({ label, steps }: { label: string; steps: readonly Step[] }) {
  return (
    <ol class="steps" aria-label={label}>
      {steps.map(({ name, state, words, detail }) => (
        <li key={name} class={state} aria-current={state === "active" ? "step" : undefined}>
          <span class="mark" role="img" aria-label={t(MARKS[state][1])}>
            {MARKS[state][0]}
          </span>
          <div>
            <strong>{name}</strong> {words && <span class="quiet">{words}</span>}
            {detail && <div>{detail}</div>}
          </div>
        </li>
      ))}
    </ol>
  );
}
