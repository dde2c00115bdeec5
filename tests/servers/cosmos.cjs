// The npm Cosmos DB server on a free port of 127.0.0.1, with TLS if it is given a certificate and
// its key: node cosmos.cjs FOLDER_OF_PACKAGES [CERTIFICATE KEY]
//
// Four things of the service are missing in it as it comes, and are added here:
// - A transactional batch keeps nothing when one of its writes fails, and its partition is the
//   request's. (The server keeps the writes before the failing one.)
// - Reading a document that is not there is answered by 404. (The server says 500.)
// - A query of one partition sees that partition. (The server sees all of them.)
// - A composite index serves the reverse order as well.
"use strict";

const { readFileSync } = require("fs");
const { createRequire } = require("module");

const load = createRequire(`${process.argv[2]}/`);
const server = "@vercel/cosmosdb-server/lib";
const body = load(`${server}/json`).default;
const operations = load(`${server}/handler/_document-operations`);
const batch = load(`${server}/handler/batch-documents`);

const PARTITION = "x-ms-documentdb-partitionkey";

const execute = {
  Create: operations.createOperation,
  Delete: operations.deleteOperation,
  Read: operations.readOperation,
  Replace: operations.replaceOperation,
  Upsert: operations.upsertOperation,
};

batch.default = async (account, request, response, { dbId, collId }) => {
  const wanted = await body(request);
  const collection = account.database(dbId).collection(collId);
  if (!collection.read()) {
    response.statusCode = 404;
    return {};
  }
  // Nothing is awaited from here on, so no other request sees what may be taken back.
  const { documents } = collection;
  const partitionKey = request.headers[PARTITION];
  const before = { _data: new Map(documents._data), _index: new Map(documents._index) };
  const results = [];
  let failed = false;
  for (const operation of wanted) {
    const { statusCode, body: document } = failed
      ? { statusCode: 424 }
      : execute[operation.operationType](collection, { ...operation, partitionKey });
    failed = failed || statusCode >= 400;
    results.push(
      statusCode >= 400
        ? { statusCode, requestCharge: 0 }
        : { statusCode, requestCharge: 1, eTag: document?._etag, resourceBody: document },
    );
  }
  if (!failed) return results;
  Object.assign(documents, before);
  response.statusCode = 207;
  return results.map(({ statusCode }) => ({
    statusCode: statusCode >= 400 && statusCode !== 424 ? statusCode : 424,
    requestCharge: 0,
  }));
};

const read = load(`${server}/handler/read-document`);
read.default = (account, request, response, { dbId, collId, docId }) => {
  const collection = account.database(dbId).collection(collId);
  const partitionKey = request.headers[PARTITION];
  const { statusCode, body: document } = collection.read()
    ? operations.readOperation(collection, { partitionKey, id: docId })
    : { statusCode: 404, body: {} };
  response.statusCode = statusCode;
  return document;
};

const query = load(`${server}/handler/query-documents`);
const ask = query.default;

const narrowed = (collection, key) => {
  const { documents } = collection;
  const data = [...documents._data].filter(([, item]) => item.read().pk === key);
  const view = Object.create(documents, { _data: { value: new Map(data) } });
  return Object.create(collection, { documents: { value: view } });
};

query.default = (account, request, response, parameters) => {
  const [key] = JSON.parse(request.headers[PARTITION] ?? "[]");
  if (typeof key !== "string") return ask(account, request, response, parameters);
  request.headers["x-ms-documentdb-query-enablecrosspartition"] = "True";
  const database = (id) => ({
    collection: (name) => narrowed(account.database(id).collection(name), key),
  });
  return ask({ database }, request, response, parameters);
};

const collections = load(`${server}/account/collections`).default.prototype;
const keep = collections._set;
collections._set = function (data) {
  const kept = keep.call(this, data);
  const indexes = kept.indexingPolicy.compositeIndexes ?? [];
  const opposite = { ascending: "descending", descending: "ascending" };
  for (const paths of [...indexes]) {
    indexes.push(paths.map(({ path, order }) => ({ path, order: opposite[order] })));
  }
  return kept;
};

const { createHttpServer, createHttpsServer } = load(server);
const [cert, key] = process.argv.slice(3).map((file) => readFileSync(file));
const listener = cert
  ? createHttpsServer({ keepAlive: true, cert, key })
  : createHttpServer({ keepAlive: true });
listener.listen(0, "127.0.0.1", () => {
  console.log(`Listening on ${cert ? "https" : "http"}://127.0.0.1:${listener.address().port}`);
});
