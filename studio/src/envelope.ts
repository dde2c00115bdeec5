/** What stands around whatever the host shows, where api.ts does not say it of one kind. */

import type { SystemData } from "./api";

export interface Resource<P> {
  id: string;
  name: string;
  location?: string;
  kind?: string | null;
  tags?: Record<string, string>;
  properties: P;
  systemData?: SystemData;
}

export interface ListOf<T> {
  value: T[];
  nextLink?: string | null;
}
