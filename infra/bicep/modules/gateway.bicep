// Scoring without Functions in its path: the embedded host as a gateway, in an environment of its own. It is the
// app's identity, reads the same stores, and looks after models while Functions sleeps.
param suffix string
param location string
param tags object
param image string
param registryServer string
param pullIdentityId string
param identityId string
param clientId string
param cipherKeyUri string
param subnetId string
param isPrivate bool
param zoneRedundant bool
param logWorkspaceId string
param least int
param most int
param requestsAtOnce int

@description('Settings that it has in common with the app.')
param common object

var name = 'gateway'
var address = 'https://${name}.${environment.properties.defaultDomain}'
var own = [
  {
    name: 'ML_ENDPOINTS_HOST'
    value: 'embedded'
  }
  {
    name: 'ML_ENDPOINTS_SERVES'
    value: 'scoring'
  }
  {
    name: 'ML_ENDPOINTS_BASE_URL'
    value: address
  }
  {
    // The environment's own ingress, which says who calls.
    name: 'ML_ENDPOINTS_TRUSTED_PROXIES'
    value: '100.100.0.0/16'
  }
  {
    name: 'ML_ENDPOINTS_DATA_DIR'
    value: '/tmp/data'
  }
  {
    name: 'AZURE_CLIENT_ID'
    value: clientId
  }
  {
    name: 'ML_ENDPOINTS_CIPHER_KEY'
    secretRef: 'cipher-key'
  }
]
var shared = [for one in items(common): {
  name: one.key
  value: one.value
}]

resource environment 'Microsoft.App/managedEnvironments@2026-01-01' = {
  name: 'cae-gateway-${suffix}'
  location: location
  tags: tags
  properties: {
    vnetConfiguration: {
      infrastructureSubnetId: subnetId
      internal: isPrivate
    }
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

resource gateway 'Microsoft.App/containerApps@2026-01-01' = {
  name: name
  location: location
  tags: tags
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
      '${pullIdentityId}': {}
    }
  }
  properties: {
    environmentId: environment.id
    workloadProfileName: 'Consumption'
    configuration: {
      activeRevisionsMode: 'Single'
      ingress: {
        external: true
        targetPort: 7443
        transport: 'http'
        allowInsecure: false
      }
      secrets: [
        {
          name: 'cipher-key'
          keyVaultUrl: cipherKeyUri
          identity: identityId
        }
      ]
      registries: [
        {
          server: registryServer
          identity: pullIdentityId
        }
      ]
    }
    template: {
      // A request in hand has its time when a revision follows another.
      terminationGracePeriodSeconds: 60
      containers: [
        {
          name: 'host'
          image: image
          args: ['up', '--http', '--host', '0.0.0.0', '--port', '7443']
          env: concat(own, shared)
          resources: {
            cpu: json('1.0')
            memory: '2Gi'
          }
          probes: [
            {
              type: 'Startup'
              httpGet: {
                path: '/healthz'
                port: 7443
              }
              periodSeconds: 5
              failureThreshold: 60
            }
            {
              type: 'Liveness'
              httpGet: {
                path: '/healthz'
                port: 7443
              }
              periodSeconds: 10
              timeoutSeconds: 5
              failureThreshold: 6
            }
            {
              type: 'Readiness'
              httpGet: {
                path: '/readyz'
                port: 7443
              }
              periodSeconds: 5
              timeoutSeconds: 5
            }
          ]
        }
      ]
      scale: {
        minReplicas: least
        maxReplicas: most
        rules: [
          {
            name: 'requests'
            http: { metadata: { concurrentRequests: string(requestsAtOnce) } }
          }
        ]
      }
    }
  }
}

output url string = address
