// One installation of ml-endpoints: a Functions app, what it keeps its state in, and one
// identity that may do what the app does and nothing else. No key is in any setting.
targetScope = 'subscription'

@minLength(3)
@maxLength(33)
@description('Names the installation: its resource group and its workspace.')
param environmentName string

@description('Where everything runs; a region with Flex Consumption.')
@metadata({ azd: { type: 'location' } })
param location string

@minLength(36)
@maxLength(36)
@description('The client id of the app registration in Entra ID that bearer tokens are for; scripts.provisioning makes it.')
param applicationId string

@description('Its application ID URI.')
param tokenAudience string = 'api://${applicationId}'

@description('What Entra ID signs tokens of version 1 as, before the tenant\'s id. In China https://sts.chinacloudapi.cn/.')
param issuerOfVersion1 string = 'https://sts.windows.net/'

@description('Whether a deleted vault is kept for its 90 days, whoever wants it gone. Once on, it stays on.')
param purgeProtection bool = true

@description('Who is told of alerts by mail; nobody unless said.')
param alertEmail string = ''

@description('An address (https) that is told of alerts in the common alert schema; none unless said.')
param alertWebhook string = ''

@minValue(1)
@description('The average milliseconds of scoring requests, over a quarter of an hour, above which an alert fires.')
param alertLatency int = 5000

@minValue(0)
@description('Scoring requests that may be answered 5xx before an alert fires, each time that is looked at.')
param alertFailures int = 10

@allowed(['PT5M', 'PT10M', 'PT15M'])
@description('How often the log is looked at for failed requests and jobs: each of the two is $0.50 a month by the quarter of an hour, $1.50 by five minutes.')
param alertQueriedEvery string = 'PT15M'

@description('Whether a zone of the region may fail: storage, documents, queues, app and models are in several. To be said at the first deployment; most of them cannot be changed after it.')
param zoneRedundant bool = false

@minValue(1)
@maxValue(365)
@description('Days for which blobs that were deleted or overwritten can be brought back.')
param keptDays int = 7

@allowed(['Continuous7Days', 'Continuous30Days'])
@description('How far back documents can be restored to any second. 30 days cost by the GB.')
param backupTier string = 'Continuous7Days'

@allowed(['off', 'stores', 'all'])
@description('What is reached by private endpoints alone: nothing; documents, blobs, queues, vault and registry; or the app, too. Service Bus and the registry are Premium then.')
param privateNetwork string = 'off'

@description('Whether models reach public networks. Without, what they call has to be in the network, or peered with it.')
param modelsReachOut bool = true

@description('The image of the host (`make image EXTRAS=azure`), in the registry that is made here: scoring requests go to gateways of it, and not to Functions. None unless said.')
param gatewayImage string = ''

@minValue(0)
@description('Gateways that are there at least. With 0 the first request after a pause waits for a start.')
param gatewaysAtLeast int = 1

@minValue(1)
@maxValue(300)
@description('Gateways that there are at most.')
param gatewaysAtMost int = 10

@description('Domains of services that Azure does not tell by itself, as they are in a sovereign cloud.')
param domains object = {
  documents: 'documents.azure.com'
  serviceBus: 'servicebus.windows.net'
  sites: 'azurewebsites.net'
}

@description('Whether each read and write of documents and blobs is logged; paid for by the GB.')
param dataPlaneLogs bool = false

@minValue(1)
@maxValue(1000)
@description('HTTP requests that an instance is given at once before there are more instances.')
param requestsAtOnce int = 100

@description('How often unfinished work is looked for (NCRONTAB). Each look is an execution that is paid for.')
param sweepSchedule string = '0 * * * * *'

@description('How often what runs is held against what is deployed (NCRONTAB).')
param restoreSchedule string = '30 */5 * * * *'

@minValue(1)
@maxValue(300)
@description('Seconds between two looks at autoscaled deployments while any is awake, at least. Each look is an execution that is paid for.')
param scaleLookSeconds int = 10

@description('Deliveries of a message before it is dead-lettered.')
@minValue(1)
@maxValue(2000)
param maxDeliveryCount int = 5

@description('The most request units a second that the documents may use; 0 makes Cosmos DB serverless.')
param cosmosMaxThroughput int = 0

@minValue(0)
@description('Instances that are kept ready for HTTP, so that no request waits for a start. Each costs, used or not.')
param alwaysReady int = 0

