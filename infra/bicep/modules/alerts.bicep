// What nobody may miss. The alerts stand in the portal; `email` and `webhook`, where there is one, are
// told of each. docs/azure.md, "Alerts", says of each what to do.
param location string
param tags object
param email string
param webhook string
param serviceBusId string
param cosmosId string
param topicId string
param insightsId string
param logWorkspaceId string
param expiryQueueName string
param latencyMilliseconds int
param failures int
param queriedEvery string

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'ag-ml-endpoints'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'mlendpoints'
    enabled: true
    emailReceivers: empty(email) ? [] : [
      {
        name: 'email'
        emailAddress: email
        useCommonAlertSchema: true
      }
    ]
    webhookReceivers: empty(webhook) ? [] : [
      {
        name: 'webhook'
        serviceUri: webhook
        useCommonAlertSchema: true
      }
    ]
  }
}

resource deadLetters 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: 'dead-letters'
  location: 'global'
  tags: tags
  properties: {
    description: 'A queue has put messages aside, after as many failed deliveries as are allowed: docs/azure.md, "Dead letters".'
    severity: 1
    enabled: true
    scopes: [serviceBusId]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT5M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: 'dead-letters'
          metricNamespace: 'Microsoft.ServiceBus/namespaces'
          metricName: 'DeadletteredMessages'
          timeAggregation: 'Maximum'
          operator: 'GreaterThan'
          threshold: 0
        }
      ]
    }
    actions: [{ actionGroupId: people.id }]
  }
}

resource undelivered 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: 'undelivered-arrivals'
  location: 'global'
  tags: tags
  properties: {
    description: 'Event Grid could not tell of blobs in the inbox for a day: docs/azure.md, "Dead letters".'
    severity: 1
    enabled: true
    scopes: [topicId]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT5M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: 'undelivered-arrivals'
          metricNamespace: 'Microsoft.EventGrid/systemTopics'
          metricName: 'DeadLetteredCount'
          timeAggregation: 'Total'
          operator: 'GreaterThan'
          threshold: 0
        }
      ]
    }
    actions: [{ actionGroupId: people.id }]
  }
}

resource expiring 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: 'expiring-secrets'
  location: 'global'
  tags: tags
  properties: {
    description: 'A secret, key or certificate of the vault expires within 30 days, or has: the queue says which.'
    severity: 2
    enabled: true
    scopes: [serviceBusId]
    evaluationFrequency: 'PT1H'
    windowSize: 'PT1H'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: 'expiring-secrets'
          metricNamespace: 'Microsoft.ServiceBus/namespaces'
          metricName: 'ActiveMessages'
          timeAggregation: 'Maximum'
          operator: 'GreaterThan'
          threshold: 0
          dimensions: [
            {
              name: 'EntityName'
              operator: 'Include'
              values: [expiryQueueName]
            }
          ]
        }
      ]
    }
    actions: [{ actionGroupId: people.id }]
  }
}

resource throttled 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: 'throttled-documents'
  location: 'global'
  tags: tags
  properties: {
    description: 'Cosmos DB has refused requests for more request units than it may use (429).'
    severity: 2
    enabled: true
    scopes: [cosmosId]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT5M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: 'throttled-documents'
          metricNamespace: 'Microsoft.DocumentDB/databaseAccounts'
          metricName: 'TotalRequests'
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 100
          dimensions: [
            {
              name: 'StatusCode'
              operator: 'Include'
              values: ['429']
            }
          ]
        }
      ]
    }
    actions: [{ actionGroupId: people.id }]
  }
}

resource slow 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: 'slow-requests'
  location: 'global'
  tags: tags
  properties: {
    description: 'Scoring requests take longer, by their average, than is allowed.'
    severity: 2
    enabled: true
    scopes: [insightsId]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: 'slow-requests'
          metricNamespace: 'Microsoft.MachineLearningServices/workspaces/onlineEndpoints'
          metricName: 'RequestLatency'
          timeAggregation: 'Average'
          operator: 'GreaterThan'
          threshold: latencyMilliseconds
          skipMetricValidation: true
        }
      ]
    }
    actions: [{ actionGroupId: people.id }]
  }
}

// By the log, since the metric's dimensions are not there unless they are switched on by hand.
resource failing 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = {
  name: 'failing-requests'
  location: location
  tags: tags
  properties: {
    displayName: 'failing-requests'
    description: 'Scoring requests were answered 5xx: the workbook says whose.'
    severity: 1
    enabled: true
    scopes: [logWorkspaceId]
    evaluationFrequency: queriedEvery
    windowSize: queriedEvery
    criteria: {
      allOf: [
        {
          query: 'AppMetrics | where Name == "RequestsPerMinute" and tostring(Properties.statusCodeClass) == "5xx"'
          timeAggregation: 'Total'
          metricMeasureColumn: 'Sum'
          operator: 'GreaterThan'
          threshold: failures
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    autoMitigate: true
    // The table is there once its first row is.
    skipQueryValidation: true
    actions: { actionGroups: [people.id] }
  }
}

// By the records of jobs that have ended, since no metric has them.
resource failedJobs 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = {
  name: 'failed-jobs'
  location: location
  tags: tags
  properties: {
    displayName: 'failed-jobs'
    description: 'Batch jobs have failed: MlEndpointsJobs says which, and by what.'
    severity: 2
    enabled: true
    scopes: [logWorkspaceId]
    evaluationFrequency: queriedEvery
    windowSize: queriedEvery
    criteria: {
      allOf: [
        {
          query: 'AppEvents | where Name == "JobRecord" and tostring(Properties["job.status"]) == "Failed"'
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    autoMitigate: true
    // The table is there once its first row is.
    skipQueryValidation: true
    actions: { actionGroups: [people.id] }
  }
}
