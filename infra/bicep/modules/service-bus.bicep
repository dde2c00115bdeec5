// The app's queues. A lock is renewed by the Functions host for as long as host.json allows. The app
// is their owner: the platform scales it by their lengths, which only those who may manage a queue
// are told.
param name string
param location string
param tags object
param principalId string
param maxDeliveryCount int
param zoneRedundant bool
param isPrivate bool

var owner = '090c5cfd-751d-490a-894a-3ce6f1109419'
var arrivals = 'arrivals'
var queues = [
  'provisioning'
  'batch-jobs'
  'mini-batches'
  'blob-drops'
  'scaling'
  'scaling-looks'
  'schedules'
  'events'
  arrivals
]

resource namespace 'Microsoft.ServiceBus/namespaces@2022-10-01-preview' = {
  name: name
  location: location
  tags: tags
  // Private endpoints are Premium's alone, which is paid for by the hour.
  sku: {
    name: isPrivate ? 'Premium' : 'Standard'
    tier: isPrivate ? 'Premium' : 'Standard'
    capacity: isPrivate ? 1 : null
  }
  properties: {
    publicNetworkAccess: isPrivate ? 'Disabled' : 'Enabled'
    disableLocalAuth: true
    zoneRedundant: zoneRedundant
    minimumTlsVersion: '1.2'
  }
}

// Event Grid, which has no way into a network, sends by its identity all the same.
resource rules 'Microsoft.ServiceBus/namespaces/networkRuleSets@2022-10-01-preview' = if (isPrivate) {
  parent: namespace
  name: 'default'
  properties: {
    publicNetworkAccess: 'Disabled'
    defaultAction: 'Deny'
    trustedServiceAccessEnabled: true
  }
}

resource queue 'Microsoft.ServiceBus/namespaces/queues@2022-10-01-preview' = [for queueName in queues: {
  parent: namespace
  name: queueName
  properties: {
    maxDeliveryCount: maxDeliveryCount
    lockDuration: 'PT1M'
    defaultMessageTimeToLive: 'P14D'
    deadLetteringOnMessageExpiration: true
    requiresDuplicateDetection: true
    duplicateDetectionHistoryTimeWindow: 'PT10M'
    maxSizeInMegabytes: 5120
  }
}]

resource manages 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(namespace.id, principalId, owner)
  scope: namespace
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', owner)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

output name string = namespace.name
output id string = namespace.id
output arrivalsName string = arrivals
output fullyQualifiedNamespace string = split(replace(namespace.properties.serviceBusEndpoint, 'https://', ''), ':')[0]