@description('The share of new traces that is kept.')
param traceSampling string = '0.1'

@description('Where callers reach the app, if not by its own host name.')
param baseUrl string = ''

var suffix = toLower(uniqueString(subscription().id, environmentName, location))
var expiryQueue = 'expiries'
var authority = '${environment().authentication.loginEndpoint}${tenant().tenantId}'
var isPrivate = privateNetwork != 'off'
var blobZone = 'privatelink.blob.${environment().suffixes.storage}'
var queueZone = 'privatelink.queue.${environment().suffixes.storage}'
var documentsZone = 'privatelink.${domains.documents}'
var serviceBusZone = 'privatelink.${domains.serviceBus}'
var vaultZone = 'privatelink${replace(environment().suffixes.keyvaultDns, '.vault.', '.vaultcore.')}'
var imagesZone = 'privatelink${environment().suffixes.acrLoginServer}'
var sitesZone = 'privatelink.${domains.sites}'
var tags = { 'azd-env-name': environmentName }

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

// Apps of models, and what they need, in a group of their own: who may make apps may do so there.
resource models 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: 'rg-${environmentName}-models'
  location: location
  tags: tags
}

module identity 'modules/identity.bicep' = {
  scope: group
  name: 'identity'
  params: {
    name: 'id-${suffix}'
    location: location
    tags: tags
  }
}

module monitoring 'modules/monitoring.bicep' = {
  scope: group
  name: 'monitoring'
  params: {
    suffix: suffix
    location: location
    tags: tags
    principalId: identity.outputs.principalId
  }
}

module storage 'modules/storage.bicep' = {
  scope: group
  name: 'storage'
  params: {
    suffix: suffix
    location: location
    tags: tags
    principalId: identity.outputs.principalId
    isPrivate: isPrivate
    zoneRedundant: zoneRedundant
    keptDays: keptDays
  }
}

module serviceBus 'modules/service-bus.bicep' = {
  scope: group
  name: 'service-bus'
  params: {
    name: 'sb-${suffix}'
    location: location
    tags: tags
    principalId: identity.outputs.principalId
    isPrivate: isPrivate
    maxDeliveryCount: maxDeliveryCount
    zoneRedundant: zoneRedundant
  }
}

module cosmos 'modules/cosmos.bicep' = {
  scope: group
  name: 'cosmos'
  params: {
    name: 'cosmos-${suffix}'
    location: location
    tags: tags
    principalId: identity.outputs.principalId
    isPrivate: isPrivate
    maxThroughput: cosmosMaxThroughput
    zoneRedundant: zoneRedundant
    backupTier: backupTier
  }
}

module vault 'modules/key-vault.bicep' = {
  scope: group
  name: 'key-vault'
  params: {
    name: 'kv-${suffix}'
    location: location
    tags: tags
    principalId: identity.outputs.principalId
    isPrivate: isPrivate
    purgeProtection: purgeProtection
  }
}

module arrivals 'modules/arrivals.bicep' = {
  scope: group
  name: 'arrivals'
  params: {
    suffix: suffix
    location: location
    tags: tags
    dataStorageName: storage.outputs.dataName
    deadLetterContainerName: storage.outputs.undeliveredName
    serviceBusName: serviceBus.outputs.name
    queueName: serviceBus.outputs.arrivalsName
  }
}

module expiries 'modules/expiries.bicep' = {
  scope: group
  name: 'expiries'
  params: {
    suffix: suffix
    location: location
    tags: tags
    vaultName: vault.outputs.name
    serviceBusName: serviceBus.outputs.name
    queueName: expiryQueue
  }
}

module queries 'modules/queries.bicep' = {
  scope: group
  name: 'queries'
  params: {
    logWorkspaceName: monitoring.outputs.name
  }
}

module workbook 'modules/workbook.bicep' = {
  scope: group
  name: 'workbook'
  params: {
    location: location
    tags: tags
    logWorkspaceId: monitoring.outputs.workspaceId
  }
}

module diagnostics 'modules/diagnostics.bicep' = {
  scope: group
  name: 'diagnostics'
  params: {
    logWorkspaceId: monitoring.outputs.workspaceId
    functionAppName: app.outputs.name
    serviceBusName: serviceBus.outputs.name
    cosmosName: cosmos.outputs.name
    vaultName: vault.outputs.name
    dataStorageName: storage.outputs.dataName
    hostStorageName: storage.outputs.hostName
    arrivalsTopicName: arrivals.outputs.topicName
    expiryTopicName: expiries.outputs.topicName
    dataPlane: dataPlaneLogs
  }
}

