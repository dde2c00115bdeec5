import { useEffect, useState } from "preact/hooks";
import { call, send } from "../../host";
import { bytes, number, t } from "../../language";
import { State } from "../../parts/state";
import { Told } from "../../parts/told";
import { exampleOf, isDrawable, plain, type Schema, SchemaForm } from "../../parts/schema-form";
import type { OnlineEndpoint } from "../../api";
import { Examples } from "./examples";

interface Tried {
  deployment: string;
  status: number;
  took: number;
  first: number | null;
  text: string;
  done: boolean;
}

const KEPT = "studio-example-";

/** Sends a request as any caller does, and shows the answer as it comes; to two deployments side by
 * side where they are to be compared. */
export function Test({ endpoint, deployments }: { endpoint: OnlineEndpoint; deployments: readonly string[] }) {
  const [body, setBody] = useState(() => localStorage.getItem(KEPT + endpoint.name) ?? '{\n  "data": [1, 2, 3]\n}');
  const [file, setFile] = useState<File | null>(null);
  const [schema, setSchema] = useState<Schema | null>(null);
  const [asForm, setAsForm] = useState(true);
  const [one, setOne] = useState("");
  const [other, setOther] = useState("");
  const [tried, setTried] = useState<Readonly<Record<string, Tried>>>({});
  const [fault, setFault] = useState<Error | null>(null);
  const [busy, setBusy] = useState(false);

  useEffect(() => {
    void described(endpoint).then((found) => {
      setSchema(found);
      if (found && localStorage.getItem(KEPT + endpoint.name) === null) {
        const example = exampleOf(found);
        if (example !== null && JSON.stringify(example) !== "{}") setBody(JSON.stringify(example, null, 2));
      }
    });
  }, []);

  async function ask(): Promise<void> {
    setFault(null);
    setBusy(true);
    setTried({});
    localStorage.setItem(KEPT + endpoint.name, body);
    try {
      const opened = await credentials(endpoint);
      const sent = file ?? body;
      const places = other ? { one, other } : { one };
      await Promise.all(
        Object.entries(places).map(async ([side, deployment]) => {
          await score(endpoint.name, opened, deployment, sent, (seen) => setTried((all) => ({ ...all, [side]: seen })));
        }),
      );
    } catch (error) {
      setFault(error instanceof Error ? error : new Error(String(error)));
    } finally {
      setBusy(false);
    }
  }

  const parsed = json(body);
  const drawn = isDrawable(schema) && asForm && parsed !== undefined;
  const sides = ["one", "other"].flatMap((side) => tried[side] ?? []);
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void ask();
      }}
    >
      <div class="row">
        <Chosen label={t("Deployment")} value={one} names={deployments} none={t("by the traffic")} onChange={setOne} />
        <Chosen label={t("Beside")} value={other} names={deployments} none={t("none")} onChange={setOther} />
        <label class="inline">
          {t("A file in place of text")}
          <input type="file" onChange={(event) => setFile(event.currentTarget.files?.[0] ?? null)} />
        </label>
      </div>
      {file && <Picture of={file} />}
      {!file && isDrawable(schema) && (
        <label class="check">
          <input type="checkbox" checked={asForm} onChange={(event) => setAsForm(event.currentTarget.checked)} />
          {t("Fields, by what the model says it takes")}
        </label>
      )}
      {!file && drawn && (
        <section class="card">
          <SchemaForm name="" schema={schema} value={parsed} onChange={(value) => setBody(JSON.stringify(value, null, 2))} />
        </section>
      )}
      {!file && !drawn && (
        <label>
          {t("Request")}
          <textarea rows={10} value={body} spellcheck={false} onInput={(event) => setBody(event.currentTarget.value)} />
        </label>
      )}
      {!file && <Examples endpoint={endpoint.name} body={body} onChoose={setBody} />}
      {!file && parsed === undefined && <p class="quiet">{t("This is not JSON; it is sent as it stands.")}</p>}
      <p>
        <button type="submit" class="primary" disabled={busy || !deployments.length}>
          {t("Send")}
        </button>
      </p>
      <Told fault={fault} />
      <div class="sides" aria-live="polite">
        {sides.map((seen) => (
          <Answered key={seen.deployment} seen={seen} />
        ))}
      </div>
      {sides.length === 2 && sides.every((seen) => seen.done) && (
        <p role="status">
          {sides[0]?.text === sides[1]?.text ? t("Both answered the same.") : t("The answers differ.")}{" "}
          {slower(sides[0], sides[1])}
        </p>
      )}
    </form>
  );
}

