// Private endpoints in the network of models, and the zones by which whoever is in that network finds
// them under their usual names.
param suffix string
param location string
param tags object
param networkId string
param subnetId string

param zones array

@description('Each with a name, the id of a resource, the group of it that is reached, and which of the zones has its names.')
param links array

resource zone 'Microsoft.Network/privateDnsZones@2024-06-01' = [for zoneName in zones: {
  name: zoneName
  location: 'global'
  tags: tags
}]

resource seen 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [for (zoneName, i) in zones: {
  parent: zone[i]
  name: 'models'
  location: 'global'
  tags: tags
  properties: {
    registrationEnabled: false
    virtualNetwork: { id: networkId }
  }
}]

resource endpoint 'Microsoft.Network/privateEndpoints@2024-05-01' = [for link in links: {
  name: 'pe-${link.name}-${suffix}'
  location: location
  tags: tags
  properties: {
    subnet: { id: subnetId }
    privateLinkServiceConnections: [
      {
        name: link.name
        properties: {
          privateLinkServiceId: link.id
          groupIds: [link.group]
        }
      }
    ]
  }
}]

resource named 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2024-05-01' = [for (link, i) in links: {
  parent: endpoint[i]
  name: 'default'
  dependsOn: [
    zone
  ]
  properties: {
    privateDnsZoneConfigs: [
      {
        name: link.name
        properties: { privateDnsZoneId: resourceId('Microsoft.Network/privateDnsZones', link.zone) }
      }
    ]
  }
}]
