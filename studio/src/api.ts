/** What the host answers: written from its OpenAPI document by `make studio-types`. Do not
 * change it here. */

/** Who did what: Azure Monitor's EventData. */
export interface Act {
  id: string;
  eventDataId: string;
  eventTimestamp: string;
  eventName: Said;
  category: Said;
  level: string;
  caller: string | null;
  operationName: Said;
  status: Said;
  subStatus: Said;
  httpRequest: HttpRequest;
  correlationId: string | null;
  resourceId: string;
  resourceType: Said;
  resourceGroupName: string;
  resourceProviderName: Said;
  subscriptionId: string;
  properties: ActProperties;
}

export interface ActProperties {
  statusCode?: number | null;
  count: number;
  roles: string[];
  errorCode?: string | null;
  client?: string | null;
  operation?: string | null;
  path?: string | null;
  userAgent?: string | null;
  endTimestamp?: string | null;
}

/** Of an endpoint: what it takes from its callers. */
export type AuthMode = "Key" | "AMLToken" | "AADToken";

/** A deployment of a batch endpoint. */
export interface BatchDeployment {
  id: string;
  name: string;
  type: string;
  properties: BatchDeploymentProperties;
  systemData: SystemData;
  location: string;
  tags: Record<string, string>;
  identity: Identity | null;
  kind: string | null;
  sku: Sku | null;
}

export interface BatchDeploymentProperties {
  provisioningState: ProvisioningState;
  error?: ErrorRecord | null;
  model: ModelReference | null;
  codeConfiguration: CodeConfiguration | null;
  environmentId: string | null;
  environmentVariables: Record<string, string>;
  compute: string | null;
  resources: Resources;
  miniBatchBy: MiniBatchBy;
  miniBatchSize: number;
  errorThreshold: number;
  retrySettings: RetrySettings;
  maxConcurrencyPerInstance: number;
  outputAction: OutputAction;
  outputFileName: string;
  outputFormat: OutputFormat;
  provenanceColumns: boolean;
  bisectFailures?: boolean;
  loggingLevel: LoggingLevel;
  description: string | null;
  properties: Record<string, string>;
  warnings?: string[];
  isolation?: Isolation[] | null;
}

/** A batch endpoint. */
export interface BatchEndpoint {
  id: string;
  name: string;
  type: string;
  properties: BatchEndpointProperties;
  systemData: SystemData;
  location: string;
  tags: Record<string, string>;
  identity: Identity | null;
  kind: string | null;
  sku: Sku | null;
}

/** The deployment that jobs run on when they name none. */
export interface BatchEndpointDefaults {
  deploymentName: string | null;
}

export interface BatchEndpointProperties {
  provisioningState: ProvisioningState;
  error?: ErrorRecord | null;
  authMode: AuthMode;
  description: string | null;
  defaults: BatchEndpointDefaults;
  properties: Record<string, string>;
  keys?: EndpointKeys | null;
  scoringUri: string;
  swaggerUri: null;
}

/** What would become of one resource. */
export interface Change {
  resourceId: string;
  changeType: "Create" | "Modify" | "Delete";
  before: unknown;
  after: unknown;
  delta: ChangedField[];
  consequences?: Consequences | null;
}

export interface ChangedField {
  path: string;
  propertyChangeType: "Create" | "Modify" | "Delete";
  before: unknown;
  after: unknown;
}

export interface Changes {
  changes: Change[];
}

/** Somebody who may ask for tokens, and his roles. */
export interface Client {
  id: string;
  name: string;
  type: string;
  properties: ClientProperties;
  systemData: SystemData;
}

export interface ClientProperties {
  clientId: string;
  role: string;
  clientSecret?: string | null;
}

/** `code_id` names a code version; `scoring_script` is a path inside it. */
export interface CodeConfiguration {
  codeId: string | null;
  scoringScript: string;
}