function Chosen(props: { label: string; value: string; names: readonly string[]; none: string; onChange(value: string): void }) {
  return (
    <label class="inline">
      {props.label}
      <select value={props.value} onChange={(event) => props.onChange(event.currentTarget.value)}>
        <option value="">{props.none}</option>
        {props.names.map((name) => (
          <option key={name}>{name}</option>
        ))}
      </select>
    </label>
  );
}

function Answered({ seen }: { seen: Tried }) {
  return (
    <section class="card">
      <div class="row">
        <h3>{seen.deployment || t("Answer")}</h3>
        <State of={seen.status < 300 ? "Succeeded" : "Failed"} />
        <span>{seen.status}</span>
        <span class="grow" />
        <span class="quiet">
          {seen.first !== null && `${t("first byte {ms} ms", { ms: number(seen.first) })}, `}
          {seen.done ? t("{ms} ms", { ms: number(seen.took) }) : t("it comes…")}
        </span>
      </div>
      <pre tabIndex={0}>{pretty(seen.text)}</pre>
    </section>
  );
}

function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

async function credentials(endpoint: OnlineEndpoint): Promise<Record<string, string>> {
  const path = `onlineEndpoints/${encodeURIComponent(endpoint.name)}`;
  if (endpoint.properties.authMode === "Key") {
    const keys = await call<{ primaryKey: string }>("POST", `${path}/listKeys`);
    return { Authorization: `Bearer ${keys.body.primaryKey}` };
  }
  if (endpoint.properties.authMode === "AMLToken") {
    const token = await call<{ accessToken: string }>("POST", `${path}/token`);
    return { Authorization: `Bearer ${token.body.accessToken}` };
  }
  return {};
}

async function score(
  name: string,
  opened: Readonly<Record<string, string>>,
  deployment: string,
  body: string | File,
  told: (seen: Tried) => void,
): Promise<void> {
  const type = typeof body === "string" ? "application/json" : body.type || "application/octet-stream";
  const headers: Record<string, string> = { "Content-Type": type, ...opened };
  if (deployment) headers["azureml-model-deployment"] = deployment;
  const began = performance.now();
  const response = await send(`/endpoints/${encodeURIComponent(name)}/score`, { method: "POST", headers, body });
  const seen: Tried = {
    deployment: deployment || response.headers.get("azureml-model-deployment") || "",
    status: response.status,
    took: 0,
    first: null,
    text: "",
    done: false,
  };
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { value, done } = (await reader?.read()) ?? { value: undefined, done: true };
    seen.took = performance.now() - began;
    seen.first ??= seen.took;
    seen.text += value ?? "";
    told({ ...seen, done });
    if (done) return;
  }
}

/** What was chosen, drawn where it is an image. */
function Picture({ of }: { of: File }) {
  const [url, setUrl] = useState("");
  useEffect(() => {
    if (!of.type.startsWith("image/")) return undefined;
    const made = URL.createObjectURL(of);
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [of]);
  return (
    <p class="row">
      {url && of.type.startsWith("image/") && <img class="preview" src={url} alt={of.name} />}
      <span class="quiet">
        {of.name}, {of.type || t("of no known type")}, {bytes(of.size)}
      </span>
    </p>
  );
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

interface OpenApi {
  paths?: Record<string, { post?: { requestBody?: { content?: Record<string, { schema?: Schema }> } } }>;
}

/** What the model says that it takes, where it says so. */
async function described(endpoint: OnlineEndpoint): Promise<Schema | null> {
  try {
    const opened = await credentials(endpoint);
    const response = await send(`/endpoints/${encodeURIComponent(endpoint.name)}/swagger.json?version=3`, { headers: opened });
    if (!response.ok) return null;
    const document = (await response.json()) as OpenApi;
    const content = document.paths?.["/score"]?.post?.requestBody?.content;
    return plain(content?.["application/json"]?.schema, document);
  } catch {
    // It tells of itself only while it runs; a request can be written by hand.
    return null;
  }
}

function slower(one: Tried | undefined, other: Tried | undefined): string {
  const more = (other?.took ?? 0) - (one?.took ?? 0);
  const [name = ""] = more > 0 ? [other?.deployment] : [one?.deployment];
  return t("{name} took {ms} ms longer.", { name, ms: number(Math.abs(more)) });
}
