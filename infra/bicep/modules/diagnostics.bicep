// What each resource says of itself goes to the Log Analytics workspace: refusals, failures and who
// changed what. Metrics stay where they are, which costs nothing. `dataPlane` adds each read and
// write of data, which is paid for by the GB and grows with use.
param logWorkspaceId string
param functionAppName string
param serviceBusName string
param cosmosName string
param vaultName string
param dataStorageName string
param hostStorageName string
param arrivalsTopicName string
param expiryTopicName string
param dataPlane bool

var reads = dataPlane ? ['StorageRead'] : []
var storageLogs = [for category in concat(reads, dataPlane ? ['StorageWrite'] : [], ['StorageDelete']): {
  category: category
  enabled: true
}]
var cosmosLogs = [for category in concat(dataPlane ? ['DataPlaneRequests', 'PartitionKeyRUConsumption'] : [], ['ControlPlaneRequests']): {
  category: category
  enabled: true
}]

resource workspace 'Microsoft.OperationalInsights/workspaces@2023-09-01' existing = {
  name: last(split(logWorkspaceId, '/'))
}

resource app 'Microsoft.Web/sites@2024-04-01' existing = {
  name: functionAppName
}

resource namespace 'Microsoft.ServiceBus/namespaces@2022-10-01-preview' existing = {
  name: serviceBusName
}

resource account 'Microsoft.DocumentDB/databaseAccounts@2024-05-15' existing = {
  name: cosmosName
}

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' existing = {
  name: vaultName
}

resource data 'Microsoft.Storage/storageAccounts@2023-05-01' existing = {
  name: dataStorageName
}

resource dataBlobs 'Microsoft.Storage/storageAccounts/blobServices@2023-05-01' existing = {
  parent: data
  name: 'default'
}

resource host 'Microsoft.Storage/storageAccounts@2023-05-01' existing = {
  name: hostStorageName
}

resource hostBlobs 'Microsoft.Storage/storageAccounts/blobServices@2023-05-01' existing = {
  parent: host
  name: 'default'
}

resource arrivals 'Microsoft.EventGrid/systemTopics@2022-06-15' existing = {
  name: arrivalsTopicName
}

resource expiries 'Microsoft.EventGrid/systemTopics@2022-06-15' existing = {
  name: expiryTopicName
}

// Who has asked what of the logs.
resource ofWorkspace 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'logs'
  scope: workspace
  properties: {
    workspaceId: logWorkspaceId
    logs: [
      {
        category: 'Audit'
        enabled: true
      }
    ]
  }
}

resource ofApp 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'logs'
  scope: app
  properties: {
    workspaceId: logWorkspaceId
    logs: [
      {
        category: 'FunctionAppLogs'
        enabled: true
      }
    ]
  }
}

resource ofServiceBus 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'logs'
  scope: namespace
  properties: {
    workspaceId: logWorkspaceId
    logAnalyticsDestinationType: 'Dedicated'
    logs: [
      {
        category: 'OperationalLogs'
        enabled: true
      }
    ]
  }
}

resource ofCosmos 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'logs'
  scope: account
  properties: {
    workspaceId: logWorkspaceId
    logAnalyticsDestinationType: 'Dedicated'
    logs: cosmosLogs
  }
}

resource ofVault 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'logs'
  scope: vault
  properties: {
    workspaceId: logWorkspaceId
    logAnalyticsDestinationType: 'Dedicated'
    logs: [
      {
        category: 'AuditEvent'
        enabled: true
      }
    ]
  }
}

resource ofData 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'logs'
  scope: dataBlobs
  properties: {
    workspaceId: logWorkspaceId
    logs: storageLogs
  }
}

resource ofHost 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'logs'
  scope: hostBlobs
  properties: {
    workspaceId: logWorkspaceId
    logs: storageLogs
  }
}

resource ofArrivals 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'logs'
  scope: arrivals
  properties: {
    workspaceId: logWorkspaceId
    logs: [
      {
        category: 'DeliveryFailures'
        enabled: true
      }
    ]
  }
}

resource ofExpiries 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'logs'
  scope: expiries
  properties: {
    workspaceId: logWorkspaceId
    logs: [
      {
        category: 'DeliveryFailures'
        enabled: true
      }
    ]
  }
}