/** `data_id` names the data asset, a folder of the default datastore, below which it is written. `client_id`, the identity that Azure ML writes with, is kept and has no effect: the app writes with its own. */
export interface Collection {
  dataCollectionMode: CollectionMode;
  dataId: string | null;
  samplingRate: number;
  clientId: string | null;
}

export type CollectionMode = "Enabled" | "Disabled";

/** How a version did in `step` (from 1). `incumbent` is None where none has had enough requests yet; `chance` is how likely the version's failures beyond the incumbent's share would be if both were alike. `outcome` says it in words. */
export interface Comparison {
  step: number;
  deployment: string;
  observed: Observed;
  incumbent: Incumbent | null;
  chance: number | null;
  outcome: string;
}

export interface Consequences {
  effect: string;
  restarts: boolean;
  costPerDay: CostChange;
}

export interface ContainerResourceRequirements {
  containerResourceLimits: ContainerResources | null;
  containerResourceRequests: ContainerResources | null;
}

/** Quantities as Kubernetes writes them: `500m` of a core, `0.5Gi`. */
export interface ContainerResources {
  cpu: string | null;
  memory: string | null;
  gpu: string | null;
}

export interface CostChange {
  before: number | null;
  after: number | null;
  currency: string | null;
  isSample: boolean | null;
}

export interface CostsToday {
  day: string;
  currency: string;
  isSample: boolean;
  unpricedInstanceTypes: string[];
}

/** Azure ML's, and `redaction`, which is ours. */
export interface DataCollector {
  collections: Record<string, Collection>;
  requestLogging: RequestLogging | null;
  rollingRate: RollingRate;
  redaction: Redaction | null;
}

/** `capacity` is how many instances it has. */
export interface DeploymentSku {
  name: string;
  capacity: number;
  tier?: string | null;
  size?: string | null;
  family?: string | null;
}

export type EndpointComputeType = "Managed" | "Kubernetes" | "AzureMLCompute";

/** Keys a caller may bring when it creates an endpoint; never returned here. */
export interface EndpointKeys {
  primaryKey: string | null;
  secondaryKey: string | null;
}

/** As Azure ML answers it; times are Unix seconds. */
export interface EndpointToken {
  accessToken: string;
  expiryTimeUtc: number;
  refreshAfterTimeUtc: number;
  tokenType: string;
}

export interface Error {
  error: ErrorDetail;
}

export interface ErrorDetail {
  code: string;
  message: string;
  target?: string | null;
  details?: ErrorDetail[];
  additionalInfo?: unknown[];
}

/** Why something failed, in ARM's shape. */
export interface ErrorRecord {
  code: string;
  message: string;
  target: string | null;
}

/** The mirror's figure less the live deployment's: above 0, the mirror is worse. */
export interface Gap {
  errorRate: number;
  meanLatencyMs: number;
  p95LatencyMs: number;
}

export interface HttpRequest {
  method: string | null;
  clientIpAddress: string | null;
  clientRequestId: string | null;
}

/** What a resource's scripts are to others: an identity of its own, ones that it was given by their ARM ids, both, or none. `principal_id` is its own identity's; those of the others stand in the map. */
export interface Identity {
  type: string;
  principalId?: string | null;
  tenantId?: string | null;
  userAssignedIdentities: Record<string, Record<string, string> | null> | null;
}

/** What a version is held against: `deployments`, together, in `step` (from 1). */
export interface Incumbent {
  deployments: string[];
  step: number;
  observed: Observed;
}

/** One thing that keeps scripts apart, and whether it does here. */
export interface Isolation {
  part: string;
  held: boolean;
  detail: string;
}

/** A batch job. */
export interface Job {
  id: string;
  name: string;
  type: string;
  properties: JobProperties;
  systemData: SystemData;
}

export interface JobInput {
  jobInputType: string;
  uri: string;
  include?: string[] | null;
  exclude?: string[] | null;
}

export interface JobOutput {
  jobOutputType: string;
  uri: string;
  isComplete?: boolean | null;
}

