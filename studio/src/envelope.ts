/** What stands around whatever the host shows, where api.ts does not say it of one kind. */

import type { SystemData } from "./api";

export interface Resource<P> {
  id: string;
  name: string;
  tags?: Record<string, string>;
  properties: P;
  systemData?: SystemData;
}

export interface ListOf<T> {
  value: T[];
  nextLink?: string | null;
}
