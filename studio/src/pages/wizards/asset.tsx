import { t } from "../../language";
import { Ask } from "../../parts/dialog";
import { Choice, Input, useForm } from "../../parts/form";
import { NONE, PickSource, type Source } from "../../parts/source";
import { register } from "../../uploads";
import { Written, yaml } from "../../yaml";

export type AssetKind = "models" | "environments" | "data" | "codes";

/** What `mle` calls them. */
export const NOUNS: Readonly<Record<AssetKind, string>> = { models: "model", environments: "environment", data: "data", codes: "code" };
const TITLES: Readonly<Record<AssetKind, string>> = {
  models: "Register a model",
  environments: "Register an environment",
  data: "Register data",
  codes: "Register code",
};
const TYPES: Readonly<Partial<Record<AssetKind, readonly (readonly [string, string])[]>>> = {
  models: [
    ["custom_model", "files that a scoring script reads"],
    ["mlflow_model", "an MLflow model"],
    ["triton_model", "a Triton model repository"],
  ],
  data: [
    ["uri_folder", "a folder"],
    ["uri_file", "one file"],
    ["mltable", "an MLTable"],
  ],
};
const TYPE_FIELDS: Readonly<Partial<Record<AssetKind, string>>> = { models: "modelType", data: "dataType" };

/** A version of an asset, from files of this machine, an address, or a conda file. */
export function RegisterAsset({ kind, onClose, onDone }: { kind: AssetKind; onClose(): void; onDone(name: string): void }) {
  const isEnvironment = kind === "environments";
  const [form, set] = useForm({
    name: "",
    version: "",
    description: "",
    image: "",
    type: TYPES[kind]?.[0]?.[0] ?? "",
    source: { ...NONE, how: isEnvironment ? "written" : "upload" } as Source,
  });
  const [conda, files] = [form.source.text, form.source.files];
  const place = form.source.how === "address" ? form.source.id : `./${files?.name ?? "PATH"}`;
  const written = yaml({
    name: form.name || "NAME",
    version: form.version || undefined,
    description: form.description || undefined,
    type: form.type || undefined,
    ...(isEnvironment ? { image: form.image || undefined, conda_file: conda ? new Written(conda) : undefined } : { path: place }),
  });
  return (
    <Ask
      title={t(TITLES[kind])}
      act={t("Register")}
      wide
      yaml={written}
      command={kind === "codes" ? t("# mle online-deployment create and batch-deployment create register their code themselves") : `mle ${NOUNS[kind]} create -f ${NOUNS[kind]}.yml`}
      onClose={onClose}
      onAct={async (told) => {
        const field = TYPE_FIELDS[kind];
        const properties = {
          ...(form.description && { description: form.description }),
          ...(field && { [field]: form.type }),
          ...(isEnvironment && { ...(conda && { condaFile: conda }), ...(form.image && { image: form.image }) }),
          ...(form.source.how === "address" && { [kind === "models" ? "modelUri" : "dataUri"]: form.source.id }),
        };
        if (form.source.how === "upload" && !files) throw new Error(t("No file is chosen yet for {name}.", { name: form.name }));
        await register(kind, form.name, form.version, properties, form.source.how === "upload" ? files : null, told);
        onDone(form.name);
      }}
    >
      <Input
        label={t("Name")}
        required
        autofocus
        value={form.name}
        pattern="[A-Za-z0-9][A-Za-z0-9._\-]*"
        target="name"
        hint={t("letters, digits, . _ and -")}
        onChange={(name) => set({ name })}
      />
      <div class="pair">
        <Input label={t("Version")} value={form.version} placeholder={t("the next one")} target="version" onChange={(version) => set({ version })} />
        {TYPES[kind] && (
          <Choice
            label={t("It is")}
            value={form.type}
            target={`properties.${TYPE_FIELDS[kind] ?? ""}`}
            options={(TYPES[kind] ?? []).map(([value, name]) => ({ value, name: t(name) }))}
            onChange={(type) => set({ type })}
          />
        )}
      </div>
      {isEnvironment ? (
        <>
          <Input
            label={t("Conda file")}
            rows={9}
            value={form.source.text}
            target="properties.condaFile"
            placeholder={"dependencies:\n  - python=3.11\n  - pip:\n      - numpy"}
            onChange={(text) => set({ source: { ...form.source, text } })}
          />
          <Input
            label={t("Image")}
            value={form.image}
            target="properties.image"
            hint={t("where containers run models; a conda file then adds to it")}
            onChange={(image) => set({ image })}
          />
        </>
      ) : (
        <Files kind={kind} value={form.source} onChange={(source) => set({ source: { ...source } })} />
      )}
      <Input label={t("Description")} value={form.description} target="properties.description" onChange={(description) => set({ description })} />
    </Ask>
  );
}

function Files({ kind, value, onChange }: { kind: AssetKind; value: Source; onChange(value: Source): void }) {
  return <PickSource kind={kind} bare others={false} label={t("Files")} value={value} address={kind !== "codes"} onChange={onChange} />;
}
