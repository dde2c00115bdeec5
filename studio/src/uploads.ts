/** Files from this browser into the registry: a place is asked for, they are put there, and a version
 * is registered that is what they are. */

import { call, here, id, Refusal, refusal, send } from "./host";
import { bytes, t } from "./language";

const PIECE = 8 * 1024 * 1024;
const URI: Readonly<Record<string, string>> = { models: "modelUri", codes: "codeUri", data: "dataUri" };

export interface Chosen {
  /** The folder's name; of one file, its own. */
  name: string;
  isFolder: boolean;
  files: readonly { path: string; file: File }[];
}

/** What was chosen in a file field; a folder without what begins with a dot. */
export function chosen(list: FileList | null): Chosen | null {
  const all = [...(list ?? [])];
  const [first] = all;
  if (!first) return null;
  const folder = first.webkitRelativePath.split("/")[0];
  if (!folder) return { name: first.name, isFolder: false, files: [{ path: first.name, file: first }] };
  const files = all
    .map((file) => ({ path: file.webkitRelativePath, file }))
    .filter(({ path }) => !path.split("/").some((part) => part.startsWith(".") || part === "__pycache__"));
  return { name: folder, isFolder: true, files };
}

/** As in `3 files, 1.2 MiB`. */
export function amount(of: Chosen): string {
  const size = of.files.reduce((sum, { file }) => sum + file.size, 0);
  return t("{n} files, {size}", { n: of.files.length, size: bytes(size) });
}

/** The number of the version that comes next. */
export async function nextVersion(kind: string, name: string): Promise<string> {
  try {
    const path = `${kind}/${encodeURIComponent(name)}`;
    const found = await call<{ properties: { nextVersion?: string } }>("GET", path);
    return found.body.properties.nextVersion ?? "1";
  } catch (error) {
    if (error instanceof Refusal && error.status === 404) return "1";
    throw error;
  }
}

/** Registers a version with these properties; of `files`, where there are any. Its id. */
export async function register(
  kind: string,
  name: string,
  version: string,
  properties: Readonly<Record<string, unknown>>,
  files: Chosen | null,
  told: (status: string) => void,
): Promise<string> {
  const number = version || (await nextVersion(kind, name));
  const path = `${kind}/${encodeURIComponent(name)}/versions/${encodeURIComponent(number)}`;
  const all = { ...properties };
  if (files) all[URI[kind] ?? "uri"] = await upload(path, files, told);
  told(t("Registering {name}, version {version}", { name, version: number }));
  await call("PUT", path, { properties: all });
  return id(path);
}

interface Pending {
  blobReferenceForConsumption: { blobUri: string; credential: { sasUri: string } };
}

/** Puts files into the place that the host gives for a version, and returns where they are. */
async function upload(path: string, of: Chosen, told: (status: string) => void): Promise<string> {
  const asked = { pendingUploadType: "TemporaryBlobReference" };
  const pending = await call<Pending>("POST", `${path}/startPendingUpload`, asked);
  const { blobUri, credential } = pending.body.blobReferenceForConsumption;
  const query = credential.sasUri.slice(credential.sasUri.indexOf("?") + 1);
  if (!new URL(blobUri).pathname.startsWith("/blobs/")) {
    throw new Error(t("This host keeps files in an account that a browser is not let into; mle uploads there."));
  }
  let done = 0;
  for (const { path: name, file } of of.files) {
    told(t("Uploading {done} of {all}: {name}", { done: ++done, all: of.files.length, name }));
    await put(`${here(blobUri)}/${name.split("/").map(encodeURIComponent).join("/")}?${query}`, file);
  }
  // Code is a folder, also where it is one file.
  return path.startsWith("codes/") && !of.isFolder ? blobUri : `${blobUri}/${encodeURIComponent(of.name)}`;
}

/** One file, large ones in pieces. */
async function put(url: string, file: File): Promise<void> {
  if (file.size <= PIECE) {
    await sent(url, file, { "x-ms-blob-type": "BlockBlob" });
    return;
  }
  const ids: string[] = [];
  for (let at = 0; at < file.size; at += PIECE) {
    const block = btoa(String(ids.length).padStart(8, "0"));
    ids.push(block);
    await sent(`${url}&comp=block&blockid=${encodeURIComponent(block)}`, file.slice(at, at + PIECE), {});
  }
  const listed = ids.map((each) => `<Latest>${each}</Latest>`).join("");
  await sent(`${url}&comp=blocklist`, `<?xml version="1.0" encoding="utf-8"?><BlockList>${listed}</BlockList>`, {});
}

async function sent(url: string, body: Blob | string, headers: Record<string, string>): Promise<void> {
  const response = await send(url, { method: "PUT", body, headers });
  if (response.status >= 400) throw await refusal(response);
}