/** Of files that were cut into pieces, the pieces are counted. Rates are those of the last stretch, null while they are not known. */
export interface JobProgress {
  totalFiles: number;
  succeededFiles: number;
  failedFiles: number;
  filesInPieces: number;
  totalPieces: number;
  succeededPieces: number;
  failedPieces: number;
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
  jobType: string;
  status: JobStatus;
  displayName: string;
  experimentName: string;
  description: string | null;
  tags: Record<string, string>;
  properties: Record<string, string>;
  services: Record<string, JobService>;
  interactionEndpoints: Record<string, JobService>;
  inputs: Record<string, JobInput>;
  outputs: Record<string, JobOutput>;
  settings: Record<string, unknown>;
  progress: JobProgress | null;
  error: ErrorRecord | null;
  isArchived: boolean;
  retryOf: string | null;
  endpointName: string;
  deploymentName: string;
  startTime: string | null;
  endTime: string | null;
}

export interface JobService {
  jobServiceType: string;
  endpoint: string;
}

export type JobStatus = "NotStarted" | "Preparing" | "Queued" | "Running" | "Finalizing" | "CancelRequested" | "Completed" | "Failed" | "Canceled";

/** Plain keys, as listKeys answers them. */
export interface Keys {
  primaryKey: string;
  secondaryKey: string;
}

/** Milliseconds. */
export interface Latency {
  mean: number;
  p50: number;
  p95: number;
  p99: number;
}

export type LinkState = "Open" | "SignedIn" | "Ended";

export type LoggingLevel = "Info" | "Warning" | "Debug";

/** FILES: a number of files, as Azure ML has it. BYTES: whole files of so many bytes together. ROWS: rows; a file with more of them is cut, and each piece read alone. */
export type MiniBatchBy = "Files" | "Bytes" | "Rows";

/** ARM's AssetReferenceBase. A bare string is read as the id it is. */
export interface ModelReference {
  referenceType: ReferenceType;
  assetId: string | null;
  path: string | null;
  datastoreId: string | null;
  jobId: string | null;
}

/** What all gateways saw of a deployment, or of several, in one step: `errors` are failures of theirs, `refused` what they refused as their callers' fault. */
export interface Observed {
  requests: number;
  errors: number;
  refused: number;
  p95LatencyMs: number | null;
}

/** A deployment of an online endpoint. */
export interface OnlineDeployment {
  id: string;
  name: string;
  type: string;
  properties: OnlineDeploymentProperties;
  systemData: SystemData;
  location: string;
  tags: Record<string, string>;
  identity: Identity | null;
  kind: string | null;
  sku: DeploymentSku;
}

export interface OnlineDeploymentProperties {
  provisioningState: ProvisioningState;
  error?: ErrorRecord | null;
  model: string | null;
  modelMountPath: string | null;
  codeConfiguration: CodeConfiguration | null;
  environmentId: string | null;
  environmentVariables: Record<string, string>;
  instanceType: string | null;
  containerResourceRequirements?: ContainerResourceRequirements | null;
  endpointComputeType: EndpointComputeType;
  appInsightsEnabled: boolean;
  egressPublicNetworkAccess: string;
  description: string | null;
  properties: Record<string, string>;
  scaleSettings: ScaleSettings;
  requestSettings: RequestSettings;
  livenessProbe: ProbeSettings;
  readinessProbe: ProbeSettings;
  warnings?: string[];
  dataCollector?: DataCollector | null;
  isolation?: Isolation[] | null;
  scaleStatus?: ScaleStatus | null;
}

/** An online endpoint. */
export interface OnlineEndpoint {
  id: string;
  name: string;
  type: string;
  properties: OnlineEndpointProperties;
  systemData: SystemData;
  location: string;
  tags: Record<string, string>;
  identity: Identity | null;
  kind: string | null;
  sku: Sku | null;
}

