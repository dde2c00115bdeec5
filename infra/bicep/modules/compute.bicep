// Where models run: an environment of Container Apps that only its network reaches, the registry of
// its images, and who may make apps there. Nothing of it costs anything while no app runs, but for
// the registry.
param suffix string
param location string
param tags object
param principalId string
param logWorkspaceId string
param zoneRedundant bool
param isPrivate bool
param modelsReachOut bool

var containerAppsContributor = '358470bc-b998-42bd-ab17-a7e34c199c0f'
var identityOperator = 'f1a07417-d97a-45cb-824c-7a7467783830'
var push = '8311e382-0749-4cb8-b61a-304f252e45ec'
var builds = 'fb382eab-e894-4461-af04-94435c366c3f'
var deletes = 'c2f4ef07-c644-48eb-af81-4b1b4947fb11'
var pull = '7f951dda-4ed3-4680-a7ca-43fe172d538d'

// What the environment itself needs of Azure (docs/azure.md, Private networks), and nothing else.
var needed = [
  'AzureActiveDirectory'
  'AzureFrontDoor.FirstParty'
  'AzureMonitor'
  'MicrosoftContainerRegistry'
]

var let = modelsReachOut ? [] : needed

resource ways 'Microsoft.Network/networkSecurityGroups@2024-05-01' = {
  name: 'nsg-models-${suffix}'
  location: location
  tags: tags
}

resource lets 'Microsoft.Network/networkSecurityGroups/securityRules@2024-05-01' = [for (tag, i) in let: {
  parent: ways
  name: 'to-${tag}'
  properties: {
    direction: 'Outbound'
    access: 'Allow'
    priority: 100 + i
    protocol: 'Tcp'
    sourceAddressPrefix: '*'
    sourcePortRange: '*'
    destinationAddressPrefix: tag
    destinationPortRange: '443'
  }
}]

// Last, as what is refused before it is let through refuses the environment its start.
resource holds 'Microsoft.Network/networkSecurityGroups/securityRules@2024-05-01' = if (!modelsReachOut) {
  parent: ways
  name: 'to-nobody-else'
  dependsOn: [
    lets
  ]
  properties: {
    direction: 'Outbound'
    access: 'Deny'
    priority: 4000
    protocol: '*'
    sourceAddressPrefix: '*'
    sourcePortRange: '*'
    destinationAddressPrefix: 'Internet'
    destinationPortRange: '*'
  }
}

resource network 'Microsoft.Network/virtualNetworks@2024-05-01' = {
  name: 'vnet-${suffix}'
  location: location
  tags: tags
  properties: {
    addressSpace: { addressPrefixes: ['10.90.0.0/16'] }
    subnets: [
      {
        name: 'models'
        properties: {
          addressPrefix: '10.90.0.0/20'
          networkSecurityGroup: { id: ways.id }
          delegations: [
            {
              name: 'apps'
              properties: { serviceName: 'Microsoft.App/environments' }
            }
          ]
        }
      }
      {
        // Flex Consumption takes the same delegation, and a subnet of its own.
        name: 'functions'
        properties: {
          addressPrefix: '10.90.16.0/24'
          delegations: [
            {
              name: 'functions'
              properties: { serviceName: 'Microsoft.App/environments' }
            }
          ]
        }
      }
      {
        name: 'gateways'
        properties: {
          addressPrefix: '10.90.18.0/23'
          delegations: [
            {
              name: 'apps'
              properties: { serviceName: 'Microsoft.App/environments' }
            }
          ]
        }
      }
      {
        name: 'endpoints'
        properties: { addressPrefix: '10.90.17.0/24' }
      }
    ]
  }
}

resource environment 'Microsoft.App/managedEnvironments@2026-01-01' = {
  name: 'cae-${suffix}'
  location: location
  tags: tags
  properties: {
    vnetConfiguration: {
      infrastructureSubnetId: '${network.id}/subnets/models'
      internal: true
    }
    publicNetworkAccess: 'Disabled'
    zoneRedundant: zoneRedundant
    appLogsConfiguration: { destination: 'azure-monitor' }
    workloadProfiles: [
      {
        name: 'Consumption'
        workloadProfileType: 'Consumption'
      }
    ]
  }
}

// What apps print and what befalls them is read long after they went. It is paid for by the GB.
resource logs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'logs'
  scope: environment
  properties: {
    workspaceId: logWorkspaceId
    logs: [
      {
        category: 'ContainerAppConsoleLogs'
        enabled: true
      }
      {
        category: 'ContainerAppSystemLogs'
        enabled: true
      }
    ]
  }
}

resource registry 'Microsoft.ContainerRegistry/registries@2025-11-01' = {
  name: 'cr${suffix}'
  location: location
  tags: tags
  // Private endpoints are Premium's alone.
  sku: { name: isPrivate ? 'Premium' : 'Basic' }
  properties: {
    publicNetworkAccess: isPrivate ? 'Disabled' : 'Enabled'
    adminUserEnabled: false
    anonymousPullEnabled: false
  }
}

resource registryLogs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'logs'
  scope: registry
  properties: {
    workspaceId: logWorkspaceId
    logs: [
      {
        category: 'ContainerRegistryLoginEvents'
        enabled: true
      }
      {
        category: 'ContainerRegistryRepositoryEvents'
        enabled: true
      }
    ]
  }
}

// By which apps pull their images, and nothing else: no script is ever it.
resource puller 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: 'id-pull-${suffix}'
  location: location
  tags: tags
}

resource pulls 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(registry.id, puller.id, pull)
  scope: registry
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', pull)
    principalId: puller.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

resource pushes 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(registry.id, principalId, push)
  scope: registry
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', push)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

// Environments with a Dockerfile are built by the registry itself (ACR Tasks).
resource runs 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(registry.id, principalId, builds)
  scope: registry
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', builds)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

// Images that nothing has used for long go.
resource purges 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(registry.id, principalId, deletes)
  scope: registry
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', deletes)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

resource lends 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(puller.id, principalId, identityOperator)
  scope: puller
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', identityOperator)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

// Of the group that has the apps and nothing else.
resource makes 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(resourceGroup().id, principalId, containerAppsContributor)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', containerAppsContributor)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

output environmentId string = environment.id
output registryId string = registry.id
output registryUrl string = 'https://${registry.properties.loginServer}/ml-endpoints'
output registryServer string = registry.properties.loginServer
output gatewaysSubnetId string = '${network.id}/subnets/gateways'
output pullIdentityId string = puller.id
output registryId string = registry.id
output networkId string = network.id
output endpointsSubnetId string = '${network.id}/subnets/endpoints'
output functionsSubnetId string = '${network.id}/subnets/functions'
