// Two accounts: the Functions host's own (package, locks, timers), and the data's (inbox,
// datastore, uploads, outputs), so that nobody who may read data may change the code.
param suffix string
param location string
param tags object
param principalId string
param zoneRedundant bool
param isPrivate bool

@description('Days for which what was deleted or overwritten can be brought back.')
param keptDays int

var blobOwner = 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
var blobContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
var blobDelegator = 'db58b8e5-c6ad-4a2a-8342-4190687cbf4a'
var queueContributor = '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
var redundancy = zoneRedundant ? 'Standard_ZRS' : 'Standard_LRS'
var access = isPrivate ? 'Disabled' : 'Enabled'
// Event Grid puts aside here what it cannot deliver, by its identity.
var rules = {
  bypass: 'AzureServices'
  defaultAction: isPrivate ? 'Deny' : 'Allow'
}
var undelivered = 'undelivered-arrivals'
var containers = [
  'batch-inbox'
  'workspaceblobstore'
  'system'
  undelivered
]

resource host 'Microsoft.Storage/storageAccounts@2023-05-01' = {
  name: 'sthost${suffix}'
  location: location
  tags: tags
  sku: { name: redundancy }
  kind: 'StorageV2'
  properties: {
    publicNetworkAccess: access
    networkAcls: rules
    allowBlobPublicAccess: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
  }
}

resource hostBlobs 'Microsoft.Storage/storageAccounts/blobServices@2023-05-01' = {
  parent: host
  name: 'default'
}

resource package 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' = {
  parent: hostBlobs
  name: 'package'
}

resource data 'Microsoft.Storage/storageAccounts@2023-05-01' = {
  name: 'stdata${suffix}'
  location: location
  tags: tags
  sku: { name: redundancy }
  kind: 'StorageV2'
  properties: {
    publicNetworkAccess: access
    networkAcls: rules
    allowBlobPublicAccess: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
  }
}

resource dataBlobs 'Microsoft.Storage/storageAccounts/blobServices@2023-05-01' = {
  parent: data
  name: 'default'
  properties: {
    isVersioningEnabled: true
    deleteRetentionPolicy: {
      enabled: true
      days: keptDays
    }
    containerDeleteRetentionPolicy: {
      enabled: true
      days: keptDays
    }
  }
}

// Versions of before would be kept for ever, and paid for.
resource forgets 'Microsoft.Storage/storageAccounts/managementPolicies@2023-05-01' = {
  parent: data
  name: 'default'
  properties: {
    policy: {
      rules: [
        {
          name: 'versions-of-before'
          type: 'Lifecycle'
          enabled: true
          definition: {
            filters: { blobTypes: ['blockBlob'] }
            actions: { version: { delete: { daysAfterCreationGreaterThan: keptDays } } }
          }
        }
      ]
    }
  }
}

resource dataContainers 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' = [for container in containers: {
  parent: dataBlobs
  name: container
}]

resource ownsHostBlobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(host.id, principalId, blobOwner)
  scope: host
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobOwner)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

resource usesHostQueues 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(host.id, principalId, queueContributor)
  scope: host
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', queueContributor)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

resource usesBlobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(data.id, principalId, blobContributor)
  scope: data
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobContributor)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

// Signed URLs for uploads and workers.
resource signsUrls 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(data.id, principalId, blobDelegator)
  scope: data
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDelegator)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

output hostName string = host.name
output hostId string = host.id
output dataId string = data.id
output dataName string = data.name
output packageContainerUrl string = '${host.properties.primaryEndpoints.blob}${package.name}'
output blobServiceUri string = data.properties.primaryEndpoints.blob
output undeliveredName string = undelivered