export interface OnlineEndpointProperties {
  provisioningState: ProvisioningState;
  error?: ErrorRecord | null;
  authMode: AuthMode;
  description: string | null;
  compute: string | null;
  publicNetworkAccess: PublicNetworkAccess;
  traffic: Record<string, number>;
  mirrorTraffic: Record<string, number>;
  rollout: RolloutPlan | null;
  properties: Record<string, string>;
  keys: EndpointKeys | null;
  scoringUri: string;
  swaggerUri: string;
  rolloutStatus?: RolloutStatus | null;
}

export type OutputAction = "AppendRow" | "SummaryOnly";

/** How AppendRow writes rows: real CSV with a header, JSON Lines, a folder of Parquet parts (all ours, with input file and row by choice), or the text Azure ML writes (DataFrame rows space-separated, no header, else str() a line). */
export type OutputFormat = "Csv" | "Jsonl" | "Parquet" | "Text";

/** As much of the workspace as the caller may read. */
export interface Overview {
  id: string;
  name: string;
  type: string;
  properties: OverviewProperties;
}

export interface OverviewProperties {
  ratesOverMinutes: number;
  costsToday: CostsToday;
  onlineEndpoints: SeenOnlineEndpoint[];
  batchEndpoints: SeenBatchEndpoint[];
  jobs: SeenJob[];
}

export interface Permission {
  actions: string[];
  notActions: string[];
  dataActions: string[];
  notDataActions: string[];
}

export interface Permissions {
  value: Permission[];
  allowedActions: string[];
}

/** Azure ML's defaults. Durations are ISO 8601 on the wire. */
export interface ProbeSettings {
  initialDelay: string;
  period: string;
  timeout: string;
  successThreshold: number;
  failureThreshold: number;
}

export type ProvisioningState = "Creating" | "Updating" | "Scaling" | "Deleting" | "Succeeded" | "Failed" | "Canceled";

export type PublicNetworkAccess = "Enabled" | "Disabled";

/** What is taken out before anything is written: the values of `fields`, wherever they stand (names in any case, `*` for any letters), and in all text what looks like one of `kinds`. */
export interface Redaction {
  fields: string[];
  kinds: SensitiveKind[];
}

export type ReferenceType = "Id" | "DataPath" | "OutputPath";

export interface RequestLogging {
  captureHeaders: string[];
}

/** Azure ML's limits and defaults. */
export interface RequestSettings {
  requestTimeout: string;
  maxConcurrentRequestsPerInstance: number;
  maxQueueWait: string;
}

export interface Resources {
  instanceCount: number;
  instanceType: string | null;
  properties: Record<string, unknown> | null;
}

/** `max_retries` come after the first try; `timeout` is for one mini-batch. */
export interface RetrySettings {
  maxRetries: number;
  timeout: string;
}

/** How much time goes into one folder. */
export type RollingRate = "Year" | "Month" | "Day" | "Hour" | "Minute";

/** What each deployment that gains traffic must keep in every step. `error_rate` is the share of failed requests, `p95_latency_ms` the 95th percentile; the relative ones are times the incumbent's. Nothing is judged, and no step ends, before a deployment has had `minimum_requests` in it; nor is anything held against an incumbent that had fewer. */
export interface RolloutLimits {
  errorRate: number | null;
  p95LatencyMs: number | null;
  minimumRequests: number;
  relativeErrorRate?: number | null;
  relativeP95Latency?: number | null;
}

/** What a change of traffic may carry. */
export interface RolloutPlan {
  steps: RolloutStep[];
  limits: RolloutLimits;
}

export type RolloutState = "Running" | "Completed" | "RolledBack" | "Ended";

/** Steps count from 1. */
export interface RolloutStatus {
  id: string;
  before: Record<string, number>;
  state: RolloutState;
  step: number;
  steps: number;
  traffic: Record<string, number>;
  stepSince: string;
  startedAt: string;
  startedBy: string;
  endedAt: string | null;
  reason: string | null;
  compared?: Comparison[];
}

/** Traffic, and how long it holds before the next step. */
export interface RolloutStep {
  traffic: Record<string, number>;
  duration: string;
}

export interface Said {
  value: string;
  localizedValue: string;
}

