// How the installation fares, in the portal: Azure Monitor, Workbooks, "ML endpoints".
param location string
param tags object
param logWorkspaceId string

resource workbook 'Microsoft.Insights/workbooks@2022-04-01' = {
  name: guid(resourceGroup().id, 'ml-endpoints')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: 'ML endpoints'
    category: 'workbook'
    version: '1.0'
    sourceId: logWorkspaceId
    serializedData: replace(loadTextContent('../queries/workbook.json'), '<workspace>', logWorkspaceId)
  }
}
