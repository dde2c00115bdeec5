/** Files of a datastore, read by the signed address that the host gives for it. */

import { call, refusal, send } from "../../host";

interface Secrets {
  sasToken?: string;
}

interface Datastore {
  properties: { containerName: string };
}

/** The address of what a datastore's URI names; null for another kind of URI. Rejects with Refusal. */
export async function signed(uri: string): Promise<string | null> {
  const [, datastore, path] = /^azureml:\/\/datastores\/([^/]+)\/paths\/(.+)$/.exec(uri) ?? [];
  if (!datastore || !path) return null;
  const secrets = await call<Secrets>("POST", `datastores/${datastore}/listSecrets`, {});
  const about = await call<Datastore>("GET", `datastores/${datastore}`);
  const place = path.split("/").map(encodeURIComponent).join("/");
  return `/blobs/${about.body.properties.containerName}/${place}?${(secrets.body.sasToken ?? "").replace(/^\?/, "")}`;
}

/** Its first bytes as text, to the end of a line; null where there is no such file. */
export async function first(url: string, bytes: number): Promise<string | null> {
  const response = await send(url, { headers: { Range: `bytes=0-${bytes - 1}` } });
  if (response.status === 404) return null;
  if (response.status >= 400) throw await refusal(response);
  const text = await response.text();
  return text.length >= bytes ? text.slice(0, text.lastIndexOf("\n")) : text;
}

/** Gives the reader the file. */
export async function download(url: string, name: string): Promise<void> {
  const response = await send(url);
  if (response.status >= 400) throw await refusal(response);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await response.blob());
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}
