// The one secret: what is sealed at rest is sealed with it. It is made once, by the hook that follows
// (scripts.provisioning), where there is none: nothing here could tell whether there is one, and would make
// another with each deployment.
param name string
param location string
param tags object
param principalId string
param purgeProtection bool
param isPrivate bool

var secretsUser = '4633458b-17de-408a-b874-0445c86b69e6'
var cipherKey = 'cipher-key'

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    publicNetworkAccess: isPrivate ? 'Disabled' : 'Enabled'
    // Azure Resource Manager makes the key in it.
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: isPrivate ? 'Deny' : 'Allow'
    }
    enableRbacAuthorization: true
    enableSoftDelete: true
    // Once on, it cannot be turned off: Azure takes no `false`.
    enablePurgeProtection: purgeProtection ? true : null
  }
}

// On the vault, since the secret is not there yet at first. Nothing else is kept in it.
resource reads 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, principalId, secretsUser)
  scope: vault
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', secretsUser)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

output name string = vault.name
output id string = vault.id
output cipherKeyUri string = '${vault.properties.vaultUri}secrets/${cipherKey}'
