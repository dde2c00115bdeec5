import { type Yaml, yaml } from "../yaml";

/** A setting in words; empty for what says nothing. Ids by what they name. */
export function said(value: unknown): string {
  if (value === null || value === undefined) return "";
  const text = typeof value === "object" ? yaml(Object.fromEntries(Object.entries(value).filter(([, each]) => each !== null)) as Yaml) : String(value);
  return text.replace(/\/subscriptions\/\S*\/workspaces\/[^/\s]+\//g, "");
}
