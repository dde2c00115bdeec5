import type { ComponentChildren } from "preact";
import { may } from "../permissions";

/** What does something, shown to those alone who may do it `at` a path below the workspace. */
export function May({ act, at = "", children }: { act: string; at?: string; children: ComponentChildren }) {
  return may(act, at) ? <>{children}</> : null;
}
