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

export interface Observed {
  requests: number;
  errors: number;
  refused?: number;
  p95LatencyMs: number | null;
}

export interface RolloutStatus {
  state: "Running" | "Completed" | "RolledBack" | "Ended";
  /** From 1. */
  step: number;
  steps: number;
  traffic: Record<string, number>;
  before: Record<string, number>;
  stepSince: string;
  startedAt: string;
  startedBy: string;
  endedAt: string | null;
  reason: string | null;
  compared?: {
    step: number;
    deployment: string;
    observed: Observed;
    incumbent: { deployments: string[]; step: number; observed: Observed } | null;
    outcome: string;
  }[];
}

export interface RolloutPlan {
  steps: { traffic: Record<string, number>; duration: string }[];
  limits: Record<string, number | null>;
}

export interface OnlineEndpointProperties {
  authMode: string;
  description?: string | null;
  traffic: Record<string, number>;
  mirrorTraffic: Record<string, number>;
  rollout?: RolloutPlan | null;
  rolloutStatus?: RolloutStatus | null;
  provisioningState: string;
  scoringUri: string;
  swaggerUri?: string | null;
}

export interface Held {
  part: string;
  held: boolean;
  detail: string;
}

export interface Probe {
  initialDelay: string;
  period: string;
  timeout: string;
  successThreshold: number;
  failureThreshold: number;
}

export interface ScaleSettings {
  scaleType: string;
  minInstances: number;
  maxInstances: number;
  targetUtilizationPercentage: number;
}

export interface RequestSettings {
  requestTimeout: string;
  maxConcurrentRequestsPerInstance: number;
  maxQueueWait: string;
}

export interface OnlineDeploymentProperties {
  model?: string | null;
  codeConfiguration?: { codeId: string; scoringScript: string } | null;
  environmentId?: string | null;
  instanceType?: string | null;
  environmentVariables: Record<string, string>;
  provisioningState: string;
  error?: Fault | null;
  scaleStatus?: { instances?: number; lastDecision?: { at: string; reason: string } | null } | null;
  scaleSettings: ScaleSettings;
  requestSettings: RequestSettings;
  livenessProbe?: Probe | null;
  readinessProbe?: Probe | null;
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
  error?: Fault | null;
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
