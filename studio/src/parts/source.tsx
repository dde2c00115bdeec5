import { useEffect, useState } from "preact/hooks";
import { list } from "../host";
import { t } from "../language";
import type { Resource } from "../envelope";
import { amount, type Chosen, chosen, register } from "../uploads";
import { Written, type Yaml } from "../yaml";
import { Choice, Input, type Option } from "./form";

type Named = Resource<{ latestVersion?: string | null }>;

/** Where an asset of a deployment, or a job's data, comes from. */
export interface Source {
  how: "none" | "registered" | "upload" | "written" | "address";
  /** Of a registered version its id, of an address itself. */
  id: string;
  /** What an upload, or an environment that is written here, is registered as. */
  name: string;
  files: Chosen | null;
  /** A conda file. */
  text: string;
}

export const NONE: Source = { how: "none", id: "", name: "", files: null, text: "" };

const CONDA = "name: model\nchannels: [conda-forge]\ndependencies:\n  - python=3.11\n  - pip:\n      - numpy\n";

interface Props {
  kind: "models" | "codes" | "environments" | "data";
  label: string;
  value: Source;
  onChange(value: Source): void;
  /** What having none means, where that may be. */
  none?: string;
  address?: boolean;
  /** Whether files may be brought along. */
  upload?: boolean;
  /** Whether what is registered may be chosen. */
  others?: boolean;
  /** The dialog asks for the name itself. */
  bare?: boolean;
  target?: string;
}

/** Choose a registered version, or bring one along. */
export function PickSource(props: Props) {
  const { kind, label, value, onChange, none, address, target, bare } = props;
  const versions = useVersions(kind);
  const { upload = true, others = true } = props;
  const options: Option[] = [{ value: "", name: none ?? t("choose…") }];
  if (upload) {
    options.push(
      kind === "environments"
        ? { value: "+written", name: t("A new one, from a conda file…") }
        : { value: "+upload", name: t("Upload a file or a folder…") },
    );
  }
  if (address) options.push({ value: "+address", name: t("A place of your own…") });
  const set = (change: Partial<Source>): void => onChange({ ...value, ...change });
  const shown = value.how === "registered" ? value.id : value.how === "none" ? "" : `+${value.how}`;
  function choose(next: string): void {
    if (next === "") onChange(NONE);
    else if (next === "+written") set({ how: "written", text: value.text || CONDA });
    else if (next.startsWith("+")) set({ how: next.slice(1) as Source["how"], id: "" });
    else set({ how: "registered", id: next });
  }
  return (
    <>
      <Choice
        label={label}
        value={shown}
        required={none === undefined}
        options={options}
        group={{ name: t("Registered, the newest version of each"), options: others ? known(versions, value) : [] }}
        target={target}
        onChange={choose}
      />
      {(value.how === "upload" || value.how === "written") && (
        <div class="brought">
          {value.how === "upload" ? (
            <Files value={value} onChange={set} label={label} />
          ) : (
            <Input label={t("Conda file")} rows={7} required value={value.text} target="properties.condaFile" onChange={(text) => set({ text })} />
          )}
          {!bare && (
            <Input
              label={t("{what}: registered as", { what: label })}
              required
              value={value.name}
              pattern="[A-Za-z0-9][A-Za-z0-9._\-]*"
              onChange={(name) => set({ name })}
            />
          )}
        </div>
      )}
      {value.how === "address" && (
        <Input
          label={t("Address")}
          required
          value={value.id}
          hint={t("azureml://datastores/…/paths/…, azureml:NAME:VERSION, or a web address")}
          onChange={(id) => set({ id })}
        />
      )}
    </>
  );
}

/** With the chosen one, which may be an older version, or newer than the list. */
function known(versions: readonly Option[], value: Source): readonly Option[] {
  if (value.how !== "registered" || versions.some((each) => each.value === value.id)) return versions;
  return [{ value: value.id, name: reference(value.id).replace(/^azureml:/, "") }, ...versions];
}

function Files({ value, onChange, label }: { value: Source; onChange(change: Partial<Source>): void; label: string }) {
  function take(list: FileList | null): void {
    const files = chosen(list);
    const name = value.name || (files?.name ?? "").replace(/\.[^.]*$/, "").replace(/[^A-Za-z0-9._-]+/g, "-").replace(/^[^A-Za-z0-9]+/, "");
    onChange({ files, name });
  }
  return (
    <div class="files">
      <label class="pick">
        {t("A folder")}
        <input
          type="file"
          aria-label={t("{what}: a folder", { what: label })}
          ref={(element) => {
            if (element) element.webkitdirectory = true;
          }}
          onChange={(event) => take(event.currentTarget.files)}
        />
      </label>
      <label class="pick">
        {t("or one file")}
        <input type="file" aria-label={t("{what}: one file", { what: label })} onChange={(event) => take(event.currentTarget.files)} />
      </label>
      <p class="quiet" role="status">
        {value.files ? `${value.files.name}: ${amount(value.files)}` : t("Nothing chosen yet.")}
      </p>
    </div>
  );
}

/** What is registered under this id. */
export function registered(id: string): Source {
  return { ...NONE, how: "registered", id };
}

/** The id of what was chosen; null for none. What is brought along is registered, and `keep` is given
 * it as that, so that another try does not bring it again. Rejects with Refusal. */
export async function resolved(
  kind: string,
  source: Source,
  told: (status: string) => void,
  keep: (source: Source) => void,
  properties: Readonly<Record<string, unknown>> = {},
): Promise<string | null> {
  if (source.how === "none") return null;
  if (source.how === "registered" || source.how === "address") return source.id;
  if (source.how === "upload" && !source.files) {
    throw new Error(t("No file is chosen yet for {name}.", { name: source.name || kind }));
  }
  const isWritten = source.how === "written";
  const all = isWritten ? { ...properties, condaFile: source.text } : properties;
  const id = await register(kind, source.name, "", all, isWritten ? null : source.files, told);
  keep(registered(id));
  return id;
}

/** As `mle` takes it in YAML. */
export function said(source: Source, more: Readonly<Record<string, Yaml>> = {}): Yaml {
  if (source.how === "none") return undefined;
  if (source.how === "address") return source.id;
  if (source.how === "registered") return reference(source.id);
  const name = source.name || "NAME";
  if (source.how === "written") return { name, conda_file: new Written(source.text) };
  return { name, path: `./${source.files?.name ?? "PATH"}`, ...more };
}

/** `azureml:NAME:VERSION` of an id. */
export function reference(id: string): string {
  const found = /\/([^/]+)\/versions\/([^/]+)$/.exec(id);
  return found ? `azureml:${decodeURIComponent(found[1] ?? "")}:${decodeURIComponent(found[2] ?? "")}` : id;
}

/** The newest version of each asset of a kind. */
export function useVersions(kind: string): readonly Option[] {
  const [found, setFound] = useState<readonly Option[]>([]);
  useEffect(() => {
    void list<Named>(kind, 1000)
      .then((assets) =>
        setFound(
          assets
            .filter((each) => each.properties.latestVersion)
            .map((each) => ({
              value: `${each.id}/versions/${each.properties.latestVersion}`,
              name: `${each.name}:${each.properties.latestVersion}`,
            })),
        ),
      )
      .catch(() => setFound([]));
  }, [kind]);
  return found;
}
