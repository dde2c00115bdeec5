"""What `azd up` needs that Bicep cannot say: docs/azure.md."""