module alerts 'modules/alerts.bicep' = {
  scope: group
  name: 'alerts'
  params: {
    tags: tags
    location: location
    email: alertEmail
    webhook: alertWebhook
    serviceBusId: serviceBus.outputs.id
    cosmosId: cosmos.outputs.id
    topicId: arrivals.outputs.topicId
    insightsId: monitoring.outputs.insightsId
    logWorkspaceId: monitoring.outputs.workspaceId
    expiryQueueName: expiryQueue
    latencyMilliseconds: alertLatency
    failures: alertFailures
    queriedEvery: alertQueriedEvery
  }
}

module compute 'modules/compute.bicep' = {
  scope: models
  name: 'compute'
  params: {
    suffix: suffix
    location: location
    tags: tags
    principalId: identity.outputs.principalId
    logWorkspaceId: monitoring.outputs.workspaceId
    zoneRedundant: zoneRedundant
    isPrivate: isPrivate
    modelsReachOut: modelsReachOut
  }
}

// Before the app begins, which would find nothing without them.
module privateStores 'modules/private-links.bicep' = if (isPrivate) {
  scope: models
  name: 'private-stores'
  params: {
    suffix: suffix
    location: location
    tags: tags
    networkId: compute.outputs.networkId
    subnetId: compute.outputs.endpointsSubnetId
    zones: [
      blobZone
      queueZone
      documentsZone
      serviceBusZone
      vaultZone
      imagesZone
    ]
    links: [
      {
        name: 'data'
        id: storage.outputs.dataId
        group: 'blob'
        zone: blobZone
      }
      {
        name: 'host'
        id: storage.outputs.hostId
        group: 'blob'
        zone: blobZone
      }
      {
        name: 'host-queues'
        id: storage.outputs.hostId
        group: 'queue'
        zone: queueZone
      }
      {
        name: 'documents'
        id: cosmos.outputs.id
        group: 'Sql'
        zone: documentsZone
      }
      {
        name: 'queues'
        id: serviceBus.outputs.id
        group: 'namespace'
        zone: serviceBusZone
      }
      {
        name: 'vault'
        id: vault.outputs.id
        group: 'vault'
        zone: vaultZone
      }
      {
        name: 'images'
        id: compute.outputs.registryId
        group: 'registry'
        zone: imagesZone
      }
    ]
  }
}

module privateDoor 'modules/private-links.bicep' = if (privateNetwork == 'all') {
  scope: models
  name: 'private-door'
  params: {
    suffix: suffix
    location: location
    tags: tags
    networkId: compute.outputs.networkId
    subnetId: compute.outputs.endpointsSubnetId
    zones: [sitesZone]
    links: [
      {
        name: 'app'
        id: app.outputs.id
        group: 'sites'
        zone: sitesZone
      }
    ]
  }
}

