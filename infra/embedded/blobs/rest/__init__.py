"""The part of Azure's Blob REST API that clients of the embedded blob store need, at its
signed URLs: `/blobs/{container}[/{name}]`.

    door          finds the operation, checks the signature, words the refusals
    requests      what a request names; headers and parameters that would be ignored unseen
    conditions    If-Match and the like
    bodies        a request's content: its caps, its pace, its MD5
    properties    a blob's headers and metadata, on the wire both ways
    reading  writing  blocks  listing  containers     the operations
"""
