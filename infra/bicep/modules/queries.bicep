// Traffic, acts and jobs as if each were a table of the workspace: MlEndpointsTraffic | take 10. They are
// functions over what Application Insights keeps there.
param logWorkspaceName string

var category = 'ML endpoints'
var tables = [
  {
    name: 'MlEndpointsTraffic'
    shown: 'Scoring requests of deployments with appInsightsEnabled, with columns of AmlOnlineEndpointTrafficLog'
    query: loadTextContent('../queries/traffic.kql')
  }
  {
    name: 'MlEndpointsAudit'
    shown: 'Who did what, when, from where and with what result'
    query: loadTextContent('../queries/audit.kql')
  }
  {
    name: 'MlEndpointsJobs'
    shown: 'Batch jobs that have ended'
    query: loadTextContent('../queries/jobs.kql')
  }
]

resource workspace 'Microsoft.OperationalInsights/workspaces@2023-09-01' existing = {
  name: logWorkspaceName
}

resource table 'Microsoft.OperationalInsights/workspaces/savedSearches@2023-09-01' = [for each in tables: {
  parent: workspace
  name: each.name
  properties: {
    category: category
    displayName: each.shown
    functionAlias: each.name
    query: each.query
    version: 2
  }
}]