module gateway 'modules/gateway.bicep' = if (!empty(gatewayImage)) {
  scope: models
  name: 'gateway'
  dependsOn: [
    privateStores
  ]
  params: {
    suffix: suffix
    location: location
    tags: tags
    image: gatewayImage
    registryServer: compute.outputs.registryServer
    pullIdentityId: compute.outputs.pullIdentityId
    identityId: identity.outputs.id
    clientId: identity.outputs.clientId
    cipherKeyUri: vault.outputs.cipherKeyUri
    subnetId: compute.outputs.gatewaysSubnetId
    isPrivate: privateNetwork == 'all'
    zoneRedundant: zoneRedundant
    logWorkspaceId: monitoring.outputs.workspaceId
    least: gatewaysAtLeast
    most: gatewaysAtMost
    requestsAtOnce: requestsAtOnce
    common: {
      APPLICATIONINSIGHTS_CONNECTION_STRING: monitoring.outputs.connectionString
      BlobConnection__blobServiceUri: storage.outputs.blobServiceUri
      ServiceBusConnection__fullyQualifiedNamespace: serviceBus.outputs.fullyQualifiedNamespace
      CosmosConnection__accountEndpoint: cosmos.outputs.endpoint
      ML_ENDPOINTS_PLATFORM: 'azure'
      ML_ENDPOINTS_SUBSCRIPTION_ID: subscription().subscriptionId
      ML_ENDPOINTS_RESOURCE_GROUP: group.name
      ML_ENDPOINTS_WORKSPACE: environmentName
      ML_ENDPOINTS_LOCATION: location
      ML_ENDPOINTS_TOKEN_ISSUER: '${authority}/v2.0'
      ML_ENDPOINTS_TOKEN_ISSUER_ALIASES: '${issuerOfVersion1}${tenant().tenantId}/'
      ML_ENDPOINTS_TOKEN_AUDIENCE: tokenAudience
      ML_ENDPOINTS_TOKEN_AUDIENCE_ALIASES: applicationId
      ML_ENDPOINTS_TOKEN_JWKS_URL: '${authority}/discovery/v2.0/keys'
      ML_ENDPOINTS_COSMOS_DATABASE: cosmos.outputs.database
      ML_ENDPOINTS_COSMOS_CONTAINER: cosmos.outputs.container
      ML_ENDPOINTS_COMPUTE: 'container_apps'
      ML_ENDPOINTS_CONTAINER_APPS_ENVIRONMENT: compute.outputs.environmentId
      ML_ENDPOINTS_CONTAINER_APPS_PULL_IDENTITY: compute.outputs.pullIdentityId
      ML_ENDPOINTS_CONTAINER_APPS_REGISTRY: compute.outputs.registryId
      ML_ENDPOINTS_IMAGE_REGISTRY: compute.outputs.registryUrl
      ML_ENDPOINTS_TRACE_SAMPLING: traceSampling
      ML_ENDPOINTS_TELEMETRY_LOGS: 'false'
      ML_ENDPOINTS_LOG_WORKSPACE: monitoring.outputs.logWorkspace
    }
  }
}

module app 'modules/function-app.bicep' = {
  scope: group
  name: 'function-app'
  dependsOn: [
    privateStores
  ]
  params: {
    suffix: suffix
    isPrivate: privateNetwork == 'all'
    location: location
    tags: tags
    workspace: environmentName
    identityId: identity.outputs.id
    clientId: identity.outputs.clientId
    hostStorageName: storage.outputs.hostName
    packageContainerUrl: storage.outputs.packageContainerUrl
    blobServiceUri: storage.outputs.blobServiceUri
    serviceBusNamespace: serviceBus.outputs.fullyQualifiedNamespace
    cosmosEndpoint: cosmos.outputs.endpoint
    cosmosDatabase: cosmos.outputs.database
    cosmosContainer: cosmos.outputs.container
    cipherKeyUri: vault.outputs.cipherKeyUri
    appsEnvironmentId: compute.outputs.environmentId
    pullIdentityId: compute.outputs.pullIdentityId
    registryId: compute.outputs.registryId
    imageRegistry: compute.outputs.registryUrl
    subnetId: compute.outputs.functionsSubnetId
    applicationInsights: monitoring.outputs.connectionString
    logWorkspace: monitoring.outputs.logWorkspace
    tokenAudience: tokenAudience
    applicationId: applicationId
    issuerOfVersion1: issuerOfVersion1
    requestsAtOnce: requestsAtOnce
    sweepSchedule: sweepSchedule
    restoreSchedule: restoreSchedule
    scaleLookSeconds: scaleLookSeconds
    maxDeliveryCount: maxDeliveryCount
    alwaysReady: alwaysReady
    traceSampling: traceSampling
    baseUrl: baseUrl
    scoringUrl: gateway.?outputs.url ?? ''
    zoneRedundant: zoneRedundant
  }
}

output AZURE_LOCATION string = location
output AZURE_RESOURCE_GROUP string = group.name
output FUNCTION_APP_NAME string = app.outputs.name
output DATA_STORAGE_NAME string = storage.outputs.dataName
output MODELS_RESOURCE_GROUP string = models.name
output CONTAINER_APPS_ENVIRONMENT string = compute.outputs.environmentId
output IMAGE_REGISTRY string = compute.outputs.registryUrl
output PULL_IDENTITY string = compute.outputs.pullIdentityId
output KEY_VAULT_NAME string = vault.outputs.name
output TOKEN_AUDIENCE string = tokenAudience
output BASE_URL string = app.outputs.baseUrl
output SCORING_URL string = gateway.?outputs.url ?? ''