/** `utilization` is a share of what the instances take; None where none was measured. */
export interface ScaleDecision {
  at: string;
  before: number;
  after: number;
  utilization: number | null;
  reason: string;
}

/** `Default` keeps the instance count of `sku.capacity`; `TargetUtilization` finds it between the bounds. Azure ML's fields and defaults; it has no `min_instances` of 0. */
export interface ScaleSettings {
  scaleType: ScaleType;
  minInstances: number;
  maxInstances: number;
  targetUtilizationPercentage: number;
  pollingInterval: string;
}

export interface ScaleStatus {
  instances: number;
  lastDecision: ScaleDecision | null;
}

export type ScaleType = "Default" | "TargetUtilization";

export interface Seen {
  id: string;
  name: string;
  provisioningState: ProvisioningState;
  error: ErrorRecord | null;
  costToday: number;
}

export interface SeenBatchEndpoint {
  id: string;
  name: string;
  provisioningState: ProvisioningState;
  error: ErrorRecord | null;
  costToday: number;
  defaultDeployment: string | null;
  tags: Record<string, string>;
  deployments: Seen[];
}

export interface SeenJob {
  id: string;
  name: string;
  endpointName: string;
  deploymentName: string;
  status: JobStatus;
  createdAt: string;
  createdBy: string;
  progress: JobProgress | null;
  costToday: number;
}

export interface SeenOnlineDeployment {
  id: string;
  name: string;
  provisioningState: ProvisioningState;
  error: ErrorRecord | null;
  costToday: number;
  requestsPerMinute: number;
  failuresPerMinute: number;
  latencyP95: number | null;
  instances: number;
  instanceType: string | null;
}

export interface SeenOnlineEndpoint {
  id: string;
  name: string;
  provisioningState: ProvisioningState;
  error: ErrorRecord | null;
  costToday: number;
  requestsPerMinute: number;
  failuresPerMinute: number;
  latencyP95: number | null;
  authMode: string;
  traffic: Record<string, number>;
  mirrorTraffic: Record<string, number>;
  rolloutStatus: RolloutStatus | null;
  tags: Record<string, string>;
  deployments: SeenOnlineDeployment[];
}

/** What is recognised by its looks. */
export type SensitiveKind = "Email" | "CardNumber" | "IpAddress";

/** The figures of one pair, of all gateways. `mirrored` counts requests that both met; `compared` those of them that both answered well; `agreement` is their share that agreed. `lost` counts, by reason, requests whose turn it was and that were not copied or not taken. Times are Unix seconds. */
export interface ShadowReport {
  live: SideReport;
  mirror: SideReport;
  since: number;
  updated: number;
  mirrored: number;
  compared: number;
  agreed: number;
  agreement: number | null;
  tooLargeToCompare: number;
  lost: Record<string, number>;
  gap: Gap | null;
}

export interface ShadowReports {
  value: ShadowReport[];
}

export interface SideReport {
  deployment: string;
  errors: number;
  errorRate: number;
  latencyMs: Latency | null;
}

/** A link that signs a client in to the studio once, and the session that it became. */
export interface SignInLink {
  id: string;
  name: string;
  type: string;
  properties: SignInLinkProperties;
  systemData: SystemData;
}

export interface SignInLinkProperties {
  state: LinkState;
  expiresAt: string;
  usedAt: string | null;
  usedFrom: string | null;
  endsAt: string | null;
  link?: string | null;
}

/** `capacity` is the deployment's instance count; 0 lets it sleep until it is asked. */
export interface Sku {
  name: string;
  tier: string | null;
  size: string | null;
  family: string | null;
  capacity: number | null;
}

export interface SystemData {
  createdAt: string;
  createdBy?: string | null;
  createdByType?: string | null;
  lastModifiedAt?: string | null;
  lastModifiedBy?: string | null;
  lastModifiedByType?: string | null;
}

/** What a request would change. */
export interface WhatIf {
  status: string;
  properties: Changes;
}
