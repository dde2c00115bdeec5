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

@description('What bearer tokens must be for: the application ID URI of the app registration in Entra ID.')
param tokenAudience string = 'api://ml-endpoints'

@secure()
@minLength(32)
@description('What endpoints\' keys are sealed with at rest. It is kept in Key Vault; changing it makes the keys unreadable.')
@metadata({ azd: { type: 'generate', config: { length: 48, noSpecial: true } } })
param cipherKey string

@description('Deliveries of a message before it is dead-lettered.')
@minValue(1)
@maxValue(2000)
param maxDeliveryCount int = 5

@description('The most request units a second that the documents may use; 0 makes Cosmos DB serverless.')
param cosmosMaxThroughput int = 0

@description('Instances that are kept ready for HTTP, so that scoring never waits for a start.')
param alwaysReady int = 1

@description('The share of new traces that is kept.')
param traceSampling string = '0.1'

@description('Where callers reach the app, if not by its own host name.')
param baseUrl string = ''

var suffix = toLower(uniqueString(subscription().id, environmentName, location))
var tags = { 'azd-env-name': environmentName }

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: 'rg-${environmentName}'
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
    maxDeliveryCount: maxDeliveryCount
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
    maxThroughput: cosmosMaxThroughput
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
    cipherKey: cipherKey
  }
}

module app 'modules/function-app.bicep' = {
  scope: group
  name: 'function-app'
  params: {
    suffix: suffix
    location: location
    tags: tags
    workspace: environmentName
    identityId: identity.outputs.id
    clientId: identity.outputs.clientId
    hostStorageName: storage.outputs.hostName
    packageContainerUrl: storage.outputs.packageContainerUrl
    blobServiceUri: storage.outputs.blobServiceUri
    queueServiceUri: storage.outputs.queueServiceUri
    serviceBusNamespace: serviceBus.outputs.fullyQualifiedNamespace
    cosmosEndpoint: cosmos.outputs.endpoint
    cosmosDatabase: cosmos.outputs.database
    cosmosContainer: cosmos.outputs.container
    cipherKeyUri: vault.outputs.cipherKeyUri
    applicationInsights: monitoring.outputs.connectionString
    tokenAudience: tokenAudience
    maxDeliveryCount: maxDeliveryCount
    alwaysReady: alwaysReady
    traceSampling: traceSampling
    baseUrl: baseUrl
  }
}

output AZURE_LOCATION string = location
output AZURE_RESOURCE_GROUP string = group.name
output FUNCTION_APP_NAME string = app.outputs.name
output DATA_STORAGE_NAME string = storage.outputs.dataName
output INBOX_TOPIC_NAME string = storage.outputs.topicName
output BASE_URL string = app.outputs.baseUrl
