/** What the host shows of its resources, as far as pages read it. */

import type { Fault } from "./host";

export interface SystemData {
  createdAt: string;
  createdBy?: string;
  lastModifiedAt?: string;
}

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

export interface OnlineEndpointProperties {
  authMode: string;
  description?: string | null;
  traffic: Record<string, number>;
  mirrorTraffic: Record<string, number>;
  rollout?: unknown;
  rolloutStatus?: Record<string, unknown> | null;
  provisioningState: string;
  scoringUri: string;
  swaggerUri?: string | null;
}

export interface Held {
  part: string;
  held: boolean;
  detail: string;
}

export interface OnlineDeploymentProperties {
  model?: string | null;
  codeConfiguration?: { codeId: string; scoringScript: string } | null;
  environmentId?: string | null;
  instanceType?: string | null;
  environmentVariables: Record<string, string>;
  provisioningState: string;
  error?: Fault | null;
  scaleStatus?: { instances?: number } | null;
  scaleSettings: Record<string, unknown>;
  requestSettings: Record<string, unknown>;
  isolation?: Held[];
  description?: string | null;
}

export interface OnlineDeployment extends Resource<OnlineDeploymentProperties> {
  sku?: { capacity?: number | null } | null;
}

export type OnlineEndpoint = Resource<OnlineEndpointProperties>;

export interface BatchEndpointProperties {
  authMode: string;
  description?: string | null;
  defaults?: { deploymentName?: string | null } | null;
  provisioningState: string;
  scoringUri: string;
}

export type BatchEndpoint = Resource<BatchEndpointProperties>;

export interface BatchDeploymentProperties {
  model?: { assetId?: string } | null;
  codeConfiguration?: { codeId: string; scoringScript: string } | null;
  environmentId?: string | null;
  compute?: string | null;
  miniBatchSize: number;
  errorThreshold: number;
  maxConcurrencyPerInstance: number;
  outputAction: string;
  outputFileName: string;
  provisioningState: string;
  resources?: { instanceCount?: number } | null;
}

export type BatchDeployment = Resource<BatchDeploymentProperties>;

export interface Progress {
  totalFiles: number;
  succeededFiles: number;
  failedFiles: number;
  totalMiniBatches: number;
  succeededMiniBatches: number;
  failedMiniBatches: number;
  remainingMiniBatches: number;
  inFlight: number;
  rows: number;
  miniBatchesPerSecond: number | null;
  filesPerSecond: number | null;
  estimatedEndTime: string | null;
}

export interface JobProperties {
  status: string;
  displayName: string;
  description?: string | null;
  tags: Record<string, string>;
  inputs: Record<string, { jobInputType: string; uri?: string; value?: unknown }>;
  outputs: Record<string, { jobOutputType: string; uri: string; isComplete?: boolean }>;
  settings: Record<string, unknown>;
  progress: Progress | null;
  error: Fault | null;
  retryOf: string | null;
  endpointName: string;
  deploymentName: string;
  startTime: string | null;
  endTime: string | null;
}

export type Job = Resource<JobProperties>;

/** Statuses that nothing follows. */
export const ENDED: ReadonlySet<string> = new Set(["Completed", "Failed", "Canceled"]);
