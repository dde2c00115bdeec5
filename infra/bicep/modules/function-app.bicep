// The app on Flex Consumption, and every setting it is given.
param suffix string
param location string
param tags object
param workspace string
param identityId string
param clientId string
param hostStorageName string
param packageContainerUrl string
param blobServiceUri string
param serviceBusNamespace string
param cosmosEndpoint string
param cosmosDatabase string
param cosmosContainer string
param cipherKeyUri string
param appsEnvironmentId string
param pullIdentityId string
param registryId string
param imageRegistry string
param subnetId string
param applicationInsights string
param logWorkspace string
param tokenAudience string
param applicationId string
param issuerOfVersion1 string
param requestsAtOnce int
param sweepSchedule string
param restoreSchedule string
param scaleLookSeconds int
param maxDeliveryCount int
param alwaysReady int
param traceSampling string
param baseUrl string
param scoringUrl string
param zoneRedundant bool
param isPrivate bool

var authority = '${environment().authentication.loginEndpoint}${tenant().tenantId}'
var address = empty(baseUrl) ? 'https://${app.properties.defaultHostName}' : baseUrl

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  name: 'plan-${suffix}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true
    zoneRedundant: zoneRedundant
  }
}

resource app 'Microsoft.Web/sites@2024-04-01' = {
  name: 'func-${suffix}'
  location: location
  tags: union(tags, { 'azd-service-name': 'api' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identityId}': {} }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    publicNetworkAccess: isPrivate ? 'Disabled' : 'Enabled'
    keyVaultReferenceIdentity: identityId
    // Apps of models are reached from here alone.
    virtualNetworkSubnetId: subnetId
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: packageContainerUrl
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      runtime: {
        name: 'python'
        version: '3.11'
      }
      scaleAndConcurrency: {
        instanceMemoryMB: 2048
        maximumInstanceCount: 100
        alwaysReady: [
          {
            name: 'http'
            instanceCount: alwaysReady
          }
        ]
        // Python is given one request at a time unless this says more.
        triggers: { http: { perInstanceConcurrency: requestsAtOnce } }
      }
    }
    siteConfig: { minTlsVersion: '1.2' }
  }
}

resource settings 'Microsoft.Web/sites/config@2024-04-01' = {
  parent: app
  name: 'appsettings'
  properties: {
    PYTHON_ENABLE_INIT_INDEXING: '1'
    AZURE_CLIENT_ID: clientId
    APPLICATIONINSIGHTS_CONNECTION_STRING: applicationInsights
    APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${clientId};Authorization=AAD'
    AzureWebJobsStorage__accountName: hostStorageName
    AzureWebJobsStorage__credential: 'managedidentity'
    AzureWebJobsStorage__clientId: clientId
    BlobConnection__blobServiceUri: blobServiceUri
    BlobConnection__credential: 'managedidentity'
    BlobConnection__clientId: clientId
    ServiceBusConnection__fullyQualifiedNamespace: serviceBusNamespace
    ServiceBusConnection__credential: 'managedidentity'
    ServiceBusConnection__clientId: clientId
    CosmosConnection__accountEndpoint: cosmosEndpoint
    ML_ENDPOINTS_PLATFORM: 'azure'
    ML_ENDPOINTS_BASE_URL: address
    ML_ENDPOINTS_SCORING_URL: scoringUrl
    // The Functions host, on the same machine, hands on what the platform's front end says.
    ML_ENDPOINTS_TRUSTED_PROXIES: '127.0.0.0/8,::1/128'
    ML_ENDPOINTS_SUBSCRIPTION_ID: subscription().subscriptionId
    ML_ENDPOINTS_RESOURCE_GROUP: resourceGroup().name
    ML_ENDPOINTS_WORKSPACE: workspace
    ML_ENDPOINTS_LOCATION: location
    // Which version a token has is up to the registration that it is for, and to nobody else.
    ML_ENDPOINTS_TOKEN_ISSUER: '${authority}/v2.0'
    ML_ENDPOINTS_TOKEN_ISSUER_ALIASES: '${issuerOfVersion1}${tenant().tenantId}/'
    ML_ENDPOINTS_TOKEN_AUDIENCE: tokenAudience
    ML_ENDPOINTS_TOKEN_AUDIENCE_ALIASES: applicationId
    ML_ENDPOINTS_TOKEN_JWKS_URL: '${authority}/discovery/v2.0/keys'
    ML_ENDPOINTS_INBOX_SOURCE: 'event_grid'
    ML_ENDPOINTS_SWEEP_SCHEDULE: sweepSchedule
    ML_ENDPOINTS_RESTORE_SCHEDULE: restoreSchedule
    ML_ENDPOINTS_SCALE_LOOK_INTERVAL: string(scaleLookSeconds)
    ML_ENDPOINTS_COSMOS_DATABASE: cosmosDatabase
    ML_ENDPOINTS_COSMOS_CONTAINER: cosmosContainer
    ML_ENDPOINTS_CIPHER_KEY: '@Microsoft.KeyVault(SecretUri=${cipherKeyUri})'
    ML_ENDPOINTS_COMPUTE: 'container_apps'
    ML_ENDPOINTS_CONTAINER_APPS_ENVIRONMENT: appsEnvironmentId
    ML_ENDPOINTS_CONTAINER_APPS_PULL_IDENTITY: pullIdentityId
    ML_ENDPOINTS_CONTAINER_APPS_REGISTRY: registryId
    ML_ENDPOINTS_IMAGE_REGISTRY: imageRegistry
    ML_ENDPOINTS_QUEUE_MAX_DELIVERY: string(maxDeliveryCount)
    ML_ENDPOINTS_TRACE_SAMPLING: traceSampling
    ML_ENDPOINTS_TELEMETRY_LOGS: 'false'
    ML_ENDPOINTS_LOG_WORKSPACE: logWorkspace
  }
}

output name string = app.name
output id string = app.id
output baseUrl string = address
